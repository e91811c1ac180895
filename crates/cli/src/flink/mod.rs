//! Jobs on a cluster of Apache Flink, over its REST API.
//!
//! A script becomes programs ([`program`]), one a step, each of which is a job. [`submit`] has the cluster run them, [`watch`] shows
//! how they go, [`jobs`] finds and ends them. What is between here and the cluster is [`rest`], and nothing else.

pub(crate) mod jar;
pub(crate) mod jobs;
pub(crate) mod program;
pub(crate) mod progress;
pub(crate) mod reason;
pub(crate) mod rest;
pub(crate) mod submit;
pub(crate) mod watch;
