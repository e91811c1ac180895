//! Shapley values by their definition, over all sets of features; shap's on scikit-learn's trees, which `tests/reference/shap_trees.py`
//! has written.

use proptest::prelude::*;

use super::tree::{Leaf, Part, Question, Scratch, ShapTree, Term};

/// Is the feature at most some number: then the first of two branches. Or a branch each of some categories.
#[derive(Debug, Clone, Copy)]
struct Asked {
    feature: u32,
    threshold: f64,
    branches: u32,
}

impl Question for Asked {
    fn feature(&self) -> u32 {
        self.feature
    }

    fn branches(&self) -> u32 {
        self.branches
    }

    fn branch(&self, x: &[f64]) -> u32 {
        let value = x[self.feature as usize];
        match self.branches {
            2 => u32::from(value > self.threshold),
            many => (value.abs() * 10.0) as u32 % many,
        }
    }
}

fn leaf(value: f64, cover: f64) -> Part<Asked> {
    Part::Leaf(Leaf { values: [value].into(), terms: Box::default(), cover })
}

fn ask(feature: u32, threshold: f64, first: u32) -> Part<Asked> {
    Part::Split(Asked { feature, threshold, branches: 2 }, first)
}

/// The weight of the rows that came to a node.
fn cover(parts: &[Part<Asked>], node: usize) -> f64 {
    match &parts[node] {
        Part::Leaf(leaf) => leaf.cover,
        Part::Split(asked, first) => (0..asked.branches).map(|branch| cover(parts, (first + branch) as usize)).sum(),
    }
}

/// What is expected where only the features in a set are known.
fn expected(parts: &[Part<Asked>], node: usize, x: &[f64], known: u32) -> f64 {
    match &parts[node] {
        Part::Leaf(leaf) => {
            let terms = leaf.terms.iter().filter(|term| known >> term.feature & 1 == 1);
            leaf.values[0]
                + terms
                    .map(|term| term.weight * (x[term.feature as usize] - term.mean).clamp(-term.most, term.most))
                    .sum::<f64>()
        }
        Part::Split(asked, first) if known >> asked.feature & 1 == 1 => {
            expected(parts, (first + asked.branch(x)) as usize, x, known)
        }
        Part::Split(asked, first) => {
            let branches = (0..asked.branches).map(|branch| (first + branch) as usize);
            let all = cover(parts, node);
            let share = |branch| if all > 0.0 { cover(parts, branch) / all } else { 1.0 / f64::from(asked.branches) };
            branches.map(|branch| share(branch) * expected(parts, branch, x, known)).sum()
        }
    }
}

/// Shapley values by the definition.
fn by_definition(parts: &[Part<Asked>], x: &[f64]) -> Vec<f64> {
    let n = x.len() as u32;
    let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
    let value = |feature: u32| {
        let others = (0..1u32 << n).filter(|set| set >> feature & 1 == 0);
        let gain = |set: u32| expected(parts, 0, x, set | 1 << feature) - expected(parts, 0, x, set);
        let weight = |set: u32| factorial(set.count_ones()) * factorial(n - 1 - set.count_ones()) / factorial(n);
        others.map(|set| weight(set) * gain(set)).sum()
    };
    (0..n).map(value).collect()
}

fn by_tree(parts: &[Part<Asked>], x: &[f64]) -> (f64, Vec<f64>, f64) {
    let tree = ShapTree::new(parts.to_vec());
    let mut values = vec![0.0; x.len()];
    let mut scratch = Scratch::default();
    // Buffers that have been used make no difference.
    for _ in 0..2 {
        values.fill(0.0);
        tree.add(x, 0, 1.0, &mut scratch, &mut values);
    }
    (tree.mean(0), values, tree.value(x, 0))
}

#[test]
fn an_and_of_two_features_is_divided_evenly() {
    // Says 1 where both are above 0, which a quarter of the rows are. Known to be: 1 − ¼ is due to both alike.
    let parts = [ask(0, 0.0, 1), leaf(0.0, 2.0), ask(1, 0.0, 3), leaf(0.0, 1.0), leaf(1.0, 1.0)];
    let (mean, values, value) = by_tree(&parts, &[1.0, 1.0]);
    assert_eq!((mean, value), (0.25, 1.0));
    assert!(values.iter().all(|value| (value - 0.375).abs() < 1e-15), "{values:?}");
    // Of a row that fails by the first feature the second has done harm by no more than 0, and good by no more than ¼: known alone
    // it makes ¼ to ½.
    let (_, values, value) = by_tree(&parts, &[-1.0, 1.0]);
    assert_eq!(value, 0.0);
    assert!((values[0] + 0.375).abs() < 1e-15 && (values[1] - 0.125).abs() < 1e-15, "{values:?}");
}

#[test]
fn a_linear_leaf_is_explained_as_a_linear_model() {
    let term = |feature, weight, mean| Term { feature, weight, mean, most: 10.0 };
    let terms = Box::from([term(0, 2.0, 1.0), term(2, -1.0, 0.0)]);
    let parts = [Part::Leaf(Leaf { values: [5.0].into(), terms, cover: 3.0 })];
    let (mean, values, value) = by_tree(&parts, &[4.0, 7.0, f64::NAN]);
    assert_eq!((mean, value), (5.0, 11.0));
    assert!((values[0] - 6.0).abs() < 1e-14 && values[1..] == [0.0, 0.0], "{values:?}");
}

