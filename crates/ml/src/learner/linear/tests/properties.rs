//! Laws that hold for any rows.

use proptest::prelude::*;

use super::*;

/// Some rows, each with its target and its weight.
type Rows = Vec<(Features, (f64, f64))>;

/// Up to 60 rows of 9 dense and 0 to 3 sparse features, targets 0 to 3, and weights.
fn rows() -> impl Strategy<Value = Rows> {
    let sparse = prop::collection::vec((0u32..12, -2.0..2.0f64), 0..4);
    let row = (prop::collection::vec(-3.0..3.0f64, 9), sparse);
    let target = (0..4u8, 0..3u8).prop_map(|(target, weight)| (f64::from(target), [1.0, 0.5, 3.0][weight as usize]));
    prop::collection::vec((row, target), 1..60)
}

/// Learners of each kind of code: losses, optimizers, penalties, schedules, shapes.
fn learner(which: usize) -> (Box<dyn Learner>, Shape) {
    let (binary, number, three) = (Shape::Binary, Shape::Number, Shape::Classes { classes: 0 });
    let (algorithm, options, shape): (_, &[(&str, &str)], _) = match which {
        0 => ("logistic_regression", &[], binary),
        1 => ("logistic_regression", &[("optimizer", "adam"), ("class_weight", "balanced")], binary),
        2 => ("logistic_regression", &[("optimizer", "ftrl"), ("l1", "0.1")], binary),
        3 => ("logistic_regression", &[("l1", "0.01"), ("l2", "0.1")], binary),
        4 => ("linear_svm", &[("learning_rate_schedule", "optimal")], binary),
        5 => ("linear_regression", &[("loss", "poisson"), ("optimizer", "nesterov")], number),
        6 => ("linear_regression", &[("learning_rate_schedule", "inverse_scaling"), ("optimizer", "rmsprop")], number),
        7 => ("passive_aggressive", &[], number),
        8 => ("logistic_regression", &[("optimizer", "adagrad"), ("l2", "0.01"), ("l1", "0.01")], three),
        9 => ("logistic_regression", &[("optimizer", "momentum"), ("class_weight", "balanced")], three),
        10 => ("perceptron", &[("initial_intercept", "0.5"), ("optimizer", "ftrl")], three),
        11 => ("passive_aggressive", &[("variant", "pa-ii")], three),
        12 => ("no_change", &[], three),
        13 => ("majority_class", &[], three),
        14 => ("mean", &[], number),
        // A penalty so great that the account of what is owed must often begin anew.
        _ => ("logistic_regression", &[("l1", "0.01"), ("l2", "99.99999999")], binary),
    };
    (make(algorithm, options, shape), shape)
}

const LEARNERS_TRIED: usize = 16;

/// Learns and predicts in batches, telling classes as they are met. Scores are padded to 4 a row with 0.
fn run(learner: &mut dyn Learner, shape: Shape, rows: &Rows, batch: usize) -> Vec<f64> {
    let mut all = Vec::new();
    for rows in rows.chunks(batch) {
        let x = block(&rows.iter().map(|row| row.0.clone()).collect::<Vec<_>>());
        let y: Vec<f64> = match shape {
            Shape::Binary => rows.iter().map(|row| f64::from(u8::from(row.1.0 > 1.0))).collect(),
            _ => rows.iter().map(|row| row.1.0).collect(),
        };
        let weights: Vec<f64> = rows.iter().map(|row| row.1.1).collect();
        let known = y.iter().fold(0.0, |known: f64, y| known.max(y + 1.0)) as usize;
        learner.set_classes(known);
        let mut scores = Vec::new();
        learner.learn_predict(&x, &x, &y, &weights, &mut scores);
        let width = scores.len() / rows.len();
        for row in scores.chunks(width) {
            all.extend((0..4).map(|class| row.get(class).copied().unwrap_or(0.0)));
        }
    }
    all
}

