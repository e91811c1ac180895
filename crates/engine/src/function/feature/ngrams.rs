//! Runs of neighbouring texts.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, plan_err};

use super::{FeatureDef, Given, list_of};

/// The runs of `n` texts (default 2) of an array, joined by `separator` (default a space), in their order. NULLs in the array are
/// passed over; texts of white space alone are taken for empty texts. An array that is NULL, or shorter than `n`, has none.
/// Cost: a copy of each text, `n` times.
pub(super) static NGRAMS: FeatureDef = FeatureDef {
    name: "ML_NGRAMS",
    arguments: &["texts", "n", "separator"],
    required: 1,
    types,
    result: || list_of(DataType::Utf8),
    compute,
};

fn types(def: &FeatureDef, given: &[DataType]) -> Result<Vec<DataType>> {
    let cast = |(argument, given): (usize, &DataType)| {
        let (fits, to, expected) = match argument {
            0 => {
                let fits = match given {
                    DataType::List(of) | DataType::LargeList(of) | DataType::FixedSizeList(of, _) => {
                        of.data_type().is_string() || of.data_type().is_null()
                    }
                    _ => false,
                };
                (fits, list_of(DataType::Utf8), "an array of texts")
            }
            1 => (given.is_integer(), DataType::Int64, "a whole number"),
            _ => (given.is_string(), DataType::Utf8, "a text"),
        };
        if fits || given.is_null() {
            return Ok(to);
        }
        plan_err!("{}: {} has type {given}; expected {expected}", def.name, def.arguments[argument])
    };
    given.iter().enumerate().map(cast).collect()
}

fn compute(given: &Given<'_>) -> Result<ArrayRef> {
    let texts = given.array(0)?;
    let texts = texts.as_list::<i32>();
    let lengths = if given.has(1) { Some(given.array(1)?) } else { None };
    let separators = if given.has(2) { Some(given.array(2)?) } else { None };
    let mut runs = ListBuilder::new(StringBuilder::new());
    let (mut kept, mut run) = (Vec::new(), String::new());
    for row in 0..given.rows {
        let n = match &lengths {
            None => 2,
            Some(lengths) if lengths.is_null(row) => return given.refuse(1, "NULL", "a whole number of at least 1"),
            Some(lengths) => match lengths.as_primitive::<Int64Type>().value(row) {
                n if n >= 1 => usize::try_from(n).unwrap_or(usize::MAX),
                n => return given.refuse(1, n, "a whole number of at least 1"),
            },
        };
        let separator = match &separators {
            None => " ",
            Some(separators) if separators.is_null(row) => return given.refuse(2, "NULL", "a text"),
            Some(separators) => separators.as_string::<i32>().value(row),
        };
        if !texts.is_null(row) {
            let of_row = texts.value(row);
            let of_row: &StringArray = of_row.as_string();
            kept.clear();
            kept.extend((0..of_row.len()).filter(|place| !of_row.is_null(*place)));
            for places in kept.windows(n) {
                run.clear();
                for (i, place) in places.iter().enumerate() {
                    if i > 0 {
                        run.push_str(separator);
                    }
                    let text = of_row.value(*place);
                    if !text.trim().is_empty() {
                        run.push_str(text);
                    }
                }
                runs.values().append_value(&run);
            }
        }
        runs.append(true);
    }
    Ok(Arc::new(runs.finish()))
}
