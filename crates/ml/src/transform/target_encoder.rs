//! Categories by the mean of their labels.

use serde::{Deserialize, Serialize};

use super::arguments::{Call, Target, describe};
use super::standard_scaler::Moments;
use super::tallies::{COUNT_MAX, Tallies, Tally};
use super::{Inputs, Output, Replica, Takes, Transform, TransformDef, Values};
use crate::rows::Dictionary;
use crate::snapshot::SnapshotError;
use crate::{Expression, Result};

/// See its `doc`.
pub(super) static TARGET_ENCODER: TransformDef = TransformDef {
    name: "ML_TARGET_ENCODER",
    arguments: &["value [, smoothing = 'auto']) OVER ("],
    doc: "The mean label of the row's category, drawn towards the mean of all rows where the category has few (Micci-Barreca \
          2001, A preprocessing scheme for high-cardinality categorical attributes, SIGKDD Explorations 3(1)). With n rows of \
          mean y in the category and the mean p of all: (n y + m p) / (n + m) for a smoothing of m rows; with 'auto' m is the \
          variance within the category by that of all labels (empirical Bayes, as in scikit-learn), so that a category whose \
          rows agree is believed at once: say a number, such as 10, where categories have few rows. Of two classes one column, \
          the share of the second; of more a column a class, in the order of 'classes', which must be declared; of a number \
          the mean. No row tells its own label: what a row is predicted by and what is learned of it are means of the rows \
          learned before it alone. So a row must be learned once: 'epochs' must be 1. A missing value is a category of its \
          own; a category never learned, or beyond max-categories, has the mean of all; before the first row that is 0, or \
          of classes 1 by their number. Takes texts, numbers and flags. Row weights do not count. State: the categories, \
          at most max-categories, and 24 bytes each, of classes 24 and 8 a class. Cost: about 30 ns a row for two classes, \
          15 for numbers. Merges exactly for classes, up to rounding for numbers, in parallel training as well.",
    takes: Takes { numbers: true, categories: true, together: false },
    make,
};

/// What smoothing a category's mean has.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Smoothing {
    /// So many rows of the mean of all.
    Rows(f64),
    /// By the variances within the category and of all.
    Auto,
}

impl Smoothing {
    /// The mean of a category of `n` rows with the mean and the variance of their labels, between it and those of all.
    #[inline]
    fn of(self, n: f64, (mean, variance): (f64, f64), (mean_of_all, variance_of_all): (f64, f64)) -> f64 {
        let (own, all) = match self {
            Self::Rows(m) => (n, m),
            Self::Auto => (n * variance_of_all, variance),
        };
        if own + all > 0.0 { mean_of_all + (mean - mean_of_all) * (own / (own + all)) } else { mean_of_all }
    }
}

/// Labels of some rows, and what of them is to be encoded.
trait Labels: Tally {
    /// Takes a label in.
    fn add(&mut self, label: f64);

    /// Mean and variance of what a column stands for, and of how many rows they are.
    fn column(&self, column: usize) -> (f64, (f64, f64));
}

/// How many rows there are of each class.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct ClassCounts(Vec<u64>);

impl Tally for ClassCounts {
    fn merge(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        self.0.iter_mut().zip(&other.0).for_each(|(count, theirs)| count.merge(theirs));
    }

    fn merge_since(&mut self, replicas: &[Self]) {
        let before = self.clone();
        for replica in replicas {
            let since = |(class, count): (usize, &u64)| count.saturating_sub(before.0.get(class).copied().unwrap_or(0));
            self.merge(&Self(replica.0.iter().enumerate().map(since).collect()));
        }
    }

    fn is_sound(&self) -> bool {
        self.0.iter().all(|count| *count <= COUNT_MAX)
    }

    fn heap_bytes(&self) -> usize {
        self.0.capacity() * 8
    }
}

impl Labels for ClassCounts {
    #[inline]
    fn add(&mut self, label: f64) {
        let class = label as usize;
        if class >= self.0.len() {
            self.0.resize(class + 1, 0);
        }
        self.0[class] = self.0[class].saturating_add(1);
    }

    #[inline]
    fn column(&self, class: usize) -> (f64, (f64, f64)) {
        let rows: u64 = self.0.iter().fold(0, |sum, count| sum.saturating_add(*count));
        let share = self.0.get(class).copied().unwrap_or(0) as f64 / rows.max(1) as f64;
        (rows as f64, (share, share * (1.0 - share)))
    }
}

impl Tally for Moments {
    fn merge(&mut self, other: &Self) {
        super::scaler::Statistics::merge(self, other);
    }

    fn merge_since(&mut self, replicas: &[Self]) {
        super::scaler::Statistics::merge_since(self, replicas, &[]);
    }

    fn is_sound(&self) -> bool {
        self.count() <= COUNT_MAX && self.mean().is_finite() && self.variance() >= 0.0 && self.variance().is_finite()
    }
}

impl Labels for Moments {
    #[inline]
    fn add(&mut self, label: f64) {
        super::scaler::Statistics::update(self, label);
    }

    #[inline]
    fn column(&self, _: usize) -> (f64, (f64, f64)) {
        (self.count() as f64, (self.mean(), self.variance()))
    }
}

