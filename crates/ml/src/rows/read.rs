//! Reading Arrow arrays of every accepted type.

use arrow::array::{
    Array, ArrayAccessor, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, StringArrayType,
};
use arrow::datatypes::{
    DataType, Decimal128Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use super::dictionary::{NULL, NULL_HASH, UNKNOWN, hash_text};
use super::words::Words;

/// Appends numbers or flags as f64; NULL is NaN. The caller has checked the type.
pub(crate) fn numbers(array: &ArrayRef, out: &mut Vec<f64>) {
    match array.data_type() {
        DataType::Float64 if array.null_count() == 0 => {
            out.extend_from_slice(array.as_primitive::<Float64Type>().values());
        }
        DataType::Float64 => primitive(array.as_primitive::<Float64Type>(), out, |v| v),
        DataType::Float32 => primitive(array.as_primitive::<Float32Type>(), out, f64::from),
        DataType::Float16 => primitive(array.as_primitive::<Float16Type>(), out, |v| v.to_f64()),
        DataType::Int8 => primitive(array.as_primitive::<Int8Type>(), out, f64::from),
        DataType::Int16 => primitive(array.as_primitive::<Int16Type>(), out, f64::from),
        DataType::Int32 => primitive(array.as_primitive::<Int32Type>(), out, f64::from),
        DataType::Int64 => primitive(array.as_primitive::<Int64Type>(), out, |v| v as f64),
        DataType::UInt8 => primitive(array.as_primitive::<UInt8Type>(), out, f64::from),
        DataType::UInt16 => primitive(array.as_primitive::<UInt16Type>(), out, f64::from),
        DataType::UInt32 => primitive(array.as_primitive::<UInt32Type>(), out, f64::from),
        DataType::UInt64 => primitive(array.as_primitive::<UInt64Type>(), out, |v| v as f64),
        DataType::Decimal128(_, scale) => {
            // Both sides are exact up to 15 digits, so the quotient is the nearest f64.
            let one = 10f64.powi((*scale).into());
            primitive(array.as_primitive::<Decimal128Type>(), out, |v| v as f64 / one);
        }
        DataType::Boolean => flags(array.as_boolean(), out),
        _ => out.extend(std::iter::repeat_n(f64::NAN, array.len())),
    }
}

fn primitive<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, out: &mut Vec<f64>, convert: impl Fn(T::Native) -> f64) {
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => out.extend(array.values().iter().map(|v| convert(*v))),
        Some(nulls) => out.extend(
            array.values().iter().zip(nulls.iter()).map(|(v, valid)| if valid { convert(*v) } else { f64::NAN }),
        ),
    }
}

fn flags(array: &BooleanArray, out: &mut Vec<f64>) {
    let value = |set: bool| if set { 1.0 } else { 0.0 };
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => out.extend(array.values().iter().map(value)),
        Some(nulls) => out.extend(
            array.values().iter().zip(nulls.iter()).map(|(set, valid)| if valid { value(set) } else { f64::NAN }),
        ),
    }
}

/// Appends an id a row, as `id_of` tells for each text that is not NULL.
pub(crate) fn ids(array: &ArrayRef, out: &mut Vec<u32>, mut id_of: impl FnMut(usize, &str) -> u32) {
    texts(array, out, NULL, UNKNOWN, &mut id_of);
}

/// Appends the hash of each text.
pub(crate) fn hashes(array: &ArrayRef, out: &mut Vec<u64>) {
    texts(array, out, NULL_HASH, NULL_HASH, &mut |_, text| hash_text(text));
}

/// Appends the words of each text; NULL has none.
pub(crate) fn words(array: &ArrayRef, out: &mut Words) {
    let before = out.len();
    // The texts come in order, without the rows that are NULL; `()` is a value that must be asked for every time.
    texts(array, &mut Vec::new(), (), (), &mut |row, text| {
        out.fill_up(before + row);
        out.push_text(text);
    });
    out.fill_up(before + array.len());
}

/// Appends a value a row. `again` is the value that must be asked for anew each time a dictionary's entry comes up.
fn texts<T: Copy + PartialEq>(
    array: &ArrayRef,
    out: &mut Vec<T>,
    null: T,
    again: T,
    value_of: &mut impl FnMut(usize, &str) -> T,
) {
    match array.data_type() {
        DataType::Utf8 => plain(array.as_string::<i32>(), out, null, value_of),
        DataType::LargeUtf8 => plain(array.as_string::<i64>(), out, null, value_of),
        DataType::Utf8View => plain(array.as_string_view(), out, null, value_of),
        DataType::Dictionary(_, values) => match values.as_ref() {
            DataType::Utf8 => coded(array, |values| values.as_string::<i32>(), out, null, again, value_of),
            DataType::LargeUtf8 => coded(array, |values| values.as_string::<i64>(), out, null, again, value_of),
            DataType::Utf8View => coded(array, |values| values.as_string_view(), out, null, again, value_of),
            _ => out.extend(std::iter::repeat_n(null, array.len())),
        },
        _ => out.extend(std::iter::repeat_n(null, array.len())),
    }
}

fn plain<'a, T: Copy>(
    array: impl StringArrayType<'a>,
    out: &mut Vec<T>,
    null: T,
    value_of: &mut impl FnMut(usize, &str) -> T,
) {
    out.reserve(array.len());
    if array.null_count() == 0 {
        out.extend((0..array.len()).map(|row| value_of(row, array.value(row))));
    } else {
        out.extend((0..array.len()).map(|row| if array.is_null(row) { null } else { value_of(row, array.value(row)) }));
    }
}

/// Dictionary-coded texts: each entry is looked up once, unless the dictionary is much larger than the batch.
fn coded<'a, A: ArrayAccessor<Item = &'a str>, T: Copy + PartialEq>(
    array: &'a ArrayRef,
    typed: impl Fn(&'a ArrayRef) -> A,
    out: &mut Vec<T>,
    null: T,
    again: T,
    value_of: &mut impl FnMut(usize, &str) -> T,
) {
    let Some(coded) = array.as_any_dictionary_opt() else { return };
    let entries = typed(coded.values());
    let keys = coded.normalized_keys();
    let mut known = if entries.len() <= 4 * keys.len() { vec![again; entries.len()] } else { Vec::new() };
    out.extend(keys.iter().enumerate().map(|(row, &key)| {
        if coded.keys().is_null(row) || entries.is_null(key) {
            return null;
        }
        match known.get_mut(key) {
            Some(value) if *value != again => *value,
            Some(value) => {
                *value = value_of(row, entries.value(key));
                *value
            }
            None => value_of(row, entries.value(key)),
        }
    }));
}
