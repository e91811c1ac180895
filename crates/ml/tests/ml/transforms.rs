//! Transforms against scikit-learn's results and closed forms.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use tidegate_ml::block::Block;
use tidegate_ml::rows::{Rows, Texts};
use tidegate_ml::transform::{Pipeline, Scratch, TRANSFORMS};

use crate::declared::{Boolean, Float64, Utf8, batch, column, pipeline};

/// Learns from all rows; the blocks before and after each row.
pub(crate) fn learn(pipeline: &mut Pipeline, batch: &RecordBatch) -> (Block, Block) {
    learn_targets(pipeline, batch, &vec![0.0; batch.num_rows()])
}

/// The same with labels.
pub(crate) fn learn_targets(pipeline: &mut Pipeline, batch: &RecordBatch, targets: &[f64]) -> (Block, Block) {
    let mut rows = Rows::new(pipeline.columns());
    rows.read_numbers(pipeline.columns(), batch.columns(), batch.num_rows()).unwrap();
    pipeline.read_texts(&mut rows, batch.columns(), targets);
    let (mut before, mut after) = (Block::default(), Block::default());
    pipeline.learn(&rows, (0, targets), Some(&mut before), &mut after, &mut Scratch::default());
    (before, after)
}

/// Transforms rows with the statistics as they are.
pub(crate) fn apply(pipeline: &Pipeline, batch: &RecordBatch) -> Block {
    let mut rows = Rows::new(pipeline.columns());
    rows.read_numbers(pipeline.columns(), batch.columns(), batch.num_rows()).unwrap();
    rows.read_texts(pipeline.columns(), batch.columns(), Texts::Find(pipeline.dictionaries()));
    let mut block = Block::default();
    pipeline.apply(&rows, 0, rows.len(), &mut block, &mut Scratch::default());
    block
}

/// The sparse features of each row as `name=category:value`.
pub(crate) fn sparse(pipeline: &Pipeline, block: &Block) -> Vec<String> {
    let entry = |(number, value): (&u32, &f64)| {
        let feature = pipeline.sparse_feature(*number).unwrap();
        format!("{}={}:{value}", feature.processed_input, feature.category.unwrap_or_default())
    };
    let row = |row| {
        let row = block.row(row);
        row.indices.iter().zip(row.values).map(entry).collect::<Vec<_>>().join(" ")
    };
    (0..block.rows()).map(row).collect()
}

pub(crate) fn dense(block: &Block) -> Vec<Vec<f64>> {
    (0..block.rows()).map(|row| block.row(row).dense.to_vec()).collect()
}

type Table = Vec<Vec<Option<f64>>>;

/// See `../reference/transforms.py`, which wrote them.
fn reference() -> BTreeMap<String, Table> {
    let mut cases: BTreeMap<String, Table> = BTreeMap::new();
    for line in include_str!("../reference/transforms.csv").lines() {
        let mut parts = line.split(',');
        let table = cases.entry(parts.next().unwrap().to_string()).or_default();
        let row: usize = parts.next().unwrap().parse().unwrap();
        table.resize(table.len().max(row + 1), Vec::new());
        parts.next().unwrap();
        table[row].push(parts.next().unwrap().parse().ok());
    }
    cases
}

