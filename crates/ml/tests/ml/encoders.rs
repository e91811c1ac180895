//! Encoders of categories and words against scikit-learn's results and closed forms; and that labels do not leak.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use tidegate_ml::Model;
use tidegate_ml::block::Block;
use tidegate_ml::rows::hash_text;
use tidegate_ml::transform::{Pipeline, Target};

use crate::declared::everything::{INPUTS, inputs, label, noise, rows};
use crate::declared::{Boolean, Float64, Int64, Utf8, batch, binary, bits, column, cut, pipeline, pipeline_for, spec};
use crate::transforms::{apply, dense, learn, learn_targets, sparse};

/// Rows of texts as `../reference/encoders.py` wrote them, by case.
fn reference() -> BTreeMap<&'static str, Vec<Vec<&'static str>>> {
    let mut cases: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
    for line in include_str!("../reference/encoders.csv").lines() {
        let [case, row, _, value] = line.splitn(4, ',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let table = cases.entry(case).or_default();
        let row: usize = row.parse().unwrap();
        table.resize(table.len().max(row + 1), Vec::new());
        table[row].push(value);
    }
    cases
}

fn numbers(table: &[Vec<&str>]) -> Vec<Vec<f64>> {
    table.iter().map(|row| row.iter().map(|value| value.parse().unwrap()).collect()).collect()
}

fn assert_near(case: &str, found: &[Vec<f64>], expected: &[Vec<f64>]) {
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "{case} {row}");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{case} {row}: {found} {expected}");
        }
    }
    assert_eq!(found.len(), expected.len(), "{case}");
}

fn texts(values: &[Option<&str>]) -> RecordBatch {
    batch(&[("s", column(StringArray::from(values.to_vec())))])
}

#[test]
fn target_encodings_are_scikit_learns() {
    let reference = reference();
    let categories: Vec<Option<&str>> =
        reference["category"].iter().map(|row| Some(row[0]).filter(|text| !text.is_empty())).collect();
    let rows = texts(&categories);
    for (label, target) in [("number", Target::Number), ("binary", Target::Classes(2)), ("class", Target::Classes(3))] {
        let targets = numbers(&reference[label]).concat();
        for (smoothing, argument) in [("auto", ""), ("auto", ", 'auto'"), ("0.0", ", 0"), ("10.0", ", 10")] {
            let item = (&*format!("ML_TARGET_ENCODER(s{argument}) OVER ()"), "s");
            let mut pipeline = pipeline_for(target, &[("s", Utf8)], &[item]).unwrap();
            learn_targets(&mut pipeline, &rows, &targets);
            let case = format!("{label}_{smoothing}");
            assert_near(&case, &dense(&apply(&pipeline, &rows)), &numbers(&reference[&*case]));
            let unknown = format!("{case}_unknown");
            let found = dense(&apply(&pipeline, &texts(&[Some("zzz")])));
            assert_near(&unknown, &found, &numbers(&reference[&*unknown]));
        }
    }
}

/// Of a category with n rows of mean y and all rows of mean p: (n y + p) / (n + 1).
#[test]
fn a_row_is_encoded_by_the_labels_before_it() {
    let items = [("ML_TARGET_ENCODER(s, 1) OVER ()", "s")];
    let mut pipeline = pipeline(&[("s", Utf8)], &items).unwrap();
    let rows = texts(&[Some("a"), Some("a"), Some("b"), None, Some("a"), None]);
    let (before, after) = learn_targets(&mut pipeline, &rows, &[1.0, 0.0, 1.0, 1.0, 1.0, 0.0]);
    let expected = [0.5, 1.0, 0.5, 2.0 / 3.0, (1.0 + 0.75) / 3.0, (1.0 + 0.8) / 2.0].map(|share| vec![share]);
    assert_near("before", &dense(&before), &expected);
    assert_eq!(before, after);
    // All labels count from then on: p = 4/6.
    let p = 4.0 / 6.0;
    let found = dense(&apply(&pipeline, &texts(&[Some("a"), Some("b"), None, Some("c")])));
    assert_near("then", &found, &[(2.0 + p) / 4.0, (1.0 + p) / 2.0, (1.0 + p) / 3.0, p].map(|share| vec![share]));
}

