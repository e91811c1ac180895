//! Tests of the crate through its public face.
#![allow(clippy::unwrap_used)]

mod calibration;
mod declared;
mod encoders;
mod every_learner;
mod explaining;
mod faults;
mod gradient_boosting;
mod importance;
mod keyed;
mod merging;
mod prequential;
mod replicas;
mod selection;
mod sequential;
mod snapshots;
mod transforms;
mod tuning;
mod unlabelled;