fn table_batch(table: &Table, names: &[&'static str]) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = names
        .iter()
        .enumerate()
        .map(|(i, name)| (*name, column(table.iter().map(|row| row[i]).collect::<Float64Array>())))
        .collect();
    batch(&columns)
}

#[test]
fn results_are_scikit_learns() {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    let each = |f: &str| NAMES.map(|name| (f.replace('?', name), name.to_string())).to_vec();
    let one = |f: &str| vec![(f.to_string(), "f".to_string())];
    let reference = reference();
    for (case, source, items) in [
        ("standard", "input", each("ML_STANDARD_SCALER(?) OVER ()")),
        ("standard_no_centering", "input", each("ML_STANDARD_SCALER(?, FALSE, TRUE) OVER ()")),
        ("min_max", "input", each("ML_MIN_MAX_SCALER(?) OVER ()")),
        ("max_abs", "input", each("ML_MAX_ABS_SCALER(?) OVER ()")),
        ("robust", "input", each("ML_ROBUST_SCALER(?) OVER ()")[..3].to_vec()),
        ("standard_missing", "input_missing", each("ML_STANDARD_SCALER(?) OVER ()")),
        ("impute_mean", "input_missing", each("ML_IMPUTER(?, 'mean') OVER ()")),
        ("impute_median", "input_missing", each("ML_IMPUTER(?, 'median') OVER ()")),
        ("impute_constant", "input_missing", each("ML_IMPUTER(?, 'constant', -1.5)")),
        ("impute_scale", "input_missing", each("ML_STANDARD_SCALER(ML_IMPUTER(?, 'constant', 0)) OVER ()")),
        ("l1", "input", one("ML_NORMALIZER(a, b, c, d, 'l1')")),
        ("l2", "input", one("ML_NORMALIZER([a, b, c, d])")),
        ("max", "input", one("ML_NORMALIZER(a, b, c, d, 'max')")),
        ("polynomial_3", "input", one("ML_POLYNOMIAL_EXPAND(b, c, 3)")),
        ("interaction_2", "input", one("ML_POLYNOMIAL_EXPAND(a, b, c, 2, TRUE)")),
    ] {
        let items: Vec<(&str, &str)> = items.iter().map(|(sql, alias)| (sql.as_str(), alias.as_str())).collect();
        let mut pipeline = pipeline(&NAMES.map(|name| (name, Float64)), &items).unwrap();
        let batch = table_batch(&reference[source], &NAMES);
        learn(&mut pipeline, &batch);
        let found = dense(&apply(&pipeline, &batch));
        for (row, (found, expected)) in found.iter().zip(&reference[case]).enumerate() {
            assert_eq!(found.len(), expected.len(), "{case}");
            for (column, (found, expected)) in found.iter().zip(expected).enumerate() {
                let expected = expected.unwrap_or(f64::NAN);
                let near = (found - expected).abs() <= 1e-12 * expected.abs().max(1.0);
                // A column that is 5 throughout: scikit-learn divides it by 1, here it is 0 where it is centred.
                let no_spread = column == 3 && case.starts_with("standard");
                assert!(
                    near || (found.is_nan() && expected.is_nan()) || no_spread,
                    "{case} {row} {column}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn given_statistics_do_as_learned_ones() {
    let x = batch(&[("x", column(Float64Array::from(vec![Some(1.0), None, Some(4.0)])))]);
    for (sql, expected) in [
        ("ML_STANDARD_SCALER(x, 2, 0.5)", [-2.0, 4.0]),
        ("ML_STANDARD_SCALER(x, 2, 0.5, FALSE)", [2.0, 8.0]),
        ("ML_STANDARD_SCALER(x, 2, 0.5, TRUE, FALSE)", [-1.0, 2.0]),
        ("ML_STANDARD_SCALER(x, 2, 0)", [0.0, 0.0]),
        ("ML_MIN_MAX_SCALER(x, 0, 8)", [0.125, 0.5]),
        ("ML_MAX_ABS_SCALER(x, 10)", [0.1, 0.4]),
        ("ML_ROBUST_SCALER(x, 1, 0, 2)", [0.0, 1.5]),
    ] {
        let found = dense(&apply(&pipeline(&[("x", Float64)], &[(sql, "x")]).unwrap(), &x));
        assert_eq!([found[0][0], found[2][0]], expected, "{sql}");
        assert!(found[1][0].is_nan(), "{sql}");
    }
}

#[test]
fn each_row_meets_statistics_of_the_rows_before_it() {
    let mut pipeline =
        pipeline(&[("x", Float64)], &[("ML_MIN_MAX_SCALER(ML_IMPUTER(x, 'mean') OVER ()) OVER ()", "x")]).unwrap();
    let x = batch(&[("x", column(Float64Array::from(vec![Some(2.0), None, Some(6.0), None, Some(0.0)])))]);
    let (before, after) = learn(&mut pipeline, &x);
    let flat = |block: &Block| dense(block).concat();
    // Imputed before: 2, 2, 6, 4, 0, with ranges none, [2, 2], [2, 2], [2, 6], [2, 6].
    assert_eq!(flat(&before), [0.0, 0.0, 0.0, 0.5, -0.5]);
    // Imputed after: 2, 2, 6, 4, 0, with ranges [2, 2], [2, 2], [2, 6], [2, 6], [0, 6].
    assert_eq!(flat(&after), [0.0, 0.0, 1.0, 0.5, 0.0]);
}

#[test]
fn categories_are_met_row_by_row() {
    let items = [("ML_ONE_HOT_ENCODER(s) OVER ()", "s"), ("t", "t"), ("ML_LABEL_ENCODER(s) OVER ()", "n")];
    let mut pipeline = pipeline(&[("s", Utf8), ("t", Utf8)], &items).unwrap();
    let rows = batch(&[
        ("s", column(StringArray::from(vec![Some("x"), None, Some("y"), Some("x")]))),
        ("t", column(StringArray::from(vec![Some("p"), Some("q"), Some("p"), None]))),
    ]);
    let (before, after) = learn(&mut pipeline, &rows);
    assert_eq!(sparse(&pipeline, &before), ["", "", "t=p:1", "s=x:1"]);
    assert_eq!(sparse(&pipeline, &after), ["s=x:1 t=p:1", "t=q:1", "s=y:1 t=p:1", "s=x:1"]);
    assert_eq!((dense(&before).concat(), dense(&after).concat()), (vec![0.0, 0.0, 0.0, 1.0], vec![1.0, 0.0, 2.0, 1.0]));
    // Numbered by row, then by item: x, p, q, y.
    assert_eq!((pipeline.sparse_count(), after.indices), (4, vec![0, 1, 2, 3, 1, 0]));

    // Kept unknown ones are a feature of their own from the start.
    let mut kept =
        crate::declared::pipeline(&[("s", Utf8), ("t", Utf8)], &[("ML_ONE_HOT_ENCODER(s, 'keep') OVER ()", "s")])
            .unwrap();
    let (before, after) = learn(&mut kept, &rows);
    assert_eq!(sparse(&kept, &before), ["s=(unknown):1", "s=(unknown):1", "s=(unknown):1", "s=x:1"]);
    assert_eq!(sparse(&kept, &after), ["s=x:1", "s=(unknown):1", "s=y:1", "s=x:1"]);

    let unseen = batch(&[("s", column(StringArray::from(vec!["z"]))), ("t", column(StringArray::from(vec!["q"])))]);
    let block = apply(&pipeline, &unseen);
    assert_eq!((sparse(&pipeline, &block), dense(&block).concat()), (vec!["t=q:1".to_string()], vec![0.0]));
}

#[test]
fn given_categories_keep_their_order_and_unknown_ones_may_be_kept() {
    let s = batch(&[("s", column(StringArray::from(vec![Some("a"), Some("b"), Some("c"), Some("z"), None])))]);
    for (sql, expected) in [
        ("ML_ONE_HOT_ENCODER(s, ['a', 'b', 'c'])", ["s=a:1", "s=b:1", "s=c:1", "", ""]),
        ("ML_ONE_HOT_ENCODER(s, ['a', 'b', 'c'], TRUE)", ["s=a:1", "s=b:1", "", "", ""]),
        (
            "ML_ONE_HOT_ENCODER(s, ['a', 'b', 'c'], FALSE, 'keep')",
            ["s=a:1", "s=b:1", "s=c:1", "s=(unknown):1", "s=(unknown):1"],
        ),
        (
            "ML_ONE_HOT_ENCODER(s, ['a', 'b', 'c'], TRUE, 'keep')",
            ["s=a:1", "s=b:1", "", "s=(unknown):1", "s=(unknown):1"],
        ),
    ] {
        let pipeline = pipeline(&[("s", Utf8)], &[(sql, "s")]).unwrap();
        assert_eq!(sparse(&pipeline, &apply(&pipeline, &s)), expected, "{sql}");
    }
    for (sql, expected) in [
        ("ML_LABEL_ENCODER(s, ['b', 'a'])", [2.0, 1.0, 0.0, 0.0, 0.0]),
        ("ML_LABEL_ENCODER(s, ['b', 'a'], TRUE)", [1.0, 0.0, -1.0, -1.0, -1.0]),
        ("ML_ORDINAL_ENCODER(s, ['c', 'b', 'a'])", [2.0, 1.0, 0.0, -1.0, -1.0]),
    ] {
        let pipeline = pipeline(&[("s", Utf8)], &[(sql, "s")]).unwrap();
        assert_eq!(dense(&apply(&pipeline, &s)).concat(), expected, "{sql}");
    }
}

#[test]
fn numbers_and_flags_can_be_categories() {
    let rows = batch(&[
        ("n", column(Float64Array::from(vec![Some(3.0), Some(-0.0), Some(0.0), None]))),
        ("f", column(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]))),
    ]);
    let items = [
        ("ML_ONE_HOT_ENCODER(n) OVER ()", "n"),
        ("ML_ONE_HOT_ENCODER(f, [FALSE, TRUE])", "f"),
        ("ML_BUCKETIZE(n, [1, 3])", "bin"),
    ];
    let mut pipeline = pipeline(&[("n", Float64), ("f", Boolean)], &items).unwrap();
    let (_, after) = learn(&mut pipeline, &rows);
    let expected =
        ["n=3:1 f=true:1 bin=bin_3:1", "n=0:1 f=false:1 bin=bin_1:1", "n=0:1 bin=bin_1:1", "f=true:1 bin=bin_NULL:1"];
    assert_eq!(sparse(&pipeline, &after), expected);
}

#[test]
fn buckets_hold_their_lower_split() {
    let x =
        batch(&[("x", column(Float64Array::from(vec![Some(0.9), Some(1.0), Some(2.0), Some(4.0), Some(7.0), None])))]);
    let items = [("ML_BUCKETIZE(x, [1, 4, 4, 7], ['none', 'a', 'b', 'c', 'd'])", "x")];
    let found = pipeline(&[("x", Float64)], &items).unwrap();
    let expected = ["x=a:1", "x=b:1", "x=b:1", "x=c:1", "x=d:1", "x=none:1"];
    assert_eq!(sparse(&found, &apply(&found, &x)), expected);
    let ordered = [("ML_ORDINAL_ENCODER(ML_BUCKETIZE(x, [1, 4]), ['bin_1', 'bin_2', 'bin_3'])", "x")];
    let found = pipeline(&[("x", Float64)], &ordered).unwrap();
    assert_eq!(dense(&apply(&found, &x)).concat(), [0.0, 1.0, 1.0, 2.0, 2.0, -1.0]);
}

#[test]
fn hashing_sees_unknown_texts_and_needs_no_memory() {
    let items = [("ML_FEATURE_HASHER(s, x, 1024)", "h")];
    let found = pipeline(&[("s", Utf8), ("x", Float64)], &items).unwrap();
    assert!(!found.learns() && found.dictionaries()[0].is_empty());
    let rows = batch(&[
        ("s", column(StringArray::from(vec![Some("x"), Some("y"), None]))),
        ("x", column(Float64Array::from(vec![Some(2.5), None, Some(1.0)]))),
    ]);
    let block = apply(&found, &rows);
    let entries: Vec<usize> = (0..3).map(|row| block.row(row).indices.len()).collect();
    assert_eq!((entries, found.sparse_count()), (vec![2, 1, 1], 1024));
    assert_eq!((block.row(0).values[0].abs(), block.row(0).values[1].abs()), (1.0, 2.5));
    assert_ne!(block.row(0).indices[0], block.row(1).indices[0]);
    assert_eq!(block.row(0).indices[1], block.row(2).indices[0]);

    // An imputed text hashes as the text itself.
    let imputed = [("ML_FEATURE_HASHER(ML_IMPUTER(s, 'constant', 'y'), 1024, FALSE)", "h")];
    let found = pipeline(&[("s", Utf8), ("x", Float64)], &imputed).unwrap();
    let block = apply(&found, &rows);
    assert_eq!((block.row(2).indices, block.values.clone()), (block.row(1).indices, vec![1.0; 3]));
}

#[test]
fn the_most_frequent_value_fills_in() {
    let rows = batch(&[
        ("s", column(StringArray::from(vec![None, Some("a"), Some("b"), Some("b"), None]))),
        ("x", column(Float64Array::from(vec![None, Some(7.0), Some(8.0), Some(8.0), None]))),
    ]);
    let items = [
        ("ML_ONE_HOT_ENCODER(ML_IMPUTER(s, 'most_frequent') OVER ()) OVER ()", "s"),
        ("ML_IMPUTER(x, 'most_frequent') OVER ()", "x"),
    ];
    let mut pipeline = pipeline(&[("s", Utf8), ("x", Float64)], &items).unwrap();
    let (_, after) = learn(&mut pipeline, &rows);
    assert_eq!(sparse(&pipeline, &after), ["", "s=a:1", "s=b:1", "s=b:1", "s=b:1"]);
    assert_eq!(dense(&after).concat(), [0.0, 7.0, 8.0, 8.0, 8.0]);
}

#[test]
fn no_clause_passes_numbers_and_encodes_texts() {
    let mut found = pipeline(&[("x", Float64), ("f", Boolean), ("s", Utf8)], &[]).unwrap();
    let rows = batch(&[
        ("x", column(Float64Array::from(vec![1.5]))),
        ("f", column(BooleanArray::from(vec![true]))),
        ("s", column(StringArray::from(vec!["a"]))),
    ]);
    let (_, after) = learn(&mut found, &rows);
    assert_eq!((dense(&after), sparse(&found, &after)), (vec![vec![1.5, 1.0]], vec!["s=a:1".to_string()]));
    let names: Vec<String> = found.dense_features().map(|feature| feature.processed_input).collect();
    assert_eq!(names, ["x", "f"]);
}

#[test]
fn values_stay_finite() {
    let x = batch(&[("x", column(Float64Array::from(vec![1e100, -1e100, 1e-300, 0.0])))]);
    for sql in [
        "ML_STANDARD_SCALER(x, 0, 1e-100)",
        "ML_MIN_MAX_SCALER(x, 0, 1e-100)",
        "ML_POLYNOMIAL_EXPAND(x, 10)",
        "ML_STANDARD_SCALER(ML_POLYNOMIAL_EXPAND(x, 4)) OVER ()",
        "ML_NORMALIZER(x, 'l2')",
        "ML_ROBUST_SCALER(x) OVER ()",
    ] {
        let mut found = pipeline(&[("x", Float64)], &[(sql, "x")]).unwrap();
        let (before, after) = learn(&mut found, &x);
        let applied = apply(&found, &x);
        for block in [before, after, applied] {
            assert!(block.dense.iter().all(|v| v.abs() <= 1e150), "{sql}: {:?}", block.dense);
        }
    }
}

#[test]
fn wrong_clauses_are_refused_with_what_to_do() {
    let inputs: [(&str, DataType); 3] = [("age", Float64), ("city", Utf8), ("member", Boolean)];
    for (sql, said) in [
        ("ML_STANDARD_SCALAR(age) OVER ()", "unknown transform ML_STANDARD_SCALAR; did you mean ML_STANDARD_SCALER?"),
        ("ML_STANDARD_SCALER(agee) OVER ()", "unknown column 'agee'; did you mean 'age'?"),
        ("ML_STANDARD_SCALER(zzz) OVER ()", "unknown column 'zzz'; INPUT names age, city, member"),
        ("ML_STANDARD_SCALER(city) OVER ()", "ML_STANDARD_SCALER takes numbers; 'city' is a text: encode it first"),
        (
            "ML_STANDARD_SCALER(age)",
            "ML_STANDARD_SCALER: argument 'mean' is missing; expected a number (or OVER () after the call, to learn it from the \
             rows)",
        ),
        ("ML_STANDARD_SCALER(age, 1, -1)", "ML_STANDARD_SCALER: std is -1; expected a number of at least 0"),
        ("ML_STANDARD_SCALER(age, 1, 2) OVER ()", "ML_STANDARD_SCALER: centering is 1; expected TRUE or FALSE"),
        (
            "ML_MIN_MAX_SCALER(age, 1, 2) OVER ()",
            "ML_MIN_MAX_SCALER: 1 is one argument too many; with OVER () statistics are learned, not given",
        ),
        ("ML_MIN_MAX_SCALER(age, 2, 1)", "ML_MIN_MAX_SCALER: min is 2, above max, which is 1"),
        (
            "ML_IMPUTER(age, 'average') OVER ()",
            "ML_IMPUTER: strategy is 'average'; expected 'mean' or 'median' or 'most_frequent' or 'constant'",
        ),
        ("ML_IMPUTER(age, 'mean')", "ML_IMPUTER: 'mean' is learned from the rows: write OVER () after the call"),
        ("ML_IMPUTER(city, 'mean') OVER ()", "ML_IMPUTER: 'city' is a text; it takes 'most_frequent' or 'constant'"),
        ("ML_IMPUTER(city, 'constant', 3)", "ML_IMPUTER: 'city' is a text, which 3 cannot replace"),
        ("ML_NORMALIZER(age) OVER ()", "ML_NORMALIZER: learns nothing; leave out OVER ()"),
        ("ML_BUCKETIZE(age, [3, 1])", "ML_BUCKETIZE: splits must be numbers in ascending order, at least one"),
        (
            "ML_BUCKETIZE(age, [1], ['a', 'b'])",
            "ML_BUCKETIZE: 1 splits make 3 buckets, that of NULL (named first) included; found 2 names",
        ),
        ("ML_ONE_HOT_ENCODER(city, [1])", "ML_ONE_HOT_ENCODER: 'city' is a text, so categories takes texts; found 1"),
        ("ML_ONE_HOT_ENCODER(city, ['a', 'a'])", "ML_ONE_HOT_ENCODER: 'a' stands twice in categories"),
        (
            "ML_STANDARD_SCALER(ML_ONE_HOT_ENCODER(city) OVER ()) OVER ()",
            "ML_STANDARD_SCALER: what is made of 'city' is already encoded, which no other transform takes",
        ),
        ("ML_FEATURE_HASHER(city, 0)", "ML_FEATURE_HASHER: buckets is 0; expected a whole number from 1 to 268435456"),
        (
            "ML_ORDINAL_ENCODER(city) OVER ()",
            "ML_ORDINAL_ENCODER: the order of categories cannot be learned; give it as ARRAY[lowest, …, highest]",
        ),
        (
            "ML_POLYNOMIAL_EXPAND(age, 2, age)",
            "ML_POLYNOMIAL_EXPAND: column 'age' stands after a literal; columns come first",
        ),
        ("ML_STANDARD_SCALER(age, city) OVER ()", "ML_STANDARD_SCALER takes one column; found 2"),
        ("3", "3 is a literal; expected a column or a transform"),
        ("ML_COUNT_ENCODER(city)", "ML_COUNT_ENCODER: learns from the rows: write OVER () after the call"),
        (
            "ML_TARGET_ENCODER(city, -1) OVER ()",
            "ML_TARGET_ENCODER: smoothing is -1; expected a number of rows of at least 0, or 'auto'",
        ),
        ("ML_CYCLICAL(age, 0)", "ML_CYCLICAL: period is 0; expected a number above 0"),
        ("ML_FEATURE_CROSS(city)", "ML_FEATURE_CROSS: found one column; expected at least two, which are crossed"),
        (
            "ML_QUANTILE_BUCKETIZE(age, 1) OVER ()",
            "ML_QUANTILE_BUCKETIZE: buckets is 1; expected a whole number from 2 to 100",
        ),
        ("ML_TF_IDF(age) OVER ()", "ML_TF_IDF takes texts; 'age' is a number"),
        (
            "ML_BAG_OF_WORDS(ML_IMPUTER(city, 'constant', 'x'))",
            "ML_BAG_OF_WORDS takes a text column as it is; found what a transform makes of 'city'",
        ),
        ("ML_BAG_OF_WORDS(city, 64, 1, 'max')", "ML_BAG_OF_WORDS: norm is 'max'; expected 'none' or 'l1' or 'l2'"),
    ] {
        let error = pipeline(&inputs, &[(sql, "f")]).unwrap_err().to_string();
        assert_eq!(error, format!("TRANSFORM, item 'f': {said}"), "{sql}");
    }
    let twice = pipeline(&inputs, &[("age", "x"), ("member", "x")]).unwrap_err().to_string();
    assert_eq!(twice, "TRANSFORM: two items are named 'x'; give one another name with AS");
    let deep = (0..40).fold("age".to_string(), |inner, _| format!("ML_STANDARD_SCALER({inner}) OVER ()"));
    assert!(pipeline(&inputs, &[(&deep, "x")]).unwrap_err().to_string().contains("nest more than 32 deep"));
}

#[test]
fn every_transform_is_declared_in_full() {
    for def in TRANSFORMS {
        assert!(def.name.starts_with("ML_") && def.doc.len() > 100 && !def.arguments.is_empty(), "{}", def.name);
    }
    let _: Arc<[&str]> = TRANSFORMS.iter().map(|def| def.name).collect();
}
