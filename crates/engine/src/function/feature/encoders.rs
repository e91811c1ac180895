//! Encoders: buckets and categories that the query lists.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListBuilder, PrimitiveBuilder, StringBuilder};
use arrow::datatypes::{DataType, Float64Type};
use arrow::row::{RowConverter, SortField};
use datafusion::common::{HashMap, Result, ScalarValue, plan_err};

use super::{FeatureDef, Given, list_of};

/// The name of the bucket that a number falls in: n ascending splits make n + 1 buckets, each from its split (included) to the
/// next; NULL and NaN have one of their own. Names are that one's, then the others' in order; without them `bin_NULL`, `bin_1`,
/// … Splits that are NULL or NaN, or stand twice, are passed over. Cost: a binary search a row.
pub(super) static BUCKETIZE: FeatureDef = FeatureDef {
    name: "ML_BUCKETIZE",
    arguments: &["value", "splits", "names"],
    required: 2,
    types: bucketize_types,
    result: || DataType::Utf8,
    compute: bucketize,
};

/// The number of a value among categories: 1, 2, … and 0 for NULL and any other value; with `include_zero` 0, 1, … and −1. Cost:
/// a look into a hash table a row.
pub(super) static LABEL_ENCODER: FeatureDef = FeatureDef {
    name: "ML_LABEL_ENCODER",
    arguments: &["value", "categories", "include_zero"],
    required: 2,
    types: category_types,
    result: || DataType::Int64,
    compute: label,
};

/// An array with a number a category: 1 for the value's, 0 for the others. `drop_last` leaves out the last category's. NULL and
/// any other value give zeros ('ignore'), have a number of their own, which is the last ('keep'), or are refused ('error'). Cost:
/// a look into a hash table and a copy of the array a row.
pub(super) static ONE_HOT_ENCODER: FeatureDef = FeatureDef {
    name: "ML_ONE_HOT_ENCODER",
    arguments: &["value", "categories", "drop_last", "handle_unknown"],
    required: 2,
    types: category_types,
    result: || list_of(DataType::Float64),
    compute: one_hot,
};

/// The type of an array's elements.
fn element(given: &DataType) -> Option<&DataType> {
    match given {
        DataType::List(of) | DataType::LargeList(of) | DataType::FixedSizeList(of, _) => Some(of.data_type()),
        _ => None,
    }
}

fn wrong<T>(def: &FeatureDef, argument: usize, given: &DataType, expected: &str) -> Result<T> {
    plan_err!("{}: {} has type {given}; expected {expected}", def.name, def.arguments[argument])
}

fn bucketize_types(def: &FeatureDef, given: &[DataType]) -> Result<Vec<DataType>> {
    if !given[0].is_numeric() && !given[0].is_null() {
        return wrong(def, 0, &given[0], "a number");
    }
    if !element(&given[1]).is_some_and(|of| of.is_numeric() || of.is_null()) {
        return wrong(def, 1, &given[1], "an array of numbers");
    }
    let mut types = vec![DataType::Float64, list_of(DataType::Float64)];
    if let Some(names) = given.get(2) {
        if !element(names).is_some_and(DataType::is_string) {
            return wrong(def, 2, names, "an array of texts");
        }
        types.push(list_of(DataType::Utf8));
    }
    Ok(types)
}

/// What values and categories are compared as.
fn compared(value: &DataType, category: &DataType) -> Option<DataType> {
    let both =
        |holds: fn(&DataType) -> bool| (holds(value) || value.is_null()) && (holds(category) || category.is_null());
    [
        (both(DataType::is_string), DataType::Utf8),
        (both(|of| *of == DataType::Boolean), DataType::Boolean),
        (both(DataType::is_integer), DataType::Int64),
        (both(DataType::is_numeric), DataType::Float64),
    ]
    .into_iter()
    .find_map(|(holds, of)| holds.then_some(of))
}

fn category_types(def: &FeatureDef, given: &[DataType]) -> Result<Vec<DataType>> {
    let Some(category) = element(&given[1]) else { return wrong(def, 1, &given[1], "an array of categories") };
    let Some(of) = compared(&given[0], category) else {
        return wrong(def, 1, &given[1], &format!("an array of the type of value, which is {}", given[0]));
    };
    let mut types = vec![of.clone(), list_of(of)];
    if let Some(flag) = given.get(2) {
        if *flag != DataType::Boolean {
            return wrong(def, 2, flag, "TRUE or FALSE");
        }
        types.push(DataType::Boolean);
    }
    if let Some(word) = given.get(3) {
        if !word.is_string() {
            return wrong(def, 3, word, UNKNOWNS);
        }
        types.push(DataType::Utf8);
    }
    Ok(types)
}

