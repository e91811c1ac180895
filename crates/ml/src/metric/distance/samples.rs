//! Two samples of a column, as the state of an aggregate.

use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;

use super::{Counts, DEFAULT_BINS, DistanceDef, MAX_ROWS, Step};
use crate::metric::aggregate::{Aggregate, grouped, single};
use crate::metric::classes::{ClassIndex, ClassValue};
use crate::metric::columns::Batch;
use crate::metric::counts::MAX_CLASSES;
use crate::metric::parameters::Parameters;
use crate::metric::ranking::{ScoreRows, Scores, Tie};
use crate::metric::{GroupedMetric, Metric};
use crate::snapshot::{SnapshotError, decode, encode, open, seal};
use crate::{Error, Expression, Result};

const SNAPSHOT_KIND: &str = "metric.two_samples";
const MAX_BINS: usize = 10_000;

/// The first byte of a saved state: what follows it.
const NUMBERS: u8 = 0;
const CATEGORIES: u8 = 1;

/// A distance as an aggregate of all rows.
pub(super) fn distance(def: &'static DistanceDef, given: &[Expression]) -> Result<Box<dyn Metric>> {
    Ok(single(TwoSamples::new(def, given)?))
}

/// A distance as an aggregate of many groups.
pub(super) fn grouped_distance(def: &'static DistanceDef, given: &[Expression]) -> Result<Box<dyn GroupedMetric>> {
    Ok(grouped(TwoSamples::new(def, given)?))
}

/// The aggregate of a distance.
#[derive(Debug)]
struct TwoSamples {
    def: &'static DistanceDef,
    bins: usize,
    categories: ClassIndex,
    /// Whether there have been numbers.
    numbers: bool,
}

/// Columns of a batch, read.
#[derive(Debug)]
enum SampleRows {
    Numbers(ScoreRows),
    /// Which rows are of the study, and the numbers of the rows' categories.
    Categories(BooleanBuffer, Vec<u32>),
}

/// Numbers or categories, as the column has them; nothing of the other.
#[derive(Debug, Default)]
struct State {
    /// The study's as those of positives, the reference's as those of negatives.
    numbers: Scores,
    /// By the number of the category.
    categories: Vec<Counts>,
}

impl TwoSamples {
    fn new(def: &'static DistanceDef, given: &[Expression]) -> Result<Self> {
        let mut parameters = Parameters::new(def.metric.name, def.metric.parameters, given);
        let mut bins = DEFAULT_BINS as f64;
        if !def.metric.parameters.is_empty() {
            bins = parameters.number("bins")?.unwrap_or(bins);
            if bins.fract() != 0.0 || !(2.0..=MAX_BINS as f64).contains(&bins) {
                let expected = format!("a whole number from 2 to {MAX_BINS}");
                return Err(parameters.refuse("bins", &bins.to_string(), &expected));
            }
        }
        parameters.finish()?;
        Ok(Self { def, bins: bins as usize, categories: ClassIndex::new(MAX_CLASSES), numbers: false })
    }

    /// The categories that occur, in their order.
    fn in_order<'a>(&self, counts: &'a [Counts]) -> impl Iterator<Item = (usize, Counts)> + use<'a> {
        let order = self.categories.in_order().into_iter();
        order.filter_map(|number| counts.get(number).map(|counts| (number, *counts))).filter(|(_, c)| *c != [0, 0])
    }

    fn merge_categories(&mut self, state: &mut State, payload: &[u8]) -> Result<()> {
        let saved: Vec<(ClassValue, u64, u64)> = decode(payload)?;
        if !saved.is_empty() && state.numbers.positives() + state.numbers.negatives() > 0 {
            return Err(Error::Merge("one state has numbers, the other categories".to_string()));
        }
        let theirs = saved.iter().flat_map(|(_, reference, study)| [*reference, *study]);
        let rows = theirs.chain(state.categories.iter().flatten().copied()).try_fold(0, u64::checked_add);
        if rows.is_none_or(|rows| rows > MAX_ROWS) {
            return Err(Error::Merge("together they have more than 2^53 rows".to_string()));
        }
        let numbers = self.categories.add(saved.iter().map(|(category, ..)| category))?;
        for (number, (_, reference, study)) in numbers.into_iter().zip(saved) {
            let counts = counts_of(&mut state.categories, number as usize);
            *counts = [counts[0] + reference, counts[1] + study];
        }
        Ok(())
    }
}