#[test]
fn where_no_row_came_all_branches_are_as_likely() {
    let parts = [ask(0, 0.0, 1), leaf(1.0, 0.0), leaf(3.0, 0.0)];
    assert_eq!(by_tree(&parts, &[1.0]), (2.0, vec![1.0], 3.0));
    // And where some came, but none to the row's own branch, it is as if it were only come to by what is known.
    let parts = [ask(0, 0.0, 1), leaf(1.0, 4.0), ask(1, 0.0, 3), leaf(5.0, 0.0), leaf(7.0, 0.0)];
    let (mean, values, value) = by_tree(&parts, &[1.0, 1.0]);
    assert_eq!((mean, value), (1.0, 7.0));
    let definition = by_definition(&parts, &[1.0, 1.0]);
    assert!(values.iter().zip(definition).all(|(a, b)| (a - b).abs() < 1e-14));
}

#[test]
fn a_tree_as_deep_as_a_list_is_long_is_explained() {
    // Deeper than a stack of calls would be.
    let depth = 100_000;
    let mut parts = Vec::new();
    for at in 0..depth {
        parts.push(ask(at % 3, f64::from(at), 2 * at + 1));
        parts.push(leaf(1.0, 1.0));
    }
    // Each question's branches are side by side: the leaf, then the next question.
    let mut nodes = vec![parts[0].clone()];
    for at in 1..depth as usize {
        nodes.push(leaf(0.0, 1.0));
        nodes.push(parts[2 * at].clone());
    }
    nodes.extend([leaf(0.0, 1.0), leaf(1.0, 1.0)]);
    let x = [f64::INFINITY; 3];
    let (mean, values, value) = by_tree(&nodes, &x);
    assert_eq!(value, 1.0);
    assert!((mean + values.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{mean} {values:?}");
}

/// A tree of random questions about five features, some of them more than once, with a linear model in each leaf.
fn random_tree() -> impl Strategy<Value = Vec<Part<Asked>>> {
    let node = (0u32..5, -1.0..1.0f64, 0u8..8, 0u32..50, -2.0..2.0f64, 0u32..5, -1.0..1.0f64);
    proptest::collection::vec(node, 1..14).prop_map(|nodes| {
        let mut parts: Vec<Part<Asked>> = Vec::new();
        // Leaves that may yet become questions.
        let mut open = vec![0];
        parts.push(leaf(0.0, 1.0));
        for (at, (feature, threshold, kind, cover, value, of, weight)) in nodes.into_iter().enumerate() {
            let node = open.remove(at % open.len());
            if kind < 5 && parts.len() < 24 {
                let (first, branches) = (parts.len() as u32, if kind == 0 { 3 } else { 2 });
                parts[node] = Part::Split(Asked { feature, threshold, branches }, first);
                for branch in 0..branches {
                    open.push(parts.len());
                    parts.push(leaf(value + f64::from(branch), f64::from(cover * branch + branch)));
                }
            } else {
                let term = Term { feature: of, weight, mean: threshold, most: 0.7 };
                let cover = f64::from(cover);
                parts[node] = Part::Leaf(Leaf { values: [value].into(), terms: [term].into(), cover });
                open.push(node);
            }
        }
        parts
    })
}

proptest! {
    #[test]
    fn values_are_those_of_the_definition(parts in random_tree(), x in proptest::collection::vec(-1.5..1.5f64, 5)) {
        let (mean, values, value) = by_tree(&parts, &x);
        for (found, defined) in values.iter().zip(by_definition(&parts, &x)) {
            prop_assert!((found - defined).abs() < 1e-12, "{found} {defined}");
        }
        prop_assert!((mean + values.iter().sum::<f64>() - value).abs() < 1e-12);
        prop_assert!((mean - expected(&parts, 0, &x, 0)).abs() < 1e-12);
        prop_assert!((value - expected(&parts, 0, &x, u32::MAX)).abs() < 1e-12);
    }
}

/// Lines of numbers, some of which are missing.
fn numbers(text: &str) -> Vec<Vec<f64>> {
    let line = |line: &str| line.split(',').map(|value| value.parse().unwrap_or(f64::NAN)).collect();
    text.lines().skip(1).map(line).collect()
}

#[test]
fn values_are_those_of_shap() {
    let trees = numbers(include_str!("../../tests/reference/shap_trees.csv"));
    let rows = numbers(include_str!("../../tests/reference/shap_rows.csv"));
    let values = numbers(include_str!("../../tests/reference/shap_values.csv"));
    let count = trees.last().map_or(0, |line| line[0] as usize + 1);
    let mut compared = 0;
    for tree in 0..count {
        // tree, node, feature or −1, threshold, left, right, value, cover
        let nodes: Vec<&Vec<f64>> = trees.iter().filter(|line| line[0] as usize == tree).collect();
        let mut order = vec![0usize];
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(&node) = order.get(at) {
            let line = nodes[node];
            parts.push(if line[2] < 0.0 {
                leaf(line[6], line[7])
            } else {
                order.extend([line[4] as usize, line[5] as usize]);
                ask(line[2] as u32, line[3], order.len() as u32 - 2)
            });
            at += 1;
        }
        // tree, row, baseline, then a value a feature
        for expected in values.iter().filter(|line| line[0] as usize == tree) {
            let (mean, found, value) = by_tree(&parts, &rows[expected[1] as usize]);
            assert!((mean - expected[2]).abs() < 1e-9, "tree {tree}: {mean} {}", expected[2]);
            for (found, expected) in found.iter().zip(&expected[3..]) {
                assert!((found - expected).abs() < 1e-9, "tree {tree}: {found} {expected}");
            }
            assert!((mean + found.iter().sum::<f64>() - value).abs() < 1e-9);
            compared += 1;
        }
    }
    assert_eq!(compared, 180);
}