#[test]
fn categories_beyond_the_most_that_may_be_have_the_mean_of_all() {
    let inputs = [("s", Utf8)];
    let spec = spec(&inputs, &[("y", Float64)], &[("ML_TARGET_ENCODER(s, 0) OVER ()", "s")], &[]).unwrap();
    let features = tidegate_ml::learner::Features::NUMBERS;
    let mut pipeline = Pipeline::compile(&spec, 2, features, Target::Number).unwrap();
    let rows = texts(&[Some("a"), Some("b"), Some("c"), Some("c")]);
    learn_targets(&mut pipeline, &rows, &[1.0, 2.0, 6.0, 7.0]);
    assert_eq!(dense(&apply(&pipeline, &rows)).concat(), [1.0, 2.0, 4.0, 4.0]);
}

/// The share of pairs of a positive and a negative row that a score puts in order; ties count half.
fn auc(scores: &[f64], labels: &[bool]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let (mut below, mut pairs) = (0.0, 0.0);
    for tied in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let positive = tied.iter().filter(|row| labels[**row]).count() as f64;
        let negative = tied.len() as f64 - positive;
        pairs += positive * (below + negative / 2.0);
        below += negative;
    }
    let positive = labels.iter().filter(|label| **label).count() as f64;
    pairs / (positive * (labels.len() as f64 - positive))
}

/// Labels that have nothing to do with categories, of which each has about three rows: what tells such labels is a leak.
#[test]
fn labels_do_not_leak() {
    const ROWS: usize = 6000;
    let labels: Vec<bool> = (0..ROWS).map(|i| noise(2 * i) < 0.4).collect();
    let names: Vec<String> =
        (0..ROWS).map(|i| format!("c{}", (noise(2 * i + 1) * ROWS as f64 / 3.0) as usize)).collect();
    let rows = texts(&names.iter().map(|name| Some(name.as_str())).collect::<Vec<_>>());
    let targets: Vec<f64> = labels.iter().map(|label| f64::from(u8::from(*label))).collect();
    // With 2400 and 3600 rows of either label, the standard deviation of an area by chance is .0076; this is four of them.
    let chance = 0.47..0.53;
    for smoothing in ["'auto'", "0", "5"] {
        let item = format!("ML_TARGET_ENCODER(s, {smoothing}) OVER ()");
        let spec = spec(&[("s", Utf8)], &[("p", Boolean)], &[(&item, "s")], &[]).unwrap();
        let features = tidegate_ml::learner::Features::NUMBERS;
        let mut pipeline = Pipeline::compile(&spec, 1_000_000, features, Target::Classes(2)).unwrap();
        let (before, after) = learn_targets(&mut pipeline, &rows, &targets);
        for (what, block) in [("before", &before), ("after", &after)] {
            let found = auc(&block.dense, &labels);
            assert!(chance.contains(&found), "{what} each row, smoothing {smoothing}: {found}");
        }
        // Encodings that know each row's own label tell it: this is what the test would find.
        let known = auc(&apply(&pipeline, &rows).dense, &labels);
        assert!(known > 0.75, "{known}");

        let transforms = [(&*item, "s")];
        let mut model = binary(&[("s", Utf8)], &transforms, &[("max-categories", "1000000"), ("learning_rate", "0.1")]);
        let label = column(BooleanArray::from(labels.clone()));
        let batch = batch(&[("s", rows.column(0).clone()), ("label", label)]);
        let predicted = model.learn_predict(&batch).unwrap();
        let found = auc(predicted.column(1).as_primitive::<Float64Type>().values(), &labels);
        assert!(chance.contains(&found), "model, smoothing {smoothing}: {found}");
    }
}

#[test]
fn labels_must_be_there_and_classes_declared() {
    let items = [("ML_TARGET_ENCODER(s) OVER ()", "s")];
    let refused = |target| pipeline_for(target, &[("s", Utf8)], &items).unwrap_err().to_string();
    assert_eq!(
        refused(Target::ClassesMet),
        "TRANSFORM, item 's': ML_TARGET_ENCODER: there is a column a class, so the classes must be known: declare them with the \
         option 'classes'"
    );
    assert_eq!(
        refused(Target::None),
        "TRANSFORM, item 's': ML_TARGET_ENCODER: learns from labels, and the task has none"
    );
    let met = spec(&[("s", Utf8)], &[("class", Utf8)], &items, &[]).unwrap();
    assert!(Model::new(met).unwrap_err().to_string().contains("declare them with the option 'classes'"));
    let declared = spec(&[("s", Utf8)], &[("class", Utf8)], &items, &[("classes", "x,y,z")]).unwrap();
    let model = Model::new(declared).unwrap();
    assert_eq!((model.describe().dense_features, model.learns_from_labels()), (3, Some("ML_TARGET_ENCODER")));
}

