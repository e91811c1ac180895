//! Streaming execution: a dataflow of operators, driven in rounds.
//!
//! One round takes a batch from a source through the operators to the sinks, then the watermark after it. Between rounds
//! nothing is in flight: that is when a checkpoint is taken.
//!
//! | file | what it is |
//! |---|---|
//! | [`compile`] | a plan to a dataflow |
//! | [`dataflow`] | the operators as a graph, and the round |
//! | [`source`] | a table or a stored stage, read ahead by a thread |
//! | [`stateless`] | filter, project, predict |
//! | [`window`] | TUMBLE, HOP, CUMULATE: windows assigned, late rows dropped |
//! | [`session`] | SESSION: rows held until their session has closed |
//! | [`held`] | rows kept by number |
//! | [`lateness`] | an operator's watermark, and its late rows |
//! | [`in_time`] | late rows left out, for operators of several inputs |
//! | [`interval_join`] | two streams, where the time of one bounds the time of the other |
//! | [`window_join`] | the rows of two streams that are in one window |
//! | [`join`] | what joins have in common |
//! | [`lookup_join`] | a stream and a bounded table |
//! | [`aggregate`] | aggregates by window |
//! | [`hop_aggregate`] | the same by windows that overlap, from what they have in common |
//! | [`groups`] | the groups of a GROUP BY, numbered |
//! | [`in_order`] | rows put into the order of event time; late ones dropped |
//! | [`over`] | aggregates OVER the rows before each row |
//! | [`deduplicate`] | the first row of each key; distinct rows |
//! | [`keys`] | keys of keyed state, numbered |
//! | [`train`] | ML_TRAIN |
//! | [`collect`] | what only DataFusion can do, at the end of a bounded input |
//! | [`spill`] | batches kept in a file |

pub(crate) mod aggregate;
pub(crate) mod collect;
pub(crate) mod compile;
pub(crate) mod dataflow;
pub(crate) mod deduplicate;
mod groups;
mod held;
pub(crate) mod hop_aggregate;
pub(crate) mod in_order;
pub(crate) mod in_time;
pub(crate) mod interval_join;
pub(crate) mod join;
pub(crate) mod keys;
pub(crate) mod lateness;
pub(crate) mod lookup_join;
pub(crate) mod operator;
pub(crate) mod over;
pub(crate) mod session;
pub(crate) mod sink;
pub(crate) mod source;
pub(crate) mod spill;
pub(crate) mod stage;
pub(crate) mod stateless;
pub(crate) mod train;
pub(crate) mod window;
pub(crate) mod window_join;
