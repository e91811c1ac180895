//! Streaming execution: a dataflow of operators, driven in rounds.
//!
//! One round takes a batch from a source through the operators to the sinks, then the watermark after it. Between rounds
//! nothing is in flight: that is when a checkpoint is taken.
//!
//! | file | what it is |
//! |---|---|
//! | [`compile`] | a plan to a dataflow |
//! | [`dataflow`] | the operators as a graph, and the round |
//! | [`merge`] | a union in the order of event time |
//! | [`memory`] | how much memory their state may take |
//! | [`identity`], [`matching`] | what operators are; their states, found again in a script that has changed |
//! | [`sink`] | a table's sink, written by a thread |
//! | [`source`] | a table or a stored stage, read ahead by a thread; parts that go on side by side, aligned |
//! | [`stateless`] | filter, project, unnest, predict |
//! | [`window`] | TUMBLE, HOP, CUMULATE: windows assigned, late rows dropped |
//! | [`window_top_n`] | the first rows of each window |
//! | [`session`] | SESSION: rows held until their session has closed |
//! | [`held`] | rows kept by number |
//! | [`lateness`] | an operator's watermark, and its late rows |
//! | [`late_rows`] | the table that late rows are written to |
//! | [`in_time`] | late rows left out, for operators of several inputs |
//! | [`interval_join`] | two streams, where the time of one bounds the time of the other |
//! | [`window_join`] | the rows of two streams that are in one window |
//! | [`join`] | what joins have in common |
//! | [`lookup_join`] | a stream and a bounded table |
//! | [`temporal_join`] | a stream and a versioned table |
//! | [`aggregate`] | aggregates by window, and their early results |
//! | [`waiting`] | rows that wait, and come out in the order of event time |
//! | [`in_order`] | the same by the watermark of their own input; late ones dropped |
//! | [`over`] | aggregates OVER the rows before each row |
//! | [`deduplicate`] | the first row of each key; distinct rows |
//! | [`keys`] | keys of keyed state and groups of a GROUP BY, numbered |
//! | [`train`] | ML_TRAIN |
//! | [`collect`] | what only DataFusion can do, at the end of a bounded input |
//! | [`spill`] | batches kept in a file |

pub(crate) mod aggregate;
#[cfg(test)]
mod backpressure;
pub(crate) mod collect;
pub(crate) mod compile;
pub(crate) mod dataflow;
pub(crate) mod deduplicate;
mod held;
pub(crate) mod identity;
pub(crate) mod in_order;
pub(crate) mod in_time;
pub(crate) mod interval_join;
pub(crate) mod join;
pub(crate) mod keys;
pub(crate) mod late_rows;
pub(crate) mod lateness;
pub(crate) mod lookup_join;
pub(crate) mod matching;
mod memory;
mod merge;
pub(crate) mod operator;
pub(crate) mod over;
pub(crate) mod session;
pub(crate) mod sink;
pub(crate) mod source;
pub(crate) mod spill;
pub(crate) mod stage;
pub(crate) mod state;
pub(crate) mod stateless;
pub(crate) mod temporal_join;
pub(crate) mod train;
pub(crate) mod waiting;
pub(crate) mod window;
pub(crate) mod window_join;
pub(crate) mod window_top_n;