/// To the bit.
fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Row by row, in sevens, or all at once: the same scores and the same state, to the bit.
    #[test]
    fn batch_size_does_not_matter(rows in rows()) {
        for which in 0..LEARNERS_TRIED {
            let (mut whole, shape) = learner(which);
            let scores = run(whole.as_mut(), shape, &rows, 8192);
            for batch in [1, 7] {
                let (mut parts, _) = learner(which);
                let of_parts = run(parts.as_mut(), shape, &rows, batch);
                prop_assert_eq!(bits(&of_parts), bits(&scores), "learner {} in batches of {}", which, batch);
                prop_assert!(parts.save() == whole.save(), "learner {} in batches of {}", which, batch);
            }
        }
    }

    /// Predicting then learning is learn_predict, and two equal blocks are as good as one given twice.
    #[test]
    fn learn_predict_is_predict_then_learn(rows in rows()) {
        for which in 0..LEARNERS_TRIED {
            let (mut together, shape) = learner(which);
            let (mut apart, _) = learner(which);
            let (mut twice, _) = learner(which);
            for learner in [&mut together, &mut apart, &mut twice] {
                learner.set_classes(4);
            }
            for row in &rows {
                let x = block(std::slice::from_ref(&row.0));
                let y = [if shape == Shape::Binary { f64::from(u8::from(row.1.0 > 1.0)) } else { row.1.0 }];
                let [mut a, mut b, mut c] = [(); 3].map(|()| Vec::new());
                together.learn_predict(&x, &x, &y, &[row.1.1], &mut a);
                apart.predict(&x, &mut b);
                apart.learn(&x, &y, &[row.1.1]);
                twice.learn_predict(&x.clone(), &x, &y, &[row.1.1], &mut c);
                prop_assert_eq!(bits(&a), bits(&b), "learner {}", which);
                prop_assert_eq!(bits(&a), bits(&c), "learner {}", which);
            }
            prop_assert!(together.save() == apart.save() && together.save() == twice.save(), "learner {}", which);
        }
    }

    /// A learner that was saved and loaded goes on as if nothing had been.
    #[test]
    fn saved_learners_continue(rows in rows(), at in 0..60usize) {
        let (first, second) = rows.split_at(at.min(rows.len()));
        let (first, second) = (first.to_vec(), second.to_vec());
        for which in 0..LEARNERS_TRIED {
            let (mut straight, shape) = learner(which);
            run(straight.as_mut(), shape, &first, 7);
            let saved = straight.save();
            let (mut resumed, _) = learner(which);
            resumed.load(&saved).unwrap();
            prop_assert!(resumed.save() == saved);
            prop_assert_eq!(bits(&flat(resumed.as_ref())), bits(&flat(straight.as_ref())));
            // The model tells the classes again when it loads.
            let known = first.iter().fold(0.0, |known: f64, row| known.max(row.1.0 + 1.0)) as usize;
            resumed.set_classes(known);
            let (a, b) = (run(straight.as_mut(), shape, &second, 7), run(resumed.as_mut(), shape, &second, 7));
            prop_assert_eq!(bits(&a), bits(&b), "learner {}", which);
            prop_assert!(straight.save() == resumed.save(), "learner {}", which);
        }
    }

    /// A class weight is the weight of its rows.
    #[test]
    fn class_weights_are_row_weights(rows in rows()) {
        for (algorithm, shape) in [("logistic_regression", Shape::Binary), ("linear_svm", Shape::Classes { classes: 0 })] {
            let by_class = [0.5, 2.0, 0.0, 1.0];
            let mut weighted: Rows = rows.clone();
            for row in &mut weighted {
                let class = if shape == Shape::Binary { usize::from(row.1.0 > 1.0) } else { row.1.0 as usize };
                row.1.1 *= by_class[class];
            }
            let mut by_row = make(algorithm, &[], shape);
            let mut by_class = make(algorithm, &[("class_weight", "0:0.5, 1:2, 2:0")], shape);
            run(by_row.as_mut(), shape, &weighted, 7);
            run(by_class.as_mut(), shape, &rows, 7);
            prop_assert!(by_row.save() == by_class.save());
        }
    }

    /// Plain gradient descent: a weight for all rows is a factor of the rate. (It is not as if rows came twice.)
    #[test]
    fn a_weight_for_all_is_a_rate(rows in rows()) {
        let with_weight = |weight: f64| {
            let mut rows = rows.clone();
            rows.iter_mut().for_each(|row| row.1.1 = weight);
            rows
        };
        let mut weighted = make("logistic_regression", &[("learning_rate", "0.125")], Shape::Binary);
        let mut faster = make("logistic_regression", &[("learning_rate", "0.25")], Shape::Binary);
        run(weighted.as_mut(), Shape::Binary, &with_weight(2.0), 7);
        run(faster.as_mut(), Shape::Binary, &with_weight(1.0), 7);
        prop_assert!(weighted.save() == faster.save());
    }

    /// Where it is true that weight 2 is coming twice: counts and sums.
    #[test]
    fn baselines_count_weights(rows in rows()) {
        for (algorithm, shape) in [("majority_class", Shape::Classes { classes: 4 }), ("mean", Shape::Number)] {
            let mut double = rows.clone();
            double.iter_mut().for_each(|row| row.1.1 = 2.0);
            let mut single = rows.clone();
            single.iter_mut().for_each(|row| row.1.1 = 1.0);
            let twice: Rows = single.iter().flat_map(|row| [row.clone(), row.clone()]).collect();
            let (mut a, mut b) = (make(algorithm, &[], shape), make(algorithm, &[], shape));
            run(a.as_mut(), shape, &double, 7);
            run(b.as_mut(), shape, &twice, 7);
            prop_assert!(a.save() == b.save());
        }
    }

    /// Parameter mixing: the weights are the mean by rows, whatever is owed to penalties; classes and counts come together.
    #[test]
    fn merged_weights_are_the_mean(rows in rows(), at in 1..59usize) {
        let (first, second) = rows.split_at(at.min(rows.len()));
        let parts = [first.to_vec(), second.to_vec()];
        for which in (0..12).chain([15]) {
            let shape = learner(which).1;
            let learners = parts.clone().map(|rows| {
                let mut learner = learner(which).0;
                run(learner.as_mut(), shape, &rows, 7);
                learner
            });
            let [mut merged, other] = learners;
            let weights = [merged.weights(), other.weights()];
            merged.merge(&[&other.save()]).unwrap();
            let size = weights.iter().flatten().flat_map(|w| w.dense.iter().chain(&w.sparse).chain([&w.intercept]));
            let size = size.fold(1.0, |size: f64, weight| size.max(weight.abs()));
            // A class not met has the weights that it would begin with.
            let intercept = if which == 10 { 0.5 } else { 0.0 };
            let unmet = crate::learner::Weights { intercept, ..Default::default() };
            let share = parts[0].len() as f64 / rows.len() as f64;
            let of = |part: usize, class: usize, pick: &dyn Fn(&crate::learner::Weights) -> f64| {
                pick(weights[part].get(class).unwrap_or(&unmet))
            };
            for (class, mean) in merged.weights().iter().enumerate() {
                let near = |mean: f64, pick: &dyn Fn(&crate::learner::Weights) -> f64| {
                    (mean - (share * of(0, class, pick) + (1.0 - share) * of(1, class, pick))).abs() < 1e-12 * size
                };
                for (i, &mean) in mean.dense.iter().enumerate() {
                    prop_assert!(near(mean, &|w| w.dense.get(i).copied().unwrap_or(0.0)), "dense of {}", which);
                }
                for (i, &mean) in mean.sparse.iter().enumerate() {
                    prop_assert!(near(mean, &|w| w.sparse.get(i).copied().unwrap_or(0.0)), "sparse of {}", which);
                }
                prop_assert!(near(mean.intercept, &|w| w.intercept), "intercept of {}", which);
            }
            prop_assert_eq!(merged.weights().len(), weights[0].len().max(weights[1].len()));
            // And it learns on.
            run(merged.as_mut(), shape, &rows, 7);
            prop_assert!(flat(merged.as_ref()).iter().all(|weight| weight.is_finite()));
        }
    }

    /// Renumbered features keep their weights, and go on learning as before.
    #[test]
    fn renumbered_features_keep_their_weights(rows in rows()) {
        // Feature 3 is gone; the others turn around.
        let numbers: Vec<u32> = (0..12).map(|i| if i == 3 { u32::MAX } else { 14 - i }).collect();
        let mut rows = rows.clone();
        rows.iter_mut().for_each(|row| row.0.1.retain(|entry| entry.0 != 3));
        let mut turned = rows.clone();
        turned.iter_mut().flat_map(|row| &mut row.0.1).for_each(|entry| entry.0 = numbers[entry.0 as usize]);
        for which in (0..12).chain([15]) {
            let (mut plain, shape) = learner(which);
            let (mut moved, _) = learner(which);
            run(plain.as_mut(), shape, &rows, 7);
            run(moved.as_mut(), shape, &rows, 7);
            moved.renumber(&numbers).unwrap();
            let (a, b) = (run(plain.as_mut(), shape, &rows, 7), run(moved.as_mut(), shape, &turned, 7));
            prop_assert_eq!(bits(&a), bits(&b), "learner {}", which);
            for (plain, moved) in plain.weights().iter().zip(&moved.weights()) {
                for (i, weight) in plain.sparse.iter().enumerate().filter(|(i, _)| *i != 3) {
                    prop_assert_eq!(moved.sparse.get(14 - i).copied().unwrap_or(0.0), *weight);
                }
            }
        }
    }

    /// Baselines merge exactly.
    #[test]
    fn merged_baselines_have_seen_all(rows in rows(), at in 1..59usize) {
        let (first, second) = rows.split_at(at.min(rows.len()));
        for (algorithm, shape) in
            [("no_change", Shape::Number), ("majority_class", Shape::Classes { classes: 4 }), ("mean", Shape::Number)]
        {
            let [mut whole, mut a, mut b] = [(); 3].map(|()| make(algorithm, &[], shape));
            run(whole.as_mut(), shape, &rows, 7);
            run(a.as_mut(), shape, &first.to_vec(), 7);
            run(b.as_mut(), shape, &second.to_vec(), 7);
            a.merge(&[&b.save()]).unwrap();
            prop_assert!(a.save() == whole.save(), "{}", algorithm);
        }
    }
}
