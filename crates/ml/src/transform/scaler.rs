//! What all scalers of one column share: `(x − offset) / divisor`, with an offset and a divisor from running statistics.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::arguments::Call;
use super::{Inputs, Output, Replica, Transform, Values};
use crate::Result;
use crate::rows::{Dictionary, LARGEST};
use crate::snapshot::{SnapshotError, decode, encode};

/// An affine map of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    /// What is taken away.
    pub(super) offset: f64,
    /// What the rest is divided by. Infinite where there is no spread: then every value becomes 0.
    pub(super) divisor: f64,
}

impl Scale {
    /// The scale for a spread, which may be none.
    #[inline]
    pub(super) fn new(offset: f64, spread: f64) -> Self {
        Self { offset, divisor: divisor(spread) }
    }

    #[inline]
    fn of(self, x: f64) -> f64 {
        ((x - self.offset) / self.divisor).clamp(-LARGEST, LARGEST)
    }
}

/// What to divide by for a spread.
#[inline]
pub(super) fn divisor(spread: f64) -> f64 {
    if spread > 0.0 { spread } else { f64::INFINITY }
}

/// Statistics of a column from which a scale follows. They never see NaN.
pub(super) trait Statistics: Debug + Clone + Send + Sync + Serialize + DeserializeOwned {
    /// Takes a value in.
    fn update(&mut self, x: f64);

    /// The scale for the values so far.
    fn scale(&self) -> Scale;

    /// Takes each value of `xs` in, unless it is NaN, and writes the scale after it.
    fn update_all(&mut self, xs: &[f64], offsets: &mut [f64], divisors: &mut [f64]) {
        let mut scale = self.scale();
        for ((x, offset), divisor) in xs.iter().zip(offsets).zip(divisors) {
            if !x.is_nan() {
                self.update(*x);
                scale = self.scale();
            }
            (*offset, *divisor) = (scale.offset, scale.divisor);
        }
    }

    /// Takes in statistics of other values.
    fn merge(&mut self, other: &Self);

    /// Becomes what replicas make together that went on from here. This is right where it does no harm to take in the same
    /// values twice.
    fn merge_since(&mut self, replicas: &[Self], _apart: &[Self]) {
        replicas.iter().for_each(|replica| self.merge(replica));
    }

    /// Begins to keep the values to come also apart.
    fn branch(&mut self) {}

    /// Statistics of the values since [`Statistics::branch`], where [`Statistics::merge_since`] needs them.
    fn apart(&self) -> Option<&Self> {
        None
    }

    /// Replaces the statistics kept apart.
    fn set_apart(&mut self, _apart: Self) {}

    /// Bytes of memory beyond the value itself.
    fn heap_bytes(&self) -> usize {
        0
    }
}

/// Scales a column by statistics that it learns. Missing values stay missing and count nowhere.
#[derive(Debug)]
pub(super) struct Scaler<S> {
    statistics: S,
    centering: bool,
    scaling: bool,
    /// The scale before the rows at hand, then after each of them.
    offsets: Vec<f64>,
    divisors: Vec<f64>,
}

impl<S: Statistics + 'static> Scaler<S> {
    /// A scaler that learns.
    pub(super) fn learned(statistics: S, centering: bool, scaling: bool) -> Box<dyn Transform> {
        Box::new(Self { statistics, centering, scaling, offsets: Vec::new(), divisors: Vec::new() })
    }

    #[inline]
    fn scale(&self) -> Scale {
        let scale = self.statistics.scale();
        Scale {
            offset: if self.centering { scale.offset } else { 0.0 },
            divisor: if self.scaling { scale.divisor } else { 1.0 },
        }
    }
}