/// A model of each kind of label with target encodings, and rows with missing and new categories for it.
fn encoded() -> Vec<(Model, RecordBatch)> {
    let transforms = [
        ("ML_TARGET_ENCODER(city) OVER ()", "city"),
        ("ML_TARGET_ENCODER(hour, 3) OVER ()", "hour"),
        ("ML_TARGET_ENCODER(ML_IMPUTER(shop, 'most_frequent') OVER (), 10) OVER ()", "shop"),
        ("ML_TARGET_ENCODER(ML_FEATURE_CROSS(flag, ML_QUANTILE_BUCKETIZE(a, 5) OVER (), 64)) OVER ()", "crossed"),
        ("ML_STANDARD_SCALER(ML_TARGET_ENCODER(flag) OVER ()) OVER ()", "flag"),
    ];
    let model =
        |outputs: &[_], options: &[_]| Model::new(spec(&INPUTS, outputs, &transforms, options).unwrap()).unwrap();
    let labelled = |labels| {
        let mut columns = inputs(0, 900);
        columns.push(("label", labels));
        batch(&columns)
    };
    let value = |i| label(i, 7);
    let class = |i| value(i).map(|v| ((v + 1.5) as i64).clamp(0, 2));
    let few = ("max-categories", "9");
    vec![
        (model(&[("p", Boolean)], &[few]), rows(0, 900, 7)),
        (
            model(&[("c", Int64)], &[few, ("classes", "0,1,2")]),
            labelled(column((0..900).map(class).collect::<Int64Array>())),
        ),
        (model(&[("y", Float64)], &[few]), labelled(column((0..900).map(value).collect::<Float64Array>()))),
    ]
}

#[test]
fn target_encodings_depend_on_rows_and_their_order_alone() {
    for (mut whole, rows) in encoded() {
        let fresh = whole.save();
        let expected = whole.learn_predict(&rows).unwrap();
        for size in [1, 7, 500] {
            let mut model = Model::load(&fresh).unwrap();
            let mut apart = Model::load(&fresh).unwrap();
            for (i, part) in cut(&rows, size).iter().enumerate() {
                let found = model.learn_predict(part).unwrap();
                assert_eq!(found, expected.slice(i * size, part.num_rows()), "in batches of {size}");
                if size == 1 {
                    assert_eq!(apart.predict(part).unwrap(), found);
                }
                apart.learn(part).unwrap();
                // Saved and loaded in between.
                model = Model::load(&model.save()).unwrap();
            }
            assert!(model.save() == whole.save() && apart.save() == whole.save(), "in batches of {size}");
        }
    }
}

#[test]
fn corrupt_tallies_do_not_panic() {
    use tidegate_ml::snapshot::{open, seal};
    for (mut model, rows) in encoded() {
        model.learn(&rows).unwrap();
        let payload = open("model", 1, &model.save()).unwrap().to_vec();
        for at in (0..payload.len()).step_by(1 + payload.len() / 700) {
            for bit in [0, 3, 7] {
                let mut flipped = payload.clone();
                flipped[at] ^= 1 << bit;
                if let Ok(mut model) = Model::load(&seal("model", 1, &flipped)) {
                    let _ = model.predict(&rows.slice(0, 30));
                    let _ = model.learn_predict(&rows.slice(0, 30));
                    let _ = model.save();
                }
            }
        }
    }
}

#[test]
fn counts_and_shares_grow_row_by_row() {
    let items = [("ML_COUNT_ENCODER(s) OVER ()", "count"), ("ML_FREQUENCY_ENCODER(s) OVER ()", "share")];
    let mut pipeline = pipeline(&[("s", Utf8)], &items).unwrap();
    let (before, after) = learn(&mut pipeline, &texts(&[Some("a"), None, Some("a"), Some("b")]));
    assert_eq!(dense(&before), [[0.0, 0.0], [0.0, 0.0], [1.0, 0.5], [0.0, 0.0]]);
    assert_eq!(dense(&after), [[1.0, 1.0], [1.0, 0.5], [2.0, 2.0 / 3.0], [1.0, 0.25]]);
    let then = apply(&pipeline, &texts(&[Some("a"), Some("b"), None, Some("z")]));
    assert_eq!(dense(&then), [[2.0, 0.5], [1.0, 0.25], [1.0, 0.25], [0.0, 0.0]]);

    let mut of_numbers = crate::declared::pipeline(&[("x", Float64)], &[("ML_COUNT_ENCODER(x) OVER ()", "x")]).unwrap();
    let x = batch(&[("x", column(Float64Array::from(vec![Some(0.0), Some(-0.0), None, Some(2.0)])))]);
    learn(&mut of_numbers, &x);
    assert_eq!(dense(&apply(&of_numbers, &x)).concat(), [2.0, 2.0, 1.0, 1.0]);
}

