//! Laws that hold for any rows.

use proptest::prelude::*;

use super::*;

/// Some rows: features, target, weight.
type Rows = Vec<(Vec<f64>, f64, f64)>;

const KINDS: [FeatureKind; 4] =
    [FeatureKind::Number, FeatureKind::Category, FeatureKind::Number, FeatureKind::Category];

/// Up to 60 rows of two numbers and two categories, some of them missing; targets 0 to 3; weights, some of them 0.
fn rows() -> impl Strategy<Value = Rows> {
    let number = prop_oneof![9 => -3.0..3.0f64, 1 => Just(f64::NAN)];
    let category = prop_oneof![9 => (0..6u8).prop_map(f64::from), 1 => Just(f64::NAN)];
    let row = (number.clone(), category.clone(), number, category).prop_map(|(a, b, c, d)| vec![a, b, c, d]);
    let weight = (0..4usize).prop_map(|which| [1.0, 0.5, 3.0, 0.0][which]);
    prop::collection::vec((row, (0..4u8).prop_map(f64::from), weight), 1..60)
}

/// Learners of each kind of code.
fn learner(which: usize) -> (Mlp, Shape) {
    let (options, shape): (&[(&str, &str)], _) = match which {
        0 => (&[("hidden_layers", "9,4")], Shape::Classes { classes: 0 }),
        1 => (&[("hidden_layers", "5"), ("dropout", "0.3"), ("l2", "0.1")], Shape::Classes { classes: 2 }),
        2 => {
            (&[("hidden_layers", "3,5"), ("layer_norm", "true"), ("weight_decay", "1")], Shape::Classes { classes: 0 })
        }
        3 => (&[("hidden_layers", "17"), ("activation", "gelu"), ("max_embeddings", "3")], Shape::Binary),
        4 => (&[("hidden_layers", ""), ("optimizer", "sgd")], Shape::Binary),
        _ => (&[("hidden_layers", "4"), ("loss", "huber"), ("embedding_size", "3")], Shape::Number),
    };
    let options = [options, &[("batch_size", "8"), ("learning_rate", "0.05")]].concat();
    (make(&options, shape, &KINDS), shape)
}

const LEARNERS_TRIED: usize = 6;

