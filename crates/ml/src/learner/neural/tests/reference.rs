//! Against formulas in numpy (`tests/reference/mlp.py` makes both files), and gradients against differences.

use super::super::product::LANES;
use super::*;

const ROWS: &str = include_str!("../../../../tests/reference/mlp_rows.csv");
const WEIGHTS: &str = include_str!("../../../../tests/reference/mlp_weights.csv");

/// Column `name` of the rows.
fn column(name: &str) -> Vec<f64> {
    let index = ROWS.lines().next().unwrap().split(',').position(|column| column == name).unwrap();
    ROWS.lines().skip(1).map(|line| line.split(',').nth(index).unwrap().parse().unwrap()).collect()
}

fn features() -> Block {
    let columns = ["x0", "x1", "x2"].map(column);
    block(&(0..columns[0].len()).map(|row| columns.iter().map(|column| column[row]).collect()).collect::<Vec<_>>())
}

fn shape_of(target: &str) -> Shape {
    match target {
        "binary" => Shape::Binary,
        "three" => Shape::Classes { classes: 3 },
        _ => Shape::Number,
    }
}

/// How many units each parameter of a learner of numbers has a row: layer after layer.
fn widths(hidden: &str, layer_norm: bool, outputs: usize) -> Vec<usize> {
    let hidden: Vec<usize> = hidden.split(',').map(|size| size.parse().unwrap()).collect();
    let of_hidden = hidden.iter().flat_map(|size| vec![*size; if layer_norm { 4 } else { 2 }]);
    of_hidden.chain([outputs; 2]).collect()
}

#[test]
fn weights_agree_with_numpy() {
    let x = features();
    let (mut cases, mut worst) = (0, 0f64);
    for line in WEIGHTS.lines().skip(1) {
        let mut fields = line.split(',');
        let [target, options] = [(); 2].map(|()| fields.next().unwrap());
        let weights: Vec<f64> = fields.map(|weight| weight.parse().unwrap()).collect();
        let (first, last) = weights.split_at(weights.len() / 2);
        let options = options.replace('|', ",");
        let mut options: Vec<_> = options.split_whitespace().map(|pair| pair.split_once('=').unwrap()).collect();
        options.push(("batch_size", "8"));
        let shape = shape_of(target);
        let mut learner = make(&options, shape, &[FeatureKind::Number; 3]);
        let outputs = if target == "three" { 3 } else { 1 };
        let widths = widths(options[0].1, options.contains(&("layer_norm", "true")), outputs);

        let mut given = first.iter();
        for (parameter, width) in learner.parameters().into_iter().zip(&widths) {
            for row in parameter.values.chunks_exact_mut(width.next_multiple_of(LANES)) {
                row[..*width].iter_mut().for_each(|value| *value = *given.next().unwrap() as f32);
            }
        }
        assert!(given.next().is_none(), "{line}");
        learner.learn(&x, &column(target), &[]);
        let mut expected = last.iter();
        for (parameter, width) in learner.parameters().into_iter().zip(&widths) {
            for row in parameter.values.chunks_exact(width.next_multiple_of(LANES)) {
                for value in &row[..*width] {
                    let expected = expected.next().unwrap();
                    let error = (f64::from(*value) - expected).abs();
                    assert!(error < 2e-5, "{target} {options:?}: {value}, not {expected}");
                    worst = worst.max(error);
                }
                assert!(row[*width..].iter().all(|value| *value == 0.0), "what is behind the last unit stays 0");
            }
        }
        cases += 1;
    }
    assert!(cases >= 25, "only {cases} cases");
    assert!(worst < 5e-6, "agreement is worse than it was: {worst}");
}

/// Each gradient against what the loss does when its weight is moved a little, embeddings among them.
#[test]
fn gradients_agree_with_differences() {
    let kinds = [FeatureKind::Number, FeatureKind::Category, FeatureKind::Number, FeatureKind::Category];
    let row = |i: usize| {
        let category = |k: usize| if (i + k).is_multiple_of(5) { f64::NAN } else { ((i * k + 1) % 4) as f64 };
        vec![noise(i), category(3), noise(i + 100), category(2)]
    };
    let x = block(&(0..16).map(row).collect::<Vec<_>>());
    for (target, extra) in [("binary", ("l2", "0")), ("three", ("layer_norm", "true")), ("number", ("dropout", "0.3"))]
    {
        let shape = shape_of(target);
        // GELU, as ReLU has corners; a rate of 0, so that weights stay where they are.
        let options = [
            ("hidden_layers", "7,5"),
            ("embedding_size", "3"),
            ("batch_size", "16"),
            ("learning_rate", "0"),
            ("clip_gradient", "1e9"),
            ("activation", "gelu"),
            extra,
        ];
        let y: Vec<f64> = match shape {
            Shape::Binary => (0..16).map(|i| f64::from(u8::from(noise(i + 7) > 0.0))).collect(),
            Shape::Classes { .. } => (0..16).map(|i| (i % 3) as f64).collect(),
            Shape::Number | Shape::Unlabelled => (0..16).map(|i| noise(i + 9) * 2.0).collect(),
        };
        let weights: Vec<f64> = (0..16).map(|i| [1.0, 0.5, 2.0][i % 3]).collect();
        let mut learner = make(&options, shape, &kinds);
        // Embeddings are there from the first step on.
        learner.learn(&x, &y, &weights);
        let state = learner.save();
        learner.learn(&x, &y, &weights);
        let gradients = learner.gradients();
        // The same units are dropped again.
        learner.load(&state).unwrap();
        let mut checked = 0;
        for (number, gradient) in gradients.iter().enumerate() {
            for (at, slope) in gradient.iter().enumerate() {
                let start = learner.parameters()[number].values[at];
                let step = 0.01f32;
                let mut around = [1.0f32, -1.0].map(|sign| {
                    learner.parameters()[number].values[at] = start + sign * step;
                    learner.loss_of(&x, &y, &weights)
                });
                learner.parameters()[number].values[at] = start;
                around[0] -= around[1];
                let difference = around[0] / (2.0 * f64::from(step));
                if *slope != 0.0 {
                    checked += 1;
                    let error = (difference - f64::from(*slope)).abs();
                    assert!(
                        error < 2e-3 + 0.01 * difference.abs(),
                        "{target} {number} {at}: {slope}, not {difference}"
                    );
                }
            }
        }
        assert!(checked > 100, "{target}: only {checked}");
    }
}
