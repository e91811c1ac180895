//! Detectors of change as learners: a number a row, and whether it is still as it was.
//!
//! **Idea.** A [`Detector`] takes one value after the other and tells of each whether the values have changed. Here it is a learner, so
//! that it has options, keys, snapshots and a place in a script as all others: each row's answer is the one that the detector gives
//! when it takes the row's value in. What a row would bring, without taking it in, is asked of a copy.
//!
//! **Shapes.** One number; a missing one changes nothing. Scores: 1 with a change; and 1 with a change or a warning.
//!
//! Formulas, sources, costs and memory: see [`crate::drift`].
//!
//! **Merging.** None: what has changed is told by the order of rows.

use serde::Serialize;
use tidegate_options::Options;

use super::row_model::{ByRow, RowModel};
use super::{FeatureKind, Features, Learner, LearnerDef, Shape};
use crate::block::Row;
use crate::drift::{self, Change, Detector, DetectorDef};
use crate::snapshot::SnapshotError;
use crate::{Result, Task};

/// The learner that a detector makes.
macro_rules! learner {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        $(
            $(#[$doc])*
            pub static $name: LearnerDef = LearnerDef {
                name: drift::$name.name,
                doc: drift::$name.doc,
                tasks: &[Task::ChangeDetection],
                features: Features { categories: false, missing: true, sparse: false },
                options: drift::$name.options,
                merge: "not at all: what has changed is told by the order of rows",
                make: |options, shape| make(&drift::$name, options, shape),
            };
        )+
    };
}

learner! {
    /// `adwin`: two parts of a window that have different means.
    ADWIN,
    /// `ddm`: more errors than at the best time.
    DDM,
    /// `eddm`: errors closer together than at the best time.
    EDDM,
    /// `hddm_a`: a mean above that up to the best cut.
    HDDM_A,
    /// `hddm_w`: the same of means that fade.
    HDDM_W,
    /// `kswin`: the latest values are distributed otherwise than those before.
    KSWIN,
    /// `page_hinkley`: differences from the mean that add up.
    PAGE_HINKLEY,
}

fn make(def: &'static DetectorDef, options: &Options, shape: Shape) -> Result<Box<dyn Learner>> {
    Ok(Box::new(ByRow::new(def.name, shape, Watched { detector: (def.make)(options)? })))
}

#[derive(Debug)]
struct Watched {
    detector: Box<dyn Detector>,
}

/// The value of a row: that there is none is no value.
#[inline]
fn value(x: Row<'_>) -> f64 {
    x.dense.first().copied().unwrap_or(f64::NAN)
}

#[inline]
fn tell(change: Change, scores: &mut [f64]) {
    scores[0] = f64::from(u8::from(change == Change::Drift));
    scores[1] = f64::from(u8::from(change != Change::None));
}

impl RowModel for Watched {
    /// What [`Detector::save`] gives.
    type State = Vec<u8>;
    type Scratch = ();

    fn set_features(&mut self, _kinds: &[FeatureKind]) {}

    fn set_classes(&mut self, _classes: usize) {}

    fn predict(&self, x: Row<'_>, _scratch: &mut (), scores: &mut [f64]) {
        tell(self.detector.copy().update(value(x)), scores);
    }

    fn learn(&mut self, x: Row<'_>, _y: f64, _weight: f64, _scratch: &mut ()) {
        self.detector.update(value(x));
    }

    fn learn_predict(&mut self, x: Row<'_>, _y: f64, _weight: f64, _scratch: &mut (), scores: &mut [f64]) {
        tell(self.detector.update(value(x)), scores);
    }

    fn state(&self) -> impl Serialize {
        self.detector.save()
    }

    fn set_state(&mut self, state: Vec<u8>) -> Result<(), SnapshotError> {
        self.detector.load(&state).map_err(|error| SnapshotError::Content(error.to_string()))
    }

    fn heap_bytes(&self) -> usize {
        self.detector.state_bytes()
    }
}
