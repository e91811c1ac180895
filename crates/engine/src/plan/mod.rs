//! From statements to plans: functions of the FROM clause become nodes that DataFusion carries along.

pub(crate) mod attribute;
pub(crate) mod event_time;
pub(crate) mod feature_scores;
pub(crate) mod node;
pub(crate) mod permutation;
pub(crate) mod relation;
pub(crate) mod rewrite;
pub(crate) mod row_number;
pub(crate) mod temporal;
pub(crate) mod unnest;
pub(crate) mod versioned;
pub(crate) mod window;
