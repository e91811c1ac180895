//! Shapley values of trees.
//!
//! **Idea.** What a tree is expected to say of a row of which only the features in `S` are known: at a question about one of them
//! the row's own branch is taken, at another all branches, each by the share of the rows that it got in training. The
//! Shapley values of this game are the path-dependent ones of TreeSHAP (Lundberg, Erion & Lee 2018, "Consistent individualized
//! feature attribution for tree ensembles", algorithm 2).
//!
//! **Formula.** A leaf with the value `v` is reached with the probability `Π_j f_j`, where for a feature `j` asked about on its way
//! `f_j = o_j` if `j ∈ S`, which is 1 if the row takes all those branches and else 0, and `f_j = z_j` if not, the product of the branches'
//! shares. As `s!(k − 1 − s)!/k! = ∫₀¹ tˢ(1 − t)^(k−1−s) dt`, the Shapley value of `i` is
//!
//! ```text
//!  φ_i = Σ over leaves of  v·(o_i − z_i)·∫₀¹ Π_{j≠i} (z_j(1 − t) + o_j·t) dt
//! ```
//! an integral of a polynomial whose degree is below the number `d` of features on a way, which `d/2` points of a quadrature
//! give without an error. The product is carried down the tree at each point, and what leaves say is added up on the way
//! back, so that a tree takes `nodes × d/2` steps a row. All terms of an integral are positive: nothing is subtracted on the way,
//! as it is where a feature is taken out of the sets of algorithm 2. (Yu, Xu & Xu 2022, "Linear TreeShap", save as much by other means.)
//!
//! **Linear models in leaves.** A leaf that says `v + Σ c_i`, with a part `c_i` of what it says from the number `i` and `c_i = 0` at
//! the leaf's mean of it, is expected to say `v + Σ_{i∈S} c_i`. A part is a leaf of its own, which is reached if `i` is known:
//! `z_i = 0` there.
//!
//! The values and the mean add up to what the tree says of the row.

use std::fmt::Debug;

use super::quadrature::{Point, Quadrature};

/// What a node asks of a row.
pub(crate) trait Question: Debug + Copy + Send + Sync + 'static {
    /// The feature that it is about.
    fn feature(&self) -> u32;

    /// How many branches there are.
    fn branches(&self) -> u32;

    /// The branch of a row.
    fn branch(&self, x: &[f64]) -> u32;
}

/// The part of a number in what a leaf says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Term {
    pub(crate) feature: u32,
    pub(crate) weight: f64,
    pub(crate) mean: f64,
    /// Further from the mean it counts as this far.
    pub(crate) most: f64,
}

impl Term {
    #[inline]
    fn of(&self, x: &[f64]) -> f64 {
        let difference = x[self.feature as usize] - self.mean;
        // What is missing counts as the mean.
        if difference.is_nan() { 0.0 } else { self.weight * difference.clamp(-self.most, self.most) }
    }
}

/// A leaf.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    /// What it says, a value an output.
    pub(crate) values: Box<[f64]>,
    /// What it adds to the first.
    pub(crate) terms: Box<[Term]>,
    /// The weight of the rows that came to it.
    pub(crate) cover: f64,
}

/// A node as it is given.
#[derive(Debug, Clone)]
pub(crate) enum Part<Q, L = Leaf> {
    Leaf(L),
    /// A question, and the node of the first branch, which the others follow.
    Split(Q, u32),
}

#[derive(Debug, Clone)]
struct Node<Q> {
    part: Part<Q>,
    /// The share of the rows that it got of those that came to the node above.
    share: f64,
}

/// A tree as it is explained.
#[derive(Debug, Clone)]
pub(crate) struct ShapTree<Q> {
    nodes: Vec<Node<Q>>,
    /// The mean of each output over the rows of the training.
    means: Vec<f64>,
    quadrature: Quadrature,
}

