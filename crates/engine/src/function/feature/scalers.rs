//! Scalers: `(value − offset) / divisor`, by statistics of a number column.
//!
//! A value that is NULL, NaN or infinite stays as it is. Cost: a division a row.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};

use super::{FeatureDef, Given, shown};

/// `(value − min) / (max − min)`, kept within 0 to 1. Where max is min, what is divided by is 1.
pub(super) static MIN_MAX_SCALER: FeatureDef = FeatureDef {
    name: "ML_MIN_MAX_SCALER",
    arguments: &["value", "min", "max"],
    required: 3,
    types,
    result: || DataType::Float64,
    compute: min_max,
};

/// `value / abs_max`; by 0 the value stays as it is, by infinity it is 0.
pub(super) static MAX_ABS_SCALER: FeatureDef = FeatureDef {
    name: "ML_MAX_ABS_SCALER",
    arguments: &["value", "abs_max"],
    required: 2,
    types,
    result: || DataType::Float64,
    compute: by_size,
};

/// `value / norm`; by 0 the value stays as it is, by infinity it is 0.
pub(super) static NORMALIZER: FeatureDef = FeatureDef {
    name: "ML_NORMALIZER",
    arguments: &["value", "norm"],
    required: 2,
    types,
    result: || DataType::Float64,
    compute: by_size,
};

/// `(value − mean) / std`; a std of 0 leaves the value as it is, an infinite one makes it 0.
pub(super) static STANDARD_SCALER: FeatureDef = FeatureDef {
    name: "ML_STANDARD_SCALER",
    arguments: &["value", "mean", "std", "centering", "scaling"],
    required: 3,
    types,
    result: || DataType::Float64,
    compute: standard,
};

/// `(value − median) / (q3 − q1)`; where q3 is q1, what is divided by is 1.
pub(super) static ROBUST_SCALER: FeatureDef = FeatureDef {
    name: "ML_ROBUST_SCALER",
    arguments: &["value", "median", "q1", "q3", "centering", "scaling"],
    required: 4,
    types,
    result: || DataType::Float64,
    compute: robust,
};

const FINITE: &str = "a finite number";
const SIZE: &str = "a number of at least 0";

/// Numbers, then flags.
fn types(def: &FeatureDef, given: &[DataType]) -> Result<Vec<DataType>> {
    let cast = |(argument, given): (usize, &DataType)| {
        let is_flag = argument >= def.required;
        let (fits, to, expected) = match is_flag {
            true => (*given == DataType::Boolean, DataType::Boolean, "TRUE or FALSE"),
            false => (given.is_numeric(), DataType::Float64, "a number"),
        };
        if fits || given.is_null() {
            return Ok(to);
        }
        plan_err!("{}: {} has type {given}; expected {expected}", def.name, def.arguments[argument])
    };
    given.iter().enumerate().map(cast).collect()
}

/// Calls `scale` with each row's number and its value, where that is finite.
fn each_row(given: &Given<'_>, mut scale: impl FnMut(usize, Option<f64>) -> Result<Option<f64>>) -> Result<ArrayRef> {
    let values = given.numbers(0)?;
    let scaled = (0..given.rows).map(|row| match values.at(row) {
        Some(value) if value.is_finite() => scale(row, Some(value)),
        other => scale(row, None).map(|_| other),
    });
    Ok(Arc::new(scaled.collect::<Result<Float64Array>>()?))
}

fn finite(given: &Given<'_>, argument: usize, number: Option<f64>) -> Result<f64> {
    match number {
        Some(number) if number.is_finite() => Ok(number),
        other => given.refuse(argument, shown(other), FINITE),
    }
}

/// A statistic that may be infinite.
fn size(given: &Given<'_>, argument: usize, number: Option<f64>) -> Result<f64> {
    match number {
        Some(number) if number >= 0.0 => Ok(number),
        other => given.refuse(argument, shown(other), SIZE),
    }
}

fn min_max(given: &Given<'_>) -> Result<ArrayRef> {
    let (mins, maxs) = (given.numbers(1)?, given.numbers(2)?);
    each_row(given, |row, value| {
        let (min, max) = (finite(given, 1, mins.at(row))?, finite(given, 2, maxs.at(row))?);
        if max < min {
            return given.refuse(2, max, &format!("at least min, which is {min}"));
        }
        let range = if max > min { max - min } else { 1.0 };
        Ok(value.map(|value| ((value - min) / range).clamp(0.0, 1.0)))
    })
}

fn by_size(given: &Given<'_>) -> Result<ArrayRef> {
    let sizes = given.numbers(1)?;
    each_row(given, |row, value| {
        let size = size(given, 1, sizes.at(row))?;
        Ok(value.map(|value| if size == 0.0 { value } else { value / size }))
    })
}

fn standard(given: &Given<'_>) -> Result<ArrayRef> {
    let (means, stds) = (given.numbers(1)?, given.numbers(2)?);
    let (centering, scaling) = (given.flags(3, true)?, given.flags(4, true)?);
    each_row(given, |row, value| {
        let offset = match flag(given, 3, centering.at(row))? {
            true => finite(given, 1, means.at(row))?,
            false => 0.0,
        };
        if !flag(given, 4, scaling.at(row))? {
            return Ok(value.map(|value| value - offset));
        }
        let std = size(given, 2, stds.at(row))?;
        Ok(value.map(|value| if std == 0.0 { value } else { (value - offset) / std }))
    })
}

fn robust(given: &Given<'_>) -> Result<ArrayRef> {
    let (medians, q1s, q3s) = (given.numbers(1)?, given.numbers(2)?, given.numbers(3)?);
    let (centering, scaling) = (given.flags(4, true)?, given.flags(5, true)?);
    each_row(given, |row, value| {
        let offset = match flag(given, 4, centering.at(row))? {
            true => finite(given, 1, medians.at(row))?,
            false => 0.0,
        };
        if !flag(given, 5, scaling.at(row))? {
            return Ok(value.map(|value| value - offset));
        }
        let (q1, q3) = (finite(given, 2, q1s.at(row))?, finite(given, 3, q3s.at(row))?);
        if q3 < q1 {
            return given.refuse(3, q3, &format!("at least q1, which is {q1}"));
        }
        let range = if q3 > q1 { q3 - q1 } else { 1.0 };
        Ok(value.map(|value| (value - offset) / range))
    })
}

fn flag(given: &Given<'_>, argument: usize, flag: Option<bool>) -> Result<bool> {
    match flag {
        Some(flag) => Ok(flag),
        None => given.refuse(argument, "NULL", "TRUE or FALSE"),
    }
}
