//! One of several replicas of a model, each in a place of its own, which tell each other by bytes what they have learned.
//!
//! ```text
//!  replica 0 ──report──┐                                ┌──► replica 0 goes on
//!  replica 1 ──report──┼─► merge, since what all of     ├──► replica 1 goes on
//!  replica 2 ──report──┘   them went on from last ──────┴──► replica 2 goes on
//! ```
//! What [`crate::replicas::Replicas`] does in one place, in pieces: if all report at the same rows, what they make together is the same.
//! Rows that wait for their label stay with their replica.

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::prequential::{Counts, Prequential, Processed, Snapshot};
use crate::replicas::{TEXTS_TO_SWEEP_MIN, go_on, load};
use crate::snapshot::{decode, encode, open, seal};
use crate::spread::Spread;
use crate::training::{Arrivals, Training};
use crate::{DataFault, Model, Result};

/// The names of these kinds of snapshots.
const KIND: &str = "replica";
const REPORT_KIND: &str = "report of a replica";

/// The newest format written here, of both.
const FORMAT: u8 = 1;

/// A replica. See the [module](self).
#[derive(Debug)]
pub struct Replica {
    learner: Prequential,
    /// How many texts it may keep before those of no use go.
    texts_max: usize,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    prequential: Vec<u8>,
    /// What its transforms keep apart since it last went on.
    apart: Vec<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct Report {
    model: Vec<u8>,
    apart: Vec<Vec<u8>>,
}

impl Replica {
    /// A replica that begins with what a model has learned.
    ///
    /// # Errors
    /// [`crate::Error::Merge`] when the learner or a transform cannot be trained in parallel.
    pub fn new(model: Model) -> Result<Self> {
        let learned = model.learned();
        let mut model = model;
        model.pipeline.keep_texts();
        model.branch_from(&learned)?;
        let mut nothing = Model::load(&model.save())?;
        nothing.merge_since(&[&model])?;
        Ok(Self { learner: Prequential::new(model), texts_max: TEXTS_TO_SWEEP_MIN })
    }

    /// What it has learned since it last went on from what all have made together, for [`merged`].
    pub fn report(&self) -> Vec<u8> {
        let model = self.learner.model();
        seal(REPORT_KIND, FORMAT, &encode(&Report { model: model.save(), apart: model.pipeline.apart() }))
    }

    /// Goes on from a model that all have made together. Rows that wait go on waiting.
    ///
    /// # Errors
    /// [`crate::Error::Snapshot`] when the models are declared differently.
    pub fn go_on(&mut self, merged: &Model) -> Result<()> {
        go_on(&mut self.learner, &merged.learned(), &mut self.texts_max)
    }
}

/// What replicas make together that all went on from `base` last, by their reports.
///
/// # Errors
/// Bytes are not a report, or what was learned cannot be put together.
pub fn merged(base: &Model, reports: &[impl AsRef<[u8]>]) -> Result<Model> {
    let read = |bytes: &[u8]| {
        let report: Report = decode(open(REPORT_KIND, FORMAT, bytes)?)?;
        let mut model = Model::load(&report.model)?;
        model.pipeline.branch();
        model.pipeline.load_apart(&report.apart)?;
        Ok(model)
    };
    let replicas = reports.iter().map(|bytes| read(bytes.as_ref())).collect::<Result<Vec<_>>>()?;
    let mut merged = Model::load(&base.save())?;
    merged.merge_since(&replicas.iter().collect::<Vec<_>>())?;
    Ok(merged)
}

impl Training for Replica {
    fn process(&mut self, arrivals: &Arrivals<'_>, _: &dyn Spread) -> Result<Processed> {
        self.learner.process(arrivals.batch, arrivals.event_time, arrivals.label_time, arrivals.delay)
    }

    fn finish(&mut self, _: &dyn Spread) -> Result<Vec<Snapshot>> {
        Ok(self.learner.finish())
    }

    fn check(&self, batch: &RecordBatch) -> Result<Vec<DataFault>> {
        self.learner.model().check(batch)
    }

    fn predict_nothing(&mut self) {
        self.learner.predict_nothing();
    }

    fn set_version_points(&mut self, points: Vec<i64>) {
        self.learner.set_version_points(points);
    }

    fn set_pending_rows_max(&mut self, max: Option<usize>) {
        self.learner.set_pending_rows_max(max);
    }

    fn model(&self) -> &Model {
        self.learner.model()
    }

    fn counts(&self) -> Counts {
        self.learner.counts()
    }

    fn pending_rows(&self) -> usize {
        self.learner.pending_rows()
    }

    fn state_bytes(&self) -> usize {
        self.learner.state_bytes()
    }

    fn save(&self) -> Vec<u8> {
        let apart = self.learner.model().pipeline.apart();
        seal(KIND, FORMAT, &encode(&Saved { prequential: self.learner.save(), apart }))
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let saved: Saved = decode(open(KIND, FORMAT, bytes)?)?;
        let mut learner = load(&saved.prequential)?.like(&self.learner);
        learner.model_mut().pipeline.load_apart(&saved.apart)?;
        self.learner = learner;
        Ok(())
    }
}
