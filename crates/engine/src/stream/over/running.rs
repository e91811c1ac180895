//! Aggregates whose parts combine: COUNT, SUM, AVG, MIN, MAX, variances. Constant time a row, whatever the frame.
//!
//! ```text
//!   frame:   leaves ◄─ r1 r2 r3 | r4 r5 ◄─ comes in
//!   front:   r1+r2+r3, r2+r3, r3         (the first is the total of the front)
//!   back:    r4, r5   and their total r4+r5
//! ```
//! When the front is used up, the back is turned into it. So nothing is ever subtracted: sums of floats do not drift, an
//! infinity that has left is gone, and MIN and MAX go the same way. What a row gives depends only on the rows of its key.
//! State: one part a row that the frame still holds; one part a key if the frame is unbounded.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowNativeTypeOp, AsArray, Float64Array, Int64Array, PrimitiveArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float64Type};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::encode;

use super::frame::{Frame, Rows, retain};
use super::function::OverFunction;
use crate::Result;

/// An aggregate as parts that combine.
pub(crate) trait Measure: Send + 'static {
    /// What some rows amount to.
    type Part: Copy + Send + Serialize + DeserializeOwned;

    /// What no rows amount to.
    fn none(&self) -> Self::Part;

    /// What earlier and later rows amount to together.
    fn join(&self, earlier: Self::Part, later: Self::Part) -> Self::Part;

    /// What each row amounts to.
    fn parts(&self, argument: &ArrayRef) -> Vec<Self::Part>;

    /// The results.
    fn results(&self, parts: Vec<Self::Part>) -> ArrayRef;
}

/// The rows of one key that the frame holds.
#[derive(Clone, Serialize, Deserialize)]
struct Held<P> {
    /// The earliest rows: each with all of the front that come after it, the first of them last.
    front: Vec<P>,
    /// The latest rows, and all of them together.
    back: Vec<P>,
    total: P,
}

/// A measure over a frame.
pub(crate) struct Running<M: Measure> {
    measure: M,
    frame: Frame,
    keys: Vec<Held<M::Part>>,
}

impl<M: Measure> Running<M> {
    pub(crate) fn new(measure: M, frame: Frame) -> Self {
        Self { measure, frame, keys: Vec::new() }
    }
}

impl<P: Copy> Held<P> {
    fn new(none: P) -> Self {
        Self { front: Vec::new(), back: Vec::new(), total: none }
    }

    fn leave<M: Measure<Part = P>>(&mut self, measure: &M, rows: u32) {
        for _ in 0..rows {
            if self.front.is_empty() {
                let mut after = measure.none();
                self.front.extend(self.back.drain(..).rev().map(|part| {
                    after = measure.join(part, after);
                    after
                }));
                self.total = measure.none();
            }
            self.front.pop();
        }
    }
}

impl<M: Measure> OverFunction for Running<M> {
    fn evaluate(&mut self, rows: &Rows<'_>, leaving: &[u32], arguments: &[ArrayRef]) -> Result<ArrayRef> {
        let measure = &self.measure;
        self.keys.resize(rows.key_count, Held::new(measure.none()));
        let parts = measure.parts(&arguments[0]);
        let bounded = self.frame.is_bounded();
        let mut results = Vec::with_capacity(parts.len());
        for block in rows.blocks(self.frame.has_peers()) {
            for row in block.clone() {
                let held = &mut self.keys[rows.keys[row]];
                if bounded {
                    held.leave(measure, leaving[row]);
                    held.back.push(parts[row]);
                }
                held.total = measure.join(held.total, parts[row]);
            }
            for row in block {
                let held = &self.keys[rows.keys[row]];
                results.push(match held.front.last() {
                    Some(front) => measure.join(*front, held.total),
                    None => held.total,
                });
            }
        }
        Ok(measure.results(results))
    }

    fn retain(&mut self, kept: &[bool]) {
        retain(&mut self.keys, kept);
    }

    fn state_bytes(&self) -> usize {
        let parts: usize = self.keys.iter().map(|held| held.front.capacity() + held.back.capacity()).sum();
        parts * size_of::<M::Part>() + self.keys.capacity() * size_of::<Held<M::Part>>()
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        Ok(encode(&self.keys))
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        self.keys = super::saved(bytes)?;
        Ok(())
    }
}

/// `COUNT(x)`: rows where x is not NULL.
pub(crate) struct Count;

impl Measure for Count {
    type Part = i64;

    fn none(&self) -> i64 {
        0
    }

    fn join(&self, earlier: i64, later: i64) -> i64 {
        earlier + later
    }

    fn parts(&self, argument: &ArrayRef) -> Vec<i64> {
        match argument.logical_nulls() {
            None => vec![1; argument.len()],
            Some(nulls) => nulls.iter().map(i64::from).collect(),
        }
    }