/// A feature on the way to a node.
#[derive(Debug, Clone, Copy)]
struct Factor {
    /// The probability to come here without it: `z`.
    share: f64,
    /// Whether the row, by it, comes here: `o`.
    comes: f64,
}

impl Factor {
    const NOT_ASKED: Self = Self { share: 1.0, comes: 1.0 };

    #[inline]
    fn at(self, point: &Point) -> f64 {
        self.share * point.rest + self.comes * point.t
    }
}

/// A node on the way to the one at hand.
#[derive(Debug, Clone, Copy)]
struct Frame {
    node: u32,
    /// The next branch to go into.
    next: u32,
    /// The branch of the row.
    own: u32,
    /// The feature asked about above, and its factor there and here.
    asked: Option<(u32, Factor, Factor)>,
}

/// Buffers for a row.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    factors: Vec<Factor>,
    way: Vec<Frame>,
    /// The product of factors at each point, for each node of the way.
    products: Vec<f64>,
    /// What leaves said so far, times their products.
    sums: Vec<f64>,
}

impl<Q: Question> ShapTree<Q> {
    /// A tree of nodes whose root is the first and whose branches come after the node that they hang on. Nodes that hang on
    /// nothing are passed over.
    pub(crate) fn new(parts: Vec<Part<Q>>) -> Self {
        let mut covers = vec![0.0; parts.len()];
        let branches = |question: &Q, first: u32| first as usize..(first + question.branches()) as usize;
        for (at, part) in parts.iter().enumerate().rev() {
            covers[at] = match part {
                Part::Leaf(leaf) => leaf.cover,
                Part::Split(question, first) => covers[branches(question, *first)].iter().sum(),
            };
        }
        let (mut shares, mut reached, mut depths) =
            (vec![1.0; parts.len()], vec![0.0; parts.len()], vec![None; parts.len()]);
        (reached[0], depths[0]) = (1.0, Some(0usize));
        let (mut deepest, mut features, mut means) = (0, Vec::new(), Vec::new());
        for (at, part) in parts.iter().enumerate() {
            let Some(depth) = depths[at] else { continue };
            match part {
                Part::Leaf(leaf) => {
                    means.resize(leaf.values.len().max(means.len()), 0.0);
                    means.iter_mut().zip(&leaf.values).for_each(|(mean, value)| *mean += reached[at] * value);
                }
                Part::Split(question, first) => {
                    deepest = deepest.max(depth + 1);
                    features.push(question.feature());
                    for branch in branches(question, *first) {
                        // Where no row came all branches are as likely.
                        let even = 1.0 / f64::from(question.branches());
                        shares[branch] = if covers[at] > 0.0 { covers[branch] / covers[at] } else { even };
                        reached[branch] = reached[at] * shares[branch];
                        depths[branch] = Some(depth + 1);
                    }
                }
            }
        }
        features.sort_unstable();
        features.dedup();
        let nodes = parts.into_iter().zip(shares).map(|(part, share)| Node { part, share }).collect();
        // A part of a linear model is one more factor.
        Self { nodes, means, quadrature: Quadrature::of_degree(deepest.min(features.len())) }
    }

    /// The mean of an output.
    pub(crate) fn mean(&self, output: usize) -> f64 {
        self.means.get(output).copied().unwrap_or(0.0)
    }

    /// What the tree says of a row.
    pub(crate) fn value(&self, x: &[f64], output: usize) -> f64 {
        let mut node = 0;
        loop {
            match &self.nodes[node].part {
                Part::Split(question, first) => node = (first + question.branch(x)) as usize,
                Part::Leaf(leaf) => {
                    let terms = leaf.terms.iter().map(|term| term.of(x));
                    return terms.fold(leaf.values.get(output).copied().unwrap_or(0.0), |sum, term| sum + term);
                }
            }
        }
    }

