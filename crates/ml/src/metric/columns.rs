//! Reading the columns given to a metric.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use crate::{DataFault, Error, Result};

/// The rows of one call of `update`: columns of one length, and which rows count.
pub(super) struct Batch<'a> {
    columns: &'a [ArrayRef],
    names: &'static [&'static str],
    rows: usize,
    /// Which rows count: those without NULL, that pass the filter. `None`: all.
    valid: Option<NullBuffer>,
}

impl<'a> Batch<'a> {
    /// Checks number and length of the columns. `None` when no row counts.
    pub(super) fn new(
        columns: &'a [ArrayRef],
        names: &'static [&'static str],
        filter: Option<&BooleanArray>,
    ) -> Result<Option<Self>> {
        let rows = columns.first().map_or(0, |column| column.len());
        if columns.len() != names.len() {
            return Err(Error::Batch(format!("{} columns given; expected {}", columns.len(), names.join(", "))));
        }
        if let Some(place) = columns.iter().position(|column| column.len() != rows) {
            return Err(Error::Batch(format!(
                "column '{}' has {} rows; '{}' has {rows}",
                names[place],
                columns[place].len(),
                names[0]
            )));
        }
        let mut valid = columns.iter().fold(None, |valid: Option<NullBuffer>, column| {
            NullBuffer::union(valid.as_ref(), column.logical_nulls().as_ref())
        });
        if let Some(filter) = filter {
            if filter.len() != rows {
                return Err(Error::Batch(format!("the filter has {} rows; the columns have {rows}", filter.len())));
            }
            let passes = match filter.nulls() {
                None => filter.values().clone(),
                Some(nulls) => filter.values() & nulls.inner(),
            };
            valid = NullBuffer::union(valid.as_ref(), Some(&NullBuffer::new(passes)));
        }
        let valid = valid.filter(|nulls| nulls.null_count() > 0);
        let none = rows == 0 || valid.as_ref().is_some_and(|nulls| nulls.null_count() == rows);
        Ok((!none).then_some(Self { columns, names, rows, valid }))
    }

    /// How many rows there are, with those that do not count.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// How many rows count.
    pub(super) fn count(&self) -> u64 {
        (self.rows - self.valid.as_ref().map_or(0, NullBuffer::null_count)) as u64
    }

    /// Which rows count. `None`: all.
    pub(super) fn valid(&self) -> Option<&NullBuffer> {
        self.valid.as_ref()
    }

    /// Whether this row counts.
    pub(super) fn is_valid(&self, row: usize) -> bool {
        self.valid.as_ref().is_none_or(|nulls| nulls.is_valid(row))
    }

    /// Calls `f` with each row that counts, in order.
    #[inline]
    pub(super) fn for_each(&self, mut f: impl FnMut(usize)) {
        match &self.valid {
            None => (0..self.rows).for_each(f),
            Some(nulls) => nulls.valid_indices().for_each(&mut f),
        }
    }

    /// Calls `f` with each row that counts, in order, until it fails.
    #[inline]
    pub(super) fn try_for_each(&self, mut f: impl FnMut(usize) -> Result<()>) -> Result<()> {
        match &self.valid {
            None => (0..self.rows).try_for_each(f),
            Some(nulls) => nulls.valid_indices().try_for_each(&mut f),
        }
    }

    /// A column.
    pub(super) fn column(&self, place: usize) -> &ArrayRef {
        &self.columns[place]
    }

    /// What a column is called in errors.
    pub(super) fn name(&self, place: usize) -> &'static str {
        self.names[place]
    }

    /// The error of one value.
    pub(super) fn fault(&self, place: usize, row: usize, reason: String) -> Error {
        DataFault { row, column: self.names[place].to_string(), reason }.into()
    }

    /// A column of two classes: BOOLEAN, or integers 0 and 1.
    pub(super) fn binary(&self, place: usize) -> Result<BooleanBuffer> {
        let column = self.column(place);
        if let Some(flags) = column.as_boolean_opt() {
            return Ok(flags.values().clone());
        }
        let data_type = match column.data_type() {
            DataType::Dictionary(_, value) => value.as_ref(),
            other => other,
        };
        if !data_type.is_integer() {
            return Err(self.wrong_type(place, "BOOLEAN, or integers 0 and 1"));
        }
        let integers = self.integers(place)?;
        self.try_for_each(|row| match integers[row] {
            0 | 1 => Ok(()),
            other => Err(self.fault(
                place,
                row,
                format!("the {} is {other}; expected 0 or 1, or BOOLEAN", self.names[place]),
            )),
        })?;
        Ok(BooleanBuffer::collect_bool(self.rows, |row| integers[row] == 1))
    }

    /// A column of finite numbers.
    pub(super) fn numbers(&self, place: usize) -> Result<ScalarBuffer<f64>> {
        let numbers = self.doubles(place)?;
        self.check(place, &numbers, f64::is_finite, |x| format!("{x} is not a finite number"))?;
        Ok(numbers)
    }

    /// A column of scores: any numbers but NaN.
    pub(super) fn scores(&self, place: usize) -> Result<ScalarBuffer<f64>> {
        let scores = self.doubles(place)?;
        self.check(place, &scores, |x| !x.is_nan(), |_| "the score is NaN; expected a number".to_string())?;
        Ok(scores)
    }

    /// A column of probabilities.
    pub(super) fn probabilities(&self, place: usize) -> Result<ScalarBuffer<f64>> {
        let probabilities = self.doubles(place)?;
        self.check(
            place,
            &probabilities,
            |x| (0.0..=1.0).contains(&x),
            |x| format!("{x} is not a probability: it lies outside [0, 1]"),
        )?;
        Ok(probabilities)
    }

    /// A column of integers as i64.
    pub(super) fn integers(&self, place: usize) -> Result<ScalarBuffer<i64>> {
        let array = self.cast(place, &DataType::Int64)?;
        Ok(array.as_primitive::<Int64Type>().values().clone())
    }

    /// The error of a column of a type that is not taken.
    pub(super) fn wrong_type(&self, place: usize, expected: &str) -> Error {
        let (name, found) = (self.names[place], self.column(place).data_type());
        Error::Batch(format!("column '{name}' has type {found}; expected {expected}"))
    }

    fn doubles(&self, place: usize) -> Result<ScalarBuffer<f64>> {
        let kind = self.column(place).data_type();
        let decimal = matches!(kind, DataType::Decimal128(_, _) | DataType::Decimal256(_, _));
        if !kind.is_integer() && !kind.is_floating() && !decimal {
            return Err(self.wrong_type(place, "a number"));
        }
        let array = self.cast(place, &DataType::Float64)?;
        Ok(array.as_primitive::<Float64Type>().values().clone())
    }

    fn cast(&self, place: usize, to: &DataType) -> Result<ArrayRef> {
        let column = self.column(place);
        if column.data_type() == to {
            return Ok(column.clone());
        }
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(column, to, &strict)
            .map_err(|error| Error::Batch(format!("column '{}': {error}", self.names[place])))
    }

    /// Makes sure that each value that counts is accepted. The first pass is without branches and looks at all values;
    /// only when it finds something are the rows that count told apart.
    fn check(
        &self,
        place: usize,
        values: &[f64],
        accepted: impl Fn(f64) -> bool,
        reason: impl Fn(f64) -> String,
    ) -> Result<()> {
        if values.iter().fold(true, |all, &x| all & accepted(x)) {
            return Ok(());
        }
        match (0..self.rows).find(|&row| self.is_valid(row) && !accepted(values[row])) {
            None => Ok(()),
            Some(row) => Err(self.fault(place, row, reason(values[row]))),
        }
    }
}