    fn results(&self, parts: Vec<i64>) -> ArrayRef {
        Arc::new(Int64Array::from(parts))
    }
}

/// `SUM(x)`, in the type of x. Integers wrap around, as in DataFusion.
pub(crate) struct Sum<T: ArrowPrimitiveType> {
    pub result: DataType,
    pub of: std::marker::PhantomData<fn() -> T>,
}

impl<T: ArrowPrimitiveType> Measure for Sum<T>
where
    T::Native: Serialize + DeserializeOwned,
{
    /// The sum of the values, unless there are none.
    type Part = Option<T::Native>;

    fn none(&self) -> Self::Part {
        None
    }

    fn join(&self, earlier: Self::Part, later: Self::Part) -> Self::Part {
        match (earlier, later) {
            (Some(earlier), Some(later)) => Some(earlier.add_wrapping(later)),
            (only, None) | (None, only) => only,
        }
    }

    fn parts(&self, argument: &ArrayRef) -> Vec<Self::Part> {
        argument.as_primitive::<T>().iter().collect()
    }

    fn results(&self, parts: Vec<Self::Part>) -> ArrayRef {
        Arc::new(PrimitiveArray::<T>::from_iter(parts).with_data_type(self.result.clone()))
    }
}

/// `AVG(x)` of doubles.
pub(crate) struct Average;

impl Measure for Average {
    /// The sum and the number of values.
    type Part = (f64, u64);

    fn none(&self) -> Self::Part {
        (0.0, 0)
    }

    fn join(&self, earlier: Self::Part, later: Self::Part) -> Self::Part {
        (earlier.0 + later.0, earlier.1 + later.1)
    }

    fn parts(&self, argument: &ArrayRef) -> Vec<Self::Part> {
        argument.as_primitive::<Float64Type>().iter().map(|x| x.map_or((0.0, 0), |x| (x, 1))).collect()
    }

    fn results(&self, parts: Vec<Self::Part>) -> ArrayRef {
        let mean = |(sum, count)| if count == 0 { None } else { Some(sum / count as f64) };
        Arc::new(parts.into_iter().map(mean).collect::<Float64Array>())
    }
}

/// `MIN(x)` and `MAX(x)`; among floats NaN is the greatest.
pub(crate) struct Extremum<T: ArrowPrimitiveType> {
    pub result: DataType,
    pub greatest: bool,
    pub of: std::marker::PhantomData<fn() -> T>,
}

impl<T: ArrowPrimitiveType> Measure for Extremum<T>
where
    T::Native: Serialize + DeserializeOwned,
{
    type Part = Option<T::Native>;

    fn none(&self) -> Self::Part {
        None
    }

    fn join(&self, earlier: Self::Part, later: Self::Part) -> Self::Part {
        match (earlier, later) {
            (Some(a), Some(b)) => Some(if self.greatest == b.is_gt(a) { b } else { a }),
            (only, None) | (None, only) => only,
        }
    }

    fn parts(&self, argument: &ArrayRef) -> Vec<Self::Part> {
        argument.as_primitive::<T>().iter().collect()
    }

    fn results(&self, parts: Vec<Self::Part>) -> ArrayRef {
        Arc::new(PrimitiveArray::<T>::from_iter(parts).with_data_type(self.result.clone()))
    }
}

/// Variances and standard deviations, joined as Chan, Golub and LeVeque (1983) do.
pub(crate) struct Spread {
    /// Of a sample: divided by one less than the number of values.
    pub sample: bool,
    /// The standard deviation: the root of the variance.
    pub root: bool,
}

impl Measure for Spread {
    /// The number of values, their mean, and the sum of the squares of their distances from it.
    type Part = (u64, f64, f64);

    fn none(&self) -> Self::Part {
        (0, 0.0, 0.0)
    }

    fn join(&self, a: Self::Part, b: Self::Part) -> Self::Part {
        match (a.0, b.0) {
            (_, 0) => a,
            (0, _) => b,
            _ => {
                let (count, distance) = (a.0 + b.0, b.1 - a.1);
                let share = b.0 as f64 / count as f64;
                (count, a.1 + distance * share, a.2 + b.2 + distance * distance * a.0 as f64 * share)
            }
        }
    }

    fn parts(&self, argument: &ArrayRef) -> Vec<Self::Part> {
        argument.as_primitive::<Float64Type>().iter().map(|x| x.map_or(self.none(), |x| (1, x, 0.0))).collect()
    }

    fn results(&self, parts: Vec<Self::Part>) -> ArrayRef {
        let spread = |(count, _, squares): Self::Part| {
            let divisor = count.checked_sub(u64::from(self.sample)).filter(|divisor| *divisor > 0)?;
            let variance = squares / divisor as f64;
            Some(if self.root { variance.sqrt() } else { variance })
        };
        Arc::new(parts.into_iter().map(spread).collect::<Float64Array>())
    }
}