    /// Adds the Shapley values of an output for a row, times `scale`.
    pub(crate) fn add(&self, x: &[f64], output: usize, scale: f64, scratch: &mut Scratch, values: &mut [f64]) {
        let points = self.quadrature.points();
        let Scratch { factors, way, products, sums } = scratch;
        factors.clear();
        factors.resize(x.len(), Factor::NOT_ASKED);
        products.clear();
        products.resize(points.len(), 1.0);
        sums.clear();
        sums.resize(points.len(), 0.0);
        way.clear();
        way.push(self.enter(0, x, None));
        while let Some(frame) = way.last_mut() {
            let here = products.len() - points.len();
            if let Part::Split(question, first) = &self.nodes[frame.node as usize].part
                && frame.next < question.branches()
            {
                let (branch, feature) = (frame.next, question.feature());
                frame.next += 1;
                let before = factors[feature as usize];
                let node = first + branch;
                let comes = if branch == frame.own { before.comes } else { 0.0 };
                let factor = Factor { share: before.share * self.nodes[node as usize].share, comes };
                if factor.share <= 0.0 && factor.comes <= 0.0 {
                    // Nobody ever comes here.
                    continue;
                }
                factors[feature as usize] = factor;
                for (at, point) in points.iter().enumerate() {
                    products.push(products[here + at] * (factor.at(point) / before.at(point)));
                }
                sums.resize(products.len(), 0.0);
                way.push(self.enter(node, x, Some((feature, before, factor))));
                continue;
            }
            if let Part::Leaf(leaf) = &self.nodes[frame.node as usize].part {
                let leaf = At { leaf, x, factors, points };
                leaf.say(output, scale, &products[here..], &mut sums[here..], values);
            }
            // Back to the node above.
            if let Some((feature, before, factor)) = frame.asked {
                factors[feature as usize] = before;
                let (above, own) = sums.split_at_mut(here);
                let mut sum = 0.0;
                for (point, said) in points.iter().zip(&*own) {
                    let of = |factor: Factor| (factor.comes - factor.share) / factor.at(point);
                    // What was put down to the feature further up is so no more.
                    sum += point.weight * said * (of(factor) - of(before));
                }
                values[feature as usize] += scale * sum;
                above[here - points.len()..].iter_mut().zip(&*own).for_each(|(above, own)| *above += own);
            }
            products.truncate(here);
            sums.truncate(here);
            way.pop();
        }
    }

    fn enter(&self, node: u32, x: &[f64], asked: Option<(u32, Factor, Factor)>) -> Frame {
        let own = match &self.nodes[node as usize].part {
            Part::Split(question, _) => question.branch(x),
            Part::Leaf(_) => 0,
        };
        Frame { node, next: 0, own, asked }
    }
}

/// A leaf on the way of a row.
struct At<'a> {
    leaf: &'a Leaf,
    x: &'a [f64],
    factors: &'a [Factor],
    points: &'a [Point],
}

impl At<'_> {
    /// Writes what the leaf says, and adds what of it is due to the numbers of its linear model.
    fn say(&self, output: usize, scale: f64, products: &[f64], sums: &mut [f64], values: &mut [f64]) {
        let value = self.leaf.values.get(output).copied().unwrap_or(0.0);
        sums.iter_mut().zip(products).for_each(|(sum, product)| *sum = product * value);
        for term in &self.leaf.terms {
            let (factor, part) = (self.factors[term.feature as usize], term.of(self.x));
            // The row would not come here by a number that is known.
            if factor.comes <= 0.0 || part == 0.0 {
                continue;
            }
            let mut own = 0.0;
            for ((point, product), sum) in self.points.iter().zip(products).zip(&mut *sums) {
                let at = factor.at(point);
                *sum += part * product * (point.t / at);
                // By way of the sum above the number gets (1 − z)·t/f of its part, times the product of the others.
                own += point.weight * product * (factor.share / (at * at));
            }
            values[term.feature as usize] += scale * part * own;
        }
    }
}
