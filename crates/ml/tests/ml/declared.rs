//! Short ways to declare models and batches.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use tidegate_ml::learner::Features;
use tidegate_ml::transform::{Pipeline, Target};
use tidegate_ml::{Expression, Model, ModelSpec, Result, Task, Transform};

pub(crate) use DataType::{Boolean, Float64, Int64, Null, Utf8};

/// Reads a transform as SQL has it: `ML_IMPUTER(x, 'mean') OVER ()`, with `[…]` for ARRAY.
pub(crate) fn sql(text: &str) -> Expression {
    let (expression, rest) = parse(text.trim());
    assert!(rest.trim().is_empty(), "left over: {rest}");
    expression
}

fn parse(text: &str) -> (Expression, &str) {
    let text = text.trim_start();
    if let Some(rest) = text.strip_prefix('\'') {
        let (inside, rest) = rest.split_once('\'').unwrap();
        return (Expression::Text(inside.to_string()), rest);
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (items, rest) = parse_until(rest, ']');
        return (Expression::List(items), rest);
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || "_.+-".contains(c))).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    if let Some(rest) = rest.trim_start().strip_prefix('(') {
        let (args, rest) = parse_until(rest, ')');
        let over = rest.trim_start().strip_prefix("OVER ()");
        return (Expression::Call { function: word.to_string(), learned: over.is_some(), args }, over.unwrap_or(rest));
    }
    let expression = match word {
        "TRUE" => Expression::Flag(true),
        "FALSE" => Expression::Flag(false),
        _ => word.parse().map_or_else(|_| Expression::Column(word.to_string()), Expression::Number),
    };
    (expression, rest)
}

fn parse_until(mut text: &str, end: char) -> (Vec<Expression>, &str) {
    let mut items = Vec::new();
    loop {
        text = text.trim_start().trim_start_matches(',').trim_start();
        if let Some(rest) = text.strip_prefix(end) {
            return (items, rest);
        }
        let (item, rest) = parse(text);
        items.push(item);
        text = rest;
    }
}

fn schema(fields: &[(&str, DataType)]) -> Schema {
    Schema::new(fields.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect::<Vec<_>>())
}

/// A specification: input columns, output columns, transforms as `(SQL, alias)`, further options.
pub(crate) fn spec(
    inputs: &[(&str, DataType)],
    outputs: &[(&str, DataType)],
    transforms: &[(&str, &str)],
    options: &[(&str, &str)],
) -> Result<ModelSpec> {
    let named = options.iter().find(|(key, _)| *key == "task").and_then(|(_, name)| Task::find(name));
    // What is said of a task with labels may be wrong, to see what is said then.
    let named = named.filter(|task| !task.has_labels());
    let by_output = if outputs[0].1 == Float64 { Task::Regression } else { Task::Classification };
    let task = named.unwrap_or(by_output);
    let algorithm = if task == Task::Regression { "linear_regression" } else { "logistic_regression" };
    let given = [("provider", "tidegate"), ("task", task.name()), ("algorithm", algorithm)];
    let options = given.iter().chain(options).map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let transforms =
        transforms.iter().map(|(text, alias)| Transform { expression: sql(text), alias: alias.to_string() });
    ModelSpec::new("m", task, &schema(inputs), &schema(outputs), transforms.collect(), options)
}

/// The pipeline of some transforms, for a label of two classes.
pub(crate) fn pipeline(inputs: &[(&str, DataType)], transforms: &[(&str, &str)]) -> Result<Pipeline> {
    pipeline_for(Target::Classes(2), inputs, transforms)
}

/// The pipeline of some transforms, for such a label.
pub(crate) fn pipeline_for(
    target: Target,
    inputs: &[(&str, DataType)],
    transforms: &[(&str, &str)],
) -> Result<Pipeline> {
    let spec = spec(inputs, &[("predicted", Boolean)], transforms, &[])?;
    Pipeline::compile(&spec, 1000, Features::NUMBERS, target)
}

/// A model with two classes, false and true.
pub(crate) fn binary(inputs: &[(&str, DataType)], transforms: &[(&str, &str)], options: &[(&str, &str)]) -> Model {
    let outputs = [("predicted", Boolean), ("probability", Float64)];
    Model::new(spec(inputs, &outputs, transforms, options).unwrap()).unwrap()
}

/// A batch of columns.
pub(crate) fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.iter().map(|(name, array)| (*name, array.clone(), true))).unwrap()
}

/// A column.
pub(crate) fn column(values: impl Array + 'static) -> ArrayRef {
    Arc::new(values)
}

/// A DOUBLE column of a batch as bits, NULL as NaN: for comparing exactly.
pub(crate) fn bits(batch: &RecordBatch, column: usize) -> Vec<u64> {
    batch.column(column).as_primitive::<Float64Type>().iter().map(|v| v.unwrap_or(f64::NAN).to_bits()).collect()
}

/// Batches of `size` rows.
pub(crate) fn cut(batch: &RecordBatch, size: usize) -> Vec<RecordBatch> {
    let rows = batch.num_rows();
    (0..rows).step_by(size).map(|start| batch.slice(start, size.min(rows - start))).collect()
}