#[derive(Debug)]
struct TargetEncoder<T> {
    labels: Tallies<T>,
    code: Code,
}

/// How labels become columns.
#[derive(Debug, Clone, Copy)]
struct Code {
    smoothing: Smoothing,
    /// How many columns.
    columns: usize,
    /// What the first column stands for.
    first: usize,
    /// The mean of all before there are any rows.
    nothing: f64,
}

fn make(call: &mut Call<'_>) -> Result<Box<dyn Transform>> {
    call.must_learn()?;
    let smoothing = if call.is_done() { Smoothing::Auto } else { smoothing(call)? };
    call.finish()?;
    let (column, max) = (call.column(), call.categories_max);
    let code = |columns, first, nothing| Code { smoothing, columns, first, nothing };
    Ok(match call.target {
        Target::Number => {
            Box::new(TargetEncoder { labels: Tallies::<Moments>::new(column, max), code: code(1, 0, 0.0) })
        }
        Target::Classes(classes) => {
            let (columns, first) = if classes == 2 { (1, 1) } else { (classes, 0) };
            let labels = Tallies::<ClassCounts>::new(column, max);
            Box::new(TargetEncoder { labels, code: code(columns, first, 1.0 / classes as f64) })
        }
        Target::ClassesMet => {
            return Err(call.error(
                "there is a column a class, so the classes must be known: declare them with the option 'classes'",
            ));
        }
        Target::None => return Err(call.error("learns from labels, and the task has none")),
    })
}

fn smoothing(call: &mut Call<'_>) -> Result<Smoothing> {
    match call.value("smoothing")? {
        Expression::Number(rows) if (0.0..=1e15).contains(&rows) => Ok(Smoothing::Rows(rows)),
        Expression::Text(text) if text.eq_ignore_ascii_case("auto") => Ok(Smoothing::Auto),
        other => Err(call
            .error(format!("smoothing is {}; expected a number of rows of at least 0, or 'auto'", describe(&other)))),
    }
}

impl Code {
    /// Writes the columns of a row, whose category has such labels; `rows` of them lie in a column.
    #[inline]
    fn write<T: Labels>(self, labels: Option<&T>, all: &T, (row, rows): (usize, usize), out: &mut [f64]) {
        for column in 0..self.columns {
            let (rows_of_all, mut of_all) = all.column(self.first + column);
            if rows_of_all == 0.0 {
                of_all.0 = self.nothing;
            }
            let (n, own) = labels.map_or((0.0, of_all), |labels| labels.column(self.first + column));
            out[column * rows + row] = if n == 0.0 { of_all.0 } else { self.smoothing.of(n, own, of_all) };
        }
    }
}

impl<T: Labels + 'static> Transform for TargetEncoder<T> {
    fn output(&self) -> Output {
        Output::Numbers(self.code.columns)
    }

    fn learns(&self) -> bool {
        true
    }

    fn learns_from_labels(&self) -> bool {
        true
    }

    fn passes_missing(&self) -> bool {
        false
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        let rows = x.rows();
        out.numbers.resize(rows * self.code.columns, 0.0);
        self.labels.find_all(&x, |row, labels, all| self.code.write(labels, all, (row, rows), &mut out.numbers));
    }

    fn learn(&mut self, before: Option<(Inputs<'_>, &mut Values)>, after: Inputs<'_>, out: &mut Values) {
        let (code, rows, targets) = (self.code, after.rows(), after.targets());
        let (x, mut earlier) = before.unzip();
        if let Some(earlier) = &mut earlier {
            earlier.numbers.resize(rows * code.columns, 0.0);
        }
        out.numbers.resize(rows * code.columns, 0.0);
        self.labels.learn_all(
            x.as_ref(),
            &after,
            |row, labels, all| {
                if let Some(earlier) = &mut earlier {
                    code.write(labels, all, (row, rows), &mut earlier.numbers);
                }
            },
            |row, mut labels, all| {
                // First what is learned of the row, then its label.
                code.write(labels.as_deref(), &*all, (row, rows), &mut out.numbers);
                all.add(targets[row]);
                if let Some(labels) = &mut labels {
                    labels.add(targets[row]);
                }
            },
        );
    }

    fn open(&self) -> bool {
        self.labels.open()
    }

    fn knows(&self, id: u32) -> bool {
        self.labels.knows(id)
    }

    fn save(&self, dictionaries: &[Dictionary]) -> Vec<u8> {
        self.labels.save(dictionaries)
    }

    fn load(&mut self, state: &[u8], dictionaries: &mut [Dictionary]) -> Result<(), SnapshotError> {
        self.labels.load(state, dictionaries)
    }

    fn merge(&mut self, state: &[u8], dictionaries: &mut [Dictionary]) -> Result<(), SnapshotError> {
        self.labels.merge(state, dictionaries)
    }

    fn merge_since(&mut self, replicas: &[Replica], dictionaries: &mut [Dictionary]) -> Result<()> {
        self.labels.merge_since(replicas, dictionaries)
    }

    fn state_bytes(&self) -> usize {
        self.labels.state_bytes()
    }
}