impl<S: Statistics + 'static> Transform for Scaler<S> {
    fn output(&self) -> Output {
        Output::Numbers(1)
    }

    fn learns(&self) -> bool {
        true
    }

    fn passes_missing(&self) -> bool {
        true
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        apply(self.scale(), x, out);
    }

    fn learn(&mut self, before: Option<(Inputs<'_>, &mut Values)>, after: Inputs<'_>, out: &mut Values) {
        let rows = after.rows();
        // First what must go row by row, then what can go many rows at a time.
        let scale = self.statistics.scale();
        self.offsets.resize(rows + 1, 0.0);
        self.divisors.resize(rows + 1, 0.0);
        (self.offsets[0], self.divisors[0]) = (scale.offset, scale.divisor);
        self.statistics.update_all(after.numbers(0), &mut self.offsets[1..], &mut self.divisors[1..]);
        if !self.centering {
            self.offsets.fill(0.0);
        }
        if !self.scaling {
            self.divisors.fill(1.0);
        }
        out.numbers.resize(rows, 0.0);
        scale_all(after.numbers(0), &self.offsets[1..], &self.divisors[1..], &mut out.numbers);
        if let Some((x, out)) = before {
            out.numbers.resize(rows, 0.0);
            scale_all(x.numbers(0), &self.offsets[..rows], &self.divisors[..rows], &mut out.numbers);
        }
    }

    fn save(&self, _: &[Dictionary]) -> Vec<u8> {
        encode(&self.statistics)
    }

    fn load(&mut self, state: &[u8], _: &mut [Dictionary]) -> Result<(), SnapshotError> {
        self.statistics = decode(state)?;
        Ok(())
    }

    fn merge(&mut self, state: &[u8], _: &mut [Dictionary]) -> Result<(), SnapshotError> {
        self.statistics.merge(&decode(state)?);
        Ok(())
    }

    fn branch(&mut self) {
        self.statistics.branch();
    }

    fn apart(&self) -> Vec<u8> {
        self.statistics.apart().map(encode).unwrap_or_default()
    }

    fn load_apart(&mut self, apart: &[u8]) -> Result<(), SnapshotError> {
        if !apart.is_empty() {
            self.statistics.set_apart(decode(apart)?);
        }
        Ok(())
    }

    fn merge_since(&mut self, replicas: &[Replica], _: &mut [Dictionary]) -> Result<()> {
        merge_since(&mut self.statistics, replicas)
    }

    fn state_bytes(&self) -> usize {
        size_of::<S>() + self.statistics.heap_bytes()
    }
}

/// Puts together the statistics of replicas that went on from `statistics`.
pub(super) fn merge_since<S: Statistics>(statistics: &mut S, replicas: &[Replica]) -> Result<()> {
    let states = replicas.iter().map(|replica| decode(&replica.state)).collect::<Result<Vec<S>, _>>()?;
    let apart = replicas.iter().filter(|replica| !replica.apart.is_empty()).map(|replica| decode(&replica.apart));
    statistics.merge_since(&states, &apart.collect::<Result<Vec<S>, _>>()?);
    Ok(())
}

fn scale_all(xs: &[f64], offsets: &[f64], divisors: &[f64], out: &mut [f64]) {
    for (((x, offset), divisor), out) in xs.iter().zip(offsets).zip(divisors).zip(out) {
        *out = Scale { offset: *offset, divisor: *divisor }.of(*x);
    }
}

/// A scaler whose statistics were given.
#[derive(Debug)]
struct Given(Scale);

impl Transform for Given {
    fn output(&self) -> Output {
        Output::Numbers(1)
    }

    fn passes_missing(&self) -> bool {
        true
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        apply(self.0, x, out);
    }
}

fn apply(scale: Scale, x: Inputs<'_>, out: &mut Values) {
    out.numbers.resize(x.rows(), 0.0);
    for (x, out) in x.numbers(0).iter().zip(&mut out.numbers) {
        *out = scale.of(*x);
    }
}

/// Makes a scaler from a call: statistics learned if `OVER ()` followed, otherwise `given` from its arguments; then, where
/// the function has them, the flags `centering` and `scaling`.
pub(super) fn make<S: Statistics + 'static>(
    call: &mut Call<'_>,
    empty: S,
    given: impl FnOnce(&mut Call<'_>) -> Result<Scale>,
    has_flags: bool,
) -> Result<Box<dyn Transform>> {
    let fixed = if call.learned { None } else { Some(given(call)?) };
    let (mut centering, mut scaling) = (true, true);
    if has_flags {
        centering = call.flag_or("centering", true)?;
        scaling = call.flag_or("scaling", true)?;
    }
    call.finish()?;
    Ok(match fixed {
        None => Scaler::learned(empty, centering, scaling),
        Some(scale) => Box::new(Given(Scale {
            offset: if centering { scale.offset } else { 0.0 },
            divisor: if scaling { scale.divisor } else { 1.0 },
        })),
    })
}