/// A table of rows that has everything: scaled and missing numbers, flags, texts that come up late, weights.
pub(crate) mod everything {
    use super::*;
    use arrow::array::{BooleanArray, Float64Array, Int64Array, StringArray};

    pub(crate) const INPUTS: [(&str, DataType); 6] =
        [("a", Float64), ("b", Float64), ("hour", Int64), ("flag", Boolean), ("city", Utf8), ("shop", Utf8)];

    pub(crate) const TRANSFORMS: [(&str, &str); 19] = [
        ("ML_STANDARD_SCALER(a) OVER ()", "a"),
        ("ML_STANDARD_SCALER(ML_IMPUTER(b, 'mean') OVER ()) OVER ()", "b"),
        ("ML_ROBUST_SCALER(ML_IMPUTER(b, 'median') OVER ()) OVER ()", "b_robust"),
        ("ML_MIN_MAX_SCALER(ML_IMPUTER(b, 'most_frequent') OVER ()) OVER ()", "b_range"),
        ("ML_ONE_HOT_ENCODER(hour) OVER ()", "hour"),
        ("ML_IMPUTER(flag, 'constant', FALSE)", "flag"),
        ("ML_ONE_HOT_ENCODER(city, 'keep') OVER ()", "city"),
        ("ML_ONE_HOT_ENCODER(ML_IMPUTER(shop, 'most_frequent') OVER ()) OVER ()", "shop"),
        ("ML_LABEL_ENCODER(shop) OVER ()", "shop_number"),
        ("ML_FEATURE_HASHER(city, ML_IMPUTER(shop, 'most_frequent') OVER (), b, 64)", "hashed"),
        ("ML_MAX_ABS_SCALER(ML_POLYNOMIAL_EXPAND(a, ML_IMPUTER(b, 'mean') OVER (), 2)) OVER ()", "product"),
        ("ML_NORMALIZER([a, ML_IMPUTER(b, 'constant', 1)], 'l2')", "unit"),
        ("ML_STANDARD_SCALER(ML_COUNT_ENCODER(city) OVER ()) OVER ()", "city_count"),
        ("ML_FREQUENCY_ENCODER(ML_IMPUTER(shop, 'most_frequent') OVER ()) OVER ()", "shop_share"),
        ("ML_QUANTILE_BUCKETIZE(a, 4) OVER ()", "a_quartile"),
        (
            "ML_ONE_HOT_ENCODER(ML_FEATURE_CROSS(city, ML_QUANTILE_BUCKETIZE(b, 3) OVER (), hour, 256)) OVER ()",
            "crossed",
        ),
        ("ML_CYCLICAL(a, 24)", "cycle"),
        ("ML_BAG_OF_WORDS(city, 64, 2)", "words"),
        ("ML_TF_IDF(shop, 64) OVER ()", "rare_words"),
    ];

    /// A sequence that looks random, in 0 to 1.
    pub(crate) fn noise(i: usize) -> f64 {
        let mut z = (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn of(row: usize, column: usize) -> f64 {
        noise(row * 32 + column)
    }

    /// Input columns of `rows` rows, from some row on.
    pub(crate) fn inputs(start: usize, rows: usize) -> Vec<(&'static str, ArrayRef)> {
        let range = start..start + rows;
        let a: Float64Array = range.clone().map(|i| Some(of(i, 0) * 20.0 - 3.0)).collect();
        let b: Float64Array =
            range.clone().map(|i| (of(i, 1) > 0.2).then(|| (of(i, 2) * 9.0).floor() * 10.0)).collect();
        let hour: Int64Array = range.clone().map(|i| (of(i, 3) > 0.1).then(|| (of(i, 4) * 24.0) as i64)).collect();
        let flag: BooleanArray = range.clone().map(|i| (of(i, 5) > 0.1).then(|| of(i, 6) > 0.5)).collect();
        // New categories keep coming: the square root of the row's number is how many there are.
        let text = |i: usize, column: usize| {
            (of(i, column) > 0.15).then(|| format!("t{}", (of(i, column + 1) * (i as f64).sqrt()) as usize))
        };
        let city: StringArray = range.clone().map(|i| text(i, 7)).collect();
        let shop: StringArray = range.map(|i| text(i, 9)).collect();
        vec![
            ("a", column(a)),
            ("b", column(b)),
            ("hour", column(hour)),
            ("flag", column(flag)),
            ("city", column(city)),
            ("shop", column(shop)),
        ]
    }

    /// A label: one row in `missing` has none.
    pub(crate) fn label(row: usize, missing: usize) -> Option<f64> {
        (!row.is_multiple_of(missing)).then(|| of(row, 0) + of(row, 2) + of(row, 11) - 1.5)
    }

    /// Rows with a BOOLEAN label and weights.
    pub(crate) fn rows(start: usize, rows: usize, missing: usize) -> RecordBatch {
        let mut columns = inputs(start, rows);
        let labels: BooleanArray = (start..start + rows).map(|i| label(i, missing).map(|v| v > 0.0)).collect();
        let weights: Float64Array = (start..start + rows).map(|i| Some(0.5 + of(i, 12))).collect();
        columns.push(("label", column(labels)));
        columns.push(("weight", column(weights)));
        batch(&columns)
    }
}