#[test]
fn quantile_buckets_are_scikit_learns() {
    let reference = reference();
    let x: Vec<Option<f64>> = numbers(&reference["x"]).concat().into_iter().map(Some).chain([None]).collect();
    let x = batch(&[("x", column(Float64Array::from(x)))]);
    let items = [(
        "ML_ORDINAL_ENCODER(ML_QUANTILE_BUCKETIZE(x, 5) OVER (), ['bin_1', 'bin_2', 'bin_3', 'bin_4', 'bin_5'])",
        "x",
    )];
    let mut pipeline = pipeline(&[("x", Float64)], &items).unwrap();
    learn(&mut pipeline, &x);
    let found = dense(&apply(&pipeline, &x)).concat();
    assert_eq!(found[..60], numbers(&reference["bins"]).concat());
    assert_eq!(found[60], -1.0, "a missing value is in none of them");
}

#[test]
fn quantile_buckets_hold_as_many_rows_each() {
    // The first of them is met before there are splits.
    let items = [("ML_QUANTILE_BUCKETIZE(x, 10) OVER ()", "x")];
    let mut pipeline = pipeline(&[("x", Float64)], &items).unwrap();
    let x: Float64Array = (0..50_000).map(|i| Some(-noise(i).ln())).collect();
    let x = batch(&[("x", column(x))]);
    let (before, _) = learn(&mut pipeline, &x);
    assert_eq!(sparse(&pipeline, &before)[0], "x=bin_1:1");
    let mut counts = BTreeMap::new();
    for bucket in sparse(&pipeline, &apply(&pipeline, &x)) {
        *counts.entry(bucket).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 10);
    // A rank is within .005 and what has come since the last renewal.
    assert!(counts.values().all(|count| (4_000..=6_000).contains(count)), "{counts:?}");
}

#[test]
fn crosses_are_missing_with_any_part_and_differ_with_any() {
    let items = [("ML_FEATURE_CROSS(s, x, f, 4096)", "c")];
    let found = pipeline(&[("s", Utf8), ("x", Float64), ("f", Boolean)], &items).unwrap();
    let rows = batch(&[
        ("s", column(StringArray::from(vec![Some("a"), Some("a"), Some("b"), None, Some("a"), Some("a")]))),
        ("x", column(Float64Array::from(vec![Some(1.0), Some(2.0), Some(1.0), Some(1.0), None, Some(1.0)]))),
        ("f", column(BooleanArray::from(vec![true, true, true, true, true, false]))),
    ]);
    let block = apply(&found, &rows);
    let entries: Vec<usize> = (0..6).map(|row| block.row(row).indices.len()).collect();
    assert_eq!((entries, found.sparse_count()), (vec![1, 1, 1, 0, 0, 1], 4096));
    let mut buckets = block.indices.clone();
    buckets.sort_unstable();
    buckets.dedup();
    assert_eq!(buckets.len(), 4);
    // A cross with itself nests, is hashed, and is encoded.
    let items = [
        ("ML_FEATURE_HASHER(ML_FEATURE_CROSS(s, f), 512)", "hashed"),
        ("ML_ONE_HOT_ENCODER(ML_FEATURE_CROSS(ML_FEATURE_CROSS(s, f), x)) OVER ()", "encoded"),
    ];
    let mut nested = pipeline(&[("s", Utf8), ("x", Float64), ("f", Boolean)], &items).unwrap();
    let (_, after) = learn(&mut nested, &rows);
    let entries: Vec<usize> = (0..6).map(|row| after.row(row).indices.len()).collect();
    assert_eq!((entries, nested.sparse_count()), (vec![2, 2, 2, 0, 1, 2], 512 + 4));
}

