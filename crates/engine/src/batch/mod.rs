//! Bounded execution: our plan nodes and tables as DataFusion execution plans.

pub(crate) mod feature_scores;
pub(crate) mod permutation;
pub(crate) mod planner;
pub(crate) mod report;
pub(crate) mod rowwise;
pub(crate) mod scan;
pub(crate) mod session;
pub(crate) mod temporal_join;
pub(crate) mod unnest;
pub(crate) mod window;