fn bucketize(given: &Given<'_>) -> Result<ArrayRef> {
    let splits = given.constant_list(1)?;
    let splits = splits.as_primitive::<Float64Type>();
    let mut splits: Vec<f64> = splits.iter().flatten().filter(|split| !split.is_nan()).collect();
    if splits.is_empty() || !splits.is_sorted() {
        return given.refuse(1, format!("{splits:?}"), "numbers in ascending order, at least one");
    }
    splits.dedup();
    let names: Vec<String> = if given.has(2) {
        let names = given.constant_list(2)?;
        let names = names.as_string::<i32>();
        if names.null_count() > 0 || names.len() != splits.len() + 2 {
            let expected = format!("{}, that of the NULL bucket first", splits.len() + 2);
            return given.refuse(2, format!("an array of {} names", names.len() - names.null_count()), &expected);
        }
        names.iter().flatten().map(str::to_string).collect()
    } else {
        let numbered = (1..=splits.len() + 1).map(|i| format!("bin_{i}"));
        std::iter::once("bin_NULL".to_string()).chain(numbered).collect()
    };
    let values = given.array(0)?;
    let mut buckets = StringBuilder::new();
    for value in values.as_primitive::<Float64Type>() {
        let bucket = match value {
            Some(value) if !value.is_nan() => 1 + splits.partition_point(|split| *split <= value),
            _ => 0,
        };
        buckets.append_value(&names[bucket]);
    }
    Ok(Arc::new(buckets.finish()))
}

/// One zero, where there are two.
fn with_one_zero(values: ArrayRef) -> ArrayRef {
    match values.as_primitive_opt::<Float64Type>() {
        Some(numbers) => Arc::new(numbers.unary::<_, Float64Type>(|number| number + 0.0)) as ArrayRef,
        None => values,
    }
}

/// The place of each row's value among the categories, if it is one of them, and how many categories there are.
fn places(given: &Given<'_>) -> Result<(Vec<Option<usize>>, usize)> {
    let categories = with_one_zero(given.constant_list(1)?);
    if categories.is_empty() || categories.null_count() > 0 {
        let found = if categories.is_empty() { "empty" } else { "an array with a NULL" };
        return given.refuse(1, found, "an array of at least one category, none of them NULL");
    }
    let converter = RowConverter::new(vec![SortField::new(categories.data_type().clone())])?;
    let keys = converter.convert_columns(std::slice::from_ref(&categories))?;
    let mut place_of: HashMap<Vec<u8>, usize> = HashMap::with_capacity(categories.len());
    for (place, key) in keys.iter().enumerate() {
        if place_of.insert(key.as_ref().to_vec(), place).is_some() {
            let twice = ScalarValue::try_from_array(&categories, place)?;
            return given.refuse(1, format!("an array that has {twice} twice"), "each category once");
        }
    }
    let values = with_one_zero(given.array(0)?);
    let keys = converter.convert_columns(std::slice::from_ref(&values))?;
    let place = |(row, key): (usize, arrow::row::Row<'_>)| {
        let key: &[u8] = key.as_ref();
        if values.is_null(row) { None } else { place_of.get(key).copied() }
    };
    Ok((keys.iter().enumerate().map(place).collect(), categories.len()))
}

fn label(given: &Given<'_>) -> Result<ArrayRef> {
    let first = if given.constant_flag(2, false)? { 0 } else { 1 };
    let (places, _) = places(given)?;
    let number = |place: Option<usize>| place.map_or(first - 1, |place| place as i64 + first);
    Ok(Arc::new(places.into_iter().map(|place| Some(number(place))).collect::<Int64Array>()))
}

/// What becomes of a value that is none of the categories.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Ignore,
    Keep,
    Error,
}

const UNKNOWNS: &str = "'ignore', 'keep' or 'error'";

fn unknown(given: &Given<'_>) -> Result<Unknown> {
    if !given.has(3) {
        return Ok(Unknown::Ignore);
    }
    let word = match given.constant(3)? {
        ScalarValue::Utf8(Some(word)) => word,
        _ => return given.refuse(3, "NULL", UNKNOWNS),
    };
    let words = [("ignore", Unknown::Ignore), ("keep", Unknown::Keep), ("error", Unknown::Error)];
    match words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)) {
        Some((_, unknown)) => Ok(*unknown),
        None => given.refuse(3, format!("'{word}'"), UNKNOWNS),
    }
}

fn one_hot(given: &Given<'_>) -> Result<ArrayRef> {
    let drop_last = given.constant_flag(2, false)?;
    let unknown = unknown(given)?;
    let (places, categories) = places(given)?;
    let shown = categories - usize::from(drop_last);
    let width = shown + usize::from(unknown == Unknown::Keep);
    let mut arrays = ListBuilder::new(PrimitiveBuilder::<Float64Type>::new());
    let mut numbers = vec![0.0; width];
    for (row, place) in places.into_iter().enumerate() {
        let one = match place {
            // Of a dropped category all numbers are 0, with 'keep' too.
            Some(place) => (place < shown).then_some(place),
            None if unknown == Unknown::Keep => Some(shown),
            None if unknown == Unknown::Error && !given.is_probe => {
                let value = ScalarValue::try_from_array(&given.array(0)?, row)?;
                return given.refuse(0, value, "one of the categories, as handle_unknown is 'error'");
            }
            None => None,
        };
        one.iter().for_each(|one| numbers[*one] = 1.0);
        arrays.values().append_slice(&numbers);
        arrays.append(true);
        one.iter().for_each(|one| numbers[*one] = 0.0);
    }
    Ok(Arc::new(arrays.finish()))
}