#[test]
fn hours_go_round() {
    let hours =
        batch(&[("h", column(Float64Array::from(vec![Some(0.0), Some(6.0), Some(12.0), Some(42.0), Some(-6.0)])))]);
    let found = pipeline(&[("h", Float64)], &[("ML_CYCLICAL(h, 24)", "h")]).unwrap();
    let expected = [[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [-1.0, 0.0], [-1.0, 0.0]].map(|pair| pair.to_vec());
    for (found, expected) in dense(&apply(&found, &hours)).iter().zip(&expected) {
        assert!(
            (found[0] - expected[0]).abs() < 1e-15 && (found[1] - expected[1]).abs() < 1e-15,
            "{found:?} {expected:?}"
        );
    }
    let names: Vec<String> = found.dense_features().map(|feature| feature.processed_input).collect();
    assert_eq!(names, ["h_1", "h_2"]);
}

/// Each row's values, ascending.
fn values(block: &Block) -> Vec<Vec<f64>> {
    let row = |row| {
        let mut values = block.row(row).values.to_vec();
        values.sort_by(f64::total_cmp);
        values
    };
    (0..block.rows()).map(row).collect()
}

/// With so many buckets each of a few words has one of its own, so that values are those of a vocabulary.
#[test]
fn words_are_weighed_as_by_scikit_learn() {
    let reference = reference();
    let rows: Vec<Option<&str>> = reference["text"].iter().map(|row| Some(row[0])).collect();
    let rows = texts(&rows);
    for ngrams in [1, 2] {
        let item = format!("ML_BAG_OF_WORDS(s, 1048576, {ngrams})");
        let counts = pipeline(&[("s", Utf8)], &[(&item, "s")]).unwrap();
        let filled = |case: &str| {
            let mut table = numbers(&reference[case]);
            table.resize(rows.num_rows(), Vec::new());
            table
        };
        assert_near("counts", &values(&apply(&counts, &rows)), &filled(&format!("counts_{ngrams}")));
        for (norm, case) in [("l1", "l1"), ("l2", "l2"), ("none", "None")] {
            let item = format!("ML_TF_IDF(s, 1048576, {ngrams}, '{norm}') OVER ()");
            let mut weights = pipeline(&[("s", Utf8)], &[(&item, "s")]).unwrap();
            learn(&mut weights, &rows);
            let case = format!("tfidf_{ngrams}_{case}");
            assert_near(&case, &values(&apply(&weights, &rows)), &filled(&case));
        }
    }
    let mut weights = pipeline(&[("s", Utf8)], &[("ML_TF_IDF(s, 1048576) OVER ()", "s")]).unwrap();
    learn(&mut weights, &rows);
    let block = apply(&weights, &rows);
    for word in ["tide", "été"] {
        // The bucket of a word, as documented: the upper bits of its hash.
        let bucket = (((hash_text(word) >> 32) * 1_048_576) >> 32) as u32;
        let of_row = |row| {
            let row = block.row(row);
            vec![row.indices.iter().position(|index| *index == bucket).map_or(0.0, |at| row.values[at])]
        };
        let found: Vec<Vec<f64>> = (0..block.rows()).map(of_row).collect();
        assert_near(word, &found, &numbers(&reference[&*format!("tfidf_{word}")]));
    }
}

#[test]
fn a_text_is_weighed_by_the_texts_before_it_then_with_itself() {
    let mut pipeline = pipeline(&[("s", Utf8)], &[("ML_TF_IDF(s, 1024, 1, 'none') OVER ()", "s")]).unwrap();
    let rows = texts(&[Some("tide tide"), None, Some("tide")]);
    let (before, after) = learn(&mut pipeline, &rows);
    // 2 (ln(1/1) + 1), then ln(3/2) + 1: two texts, one of which has it. After: 2 (ln(2/2) + 1), ln(4/3) + 1.
    assert_eq!(before.values, [2.0, 1.5f64.ln() + 1.0]);
    assert_eq!(after.values, [2.0, (4.0 / 3.0f64).ln() + 1.0]);
    assert_eq!((before.offsets, after.offsets), (vec![0, 1, 1, 2], vec![0, 1, 1, 2]));
}

#[test]
fn models_of_words_learn() {
    let mut model = binary(&[("s", Utf8)], &[("ML_TF_IDF(s, 4096) OVER ()", "s")], &[("learning_rate", "0.5")]);
    let subjects =
        [("tide and water", true), ("gate of iron", false), ("water over sand", true), ("iron and rust", false)];
    let rows = texts(&subjects.iter().cycle().take(400).map(|(text, _)| Some(*text)).collect::<Vec<_>>());
    let labels: BooleanArray = subjects.iter().cycle().take(400).map(|(_, label)| Some(*label)).collect();
    let all = batch(&[("s", rows.column(0).clone()), ("label", column(labels))]);
    for part in cut(&all, 64) {
        model.learn(&part).unwrap();
    }
    let found = model.predict(&texts(&[Some("water"), Some("rust, iron"), Some("unseen")])).unwrap();
    let p: Vec<f64> = found.column(1).as_primitive::<Float64Type>().values().to_vec();
    assert!(p[0] > 0.9 && p[1] < 0.1 && p[2] > p[1] && p[2] < p[0], "{p:?}");
    assert_eq!(bits(&found, 1).len(), found.column(1).len());
}