/// Learns and predicts in batches, telling classes as they are met. Scores are padded to 4 a row with 0.
fn run(learner: &mut Mlp, shape: Shape, rows: &[(Vec<f64>, f64, f64)], batch: usize) -> Vec<f64> {
    let mut all = Vec::new();
    for rows in rows.chunks(batch) {
        let x = block(&rows.iter().map(|row| row.0.clone()).collect::<Vec<_>>());
        let y: Vec<f64> = match shape {
            Shape::Binary => rows.iter().map(|row| f64::from(u8::from(row.1 > 1.0))).collect(),
            _ => rows.iter().map(|row| row.1).collect(),
        };
        let weights: Vec<f64> = rows.iter().map(|row| row.2).collect();
        learner.set_classes(y.iter().fold(0.0, |known: f64, y| known.max(y + 1.0)) as usize);
        let mut scores = Vec::new();
        learner.learn_predict(&x, &x, &y, &weights, &mut scores);
        for row in scores.chunks(scores.len() / rows.len()) {
            all.extend((0..4).map(|class| row.get(class).copied().unwrap_or(0.0)));
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However rows are cut: the same scores and the same state, to the bit; also when it is saved and loaded in between.
    #[test]
    fn batches_and_snapshots_do_not_matter(rows in rows(), cut in 0..60usize) {
        for which in 0..LEARNERS_TRIED {
            let (mut whole, shape) = learner(which);
            let scores = run(&mut whole, shape, &rows, 8192);
            prop_assert!(scores.iter().all(|score| score.is_finite()));
            for batch in [1, 7, 13] {
                let (mut other, _) = learner(which);
                prop_assert_eq!(bits(&run(&mut other, shape, &rows, batch)), bits(&scores), "learner {}", which);
                prop_assert!(other.save() == whole.save());
            }
            let (first, second) = rows.split_at(cut.min(rows.len()));
            let (mut before, _) = learner(which);
            let mut found = run(&mut before, shape, first, 5);
            let (mut after, _) = learner(which);
            after.load(&before.save()).unwrap();
            prop_assert!(after.save() == before.save());
            found.extend(run(&mut after, shape, second, 5));
            prop_assert_eq!(bits(&found), bits(&scores), "learner {}", which);
            prop_assert!(after.save() == whole.save());
        }
    }

    /// Rows are predicted one by one as they are together.
    #[test]
    fn blocks_are_predicted_as_their_rows(rows in rows()) {
        for which in 0..LEARNERS_TRIED {
            let (mut learner, shape) = learner(which);
            run(&mut learner, shape, &rows, 8192);
            let features: Vec<_> = rows.iter().map(|row| row.0.clone()).collect();
            let (mut together, mut alone) = (Vec::new(), Vec::new());
            learner.predict(&block(&features), &mut together);
            features.iter().for_each(|row| learner.predict(&block(std::slice::from_ref(row)), &mut alone));
            prop_assert_eq!(bits(&together), bits(&alone));
        }
    }

    /// Rows of weight 0 are no rows.
    #[test]
    fn rows_of_no_weight_are_no_rows(rows in rows()) {
        let without: Rows = rows.iter().filter(|row| row.2 > 0.0).cloned().collect();
        for which in 0..LEARNERS_TRIED {
            let ((mut with, shape), (mut clean, _)) = (learner(which), learner(which));
            run(&mut with, shape, &rows, 8192);
            with.set_classes(4);
            run(&mut clean, shape, &without, 8192);
            clean.set_classes(4);
            prop_assert!(with.save() == clean.save());
        }
    }

    /// A class is the same by any number, and a category but for what it starts from.
    #[test]
    fn numbers_of_classes_do_not_matter(rows in rows()) {
        let (mut learner, shape) = learner(0);
        run(&mut learner, shape, &rows, 8192);
        learner.set_classes(4);
        let features = block(&rows.iter().map(|row| row.0.clone()).collect::<Vec<_>>());
        let (mut before, mut after) = (Vec::new(), Vec::new());
        learner.predict(&features, &mut before);
        let state = learner.save();
        learner.renumber_classes(&[2, 0, 3, 1], 4).unwrap();
        learner.predict(&features, &mut after);
        for (before, after) in before.chunks(4).zip(after.chunks(4)) {
            // The sum of the softmax is taken in another order.
            [2, 0, 3, 1].iter().zip(before).for_each(|(i, p): (&usize, _)| assert!((after[*i] - p).abs() < 1e-12));
        }
        learner.renumber_classes(&[1, 3, 0, 2], 4).unwrap();
        learner.renumber_categories(1, &[0, 1, 2, 3, 4, 5]).unwrap();
        prop_assert!(learner.save() == state);
    }
}

/// Replicas that learned nothing change nothing; one that learned all is the result.
#[test]
fn replicas_count_by_rows_since() {
    for which in 0..LEARNERS_TRIED {
        let (mut common, shape) = learner(which);
        let row = |i: usize| (vec![noise(i), (i % 3) as f64, noise(i + 50), (i % 5) as f64], (i % 4) as f64, 1.0);
        run(&mut common, shape, &(0..32).map(row).collect::<Vec<_>>(), 32);
        let state = common.save();
        common.merge_since(&[&state, &state]).unwrap();
        assert!(common.save() == state);
        let (mut replica, _) = learner(which);
        replica.load(&state).unwrap();
        run(&mut replica, shape, &(32..64).map(row).collect::<Vec<_>>(), 32);
        common.merge_since(&[&state, &replica.save()]).unwrap();
        assert!(common.save() == replica.save(), "learner {which}");
        // And an average of equals is as they are, but for the count of rows.
        let (features, mut one, mut two) = (block(&[row(7).0]), Vec::new(), Vec::new());
        common.predict(&features, &mut one);
        let state = common.save();
        common.merge(&[&state]).unwrap();
        common.predict(&features, &mut two);
        one.iter().zip(&two).for_each(|(one, two)| assert!((one - two).abs() < 1e-6));
    }
}