/// The counts of a category, which may be new.
#[inline]
fn counts_of(categories: &mut Vec<Counts>, number: usize) -> &mut Counts {
    if categories.len() <= number {
        categories.resize(number + 1, [0, 0]);
    }
    &mut categories[number]
}

impl Aggregate for TwoSamples {
    type Rows = SampleRows;
    type State = State;
    const COLUMNS: &'static [&'static str] = &["sample", "value"];

    fn read(&mut self, batch: &Batch<'_>) -> Result<SampleRows> {
        let sample = batch.binary(0)?;
        let data_type = batch.column(1).data_type();
        let category = match data_type {
            DataType::Dictionary(_, value) => value.is_string(),
            other => other.is_string() || *other == DataType::Boolean,
        };
        let before = |what: &str| {
            Err(Error::Batch(format!("column 'value' has type {data_type}; that of rows before had {what}")))
        };
        // Integers are numbers where numbers are taken, else categories.
        if self.def.of_categories.is_some() && (category || self.def.of_numbers.is_none()) {
            if self.numbers {
                return before("numbers");
            }
            return Ok(SampleRows::Categories(sample, self.categories.read_column(batch, 1)?));
        }
        if self.categories.kind().is_some() {
            return before("categories");
        }
        let rows = ScoreRows { label: sample, score: batch.numbers(1)? };
        self.numbers = true;
        Ok(SampleRows::Numbers(rows))
    }

    #[inline]
    fn add(&self, state: &mut State, rows: &SampleRows, row: usize) {
        match rows {
            SampleRows::Numbers(rows) => state.numbers.add(rows.label.value(row), rows.score[row]),
            SampleRows::Categories(sample, numbers) => {
                counts_of(&mut state.categories, numbers[row] as usize)[usize::from(sample.value(row))] += 1;
            }
        }
    }

    fn add_all(&self, state: &mut State, rows: &SampleRows, batch: &Batch<'_>) {
        match rows {
            SampleRows::Numbers(rows) => state.numbers.add_all(rows, batch),
            SampleRows::Categories(..) => batch.for_each(|row| self.add(state, rows, row)),
        }
    }

    fn merge(&mut self, state: &mut State, saved: &[u8]) -> Result<()> {
        match open(SNAPSHOT_KIND, 1, saved)?.split_first() {
            Some((&NUMBERS, payload)) => {
                let mut theirs = Scores::default();
                theirs.merge_payload(payload)?;
                if theirs.positives() + theirs.negatives() > 0 && !state.categories.is_empty() {
                    return Err(Error::Merge("one state has numbers, the other categories".to_string()));
                }
                self.numbers |= theirs.positives() + theirs.negatives() > 0;
                state.numbers.append(theirs);
                Ok(())
            }
            Some((&CATEGORIES, payload)) => self.merge_categories(state, payload),
            _ => Err(SnapshotError::Content("samples of neither numbers nor categories".to_string()).into()),
        }
    }

    fn save(&self, state: &State) -> Vec<u8> {
        let (kind, content) = if state.categories.is_empty() {
            (NUMBERS, state.numbers.payload())
        } else {
            let saved = self.in_order(&state.categories);
            let saved = saved.map(|(number, counts)| (self.categories.value(number), counts[0], counts[1]));
            (CATEGORIES, encode(&saved.collect::<Vec<_>>()))
        };
        let mut payload = Vec::with_capacity(content.len() + 1);
        payload.push(kind);
        payload.extend(content);
        seal(SNAPSHOT_KIND, 1, &payload)
    }

    fn value(&self, state: &State) -> Option<f64> {
        if state.categories.is_empty() {
            let ranking = state.numbers.rank();
            let step = |tie: Tie| Step { value: tie.score, counts: [tie.negatives, tie.positives] };
            let mut steps: Vec<Step> = ranking.ties().map(step).collect();
            steps.reverse();
            self.def.of_numbers.and_then(|of| of(&steps, self.bins))
        } else {
            let counts: Vec<Counts> = self.in_order(&state.categories).map(|(_, counts)| counts).collect();
            self.def.of_categories.and_then(|of| of(&counts))
        }
    }

    fn heap_bytes(&self, state: &State) -> usize {
        state.numbers.heap_bytes() + state.categories.capacity() * size_of::<Counts>()
    }

    fn shared_bytes(&self) -> usize {
        self.categories.heap_bytes()
    }
}
