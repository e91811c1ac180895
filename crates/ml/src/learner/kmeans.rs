//! K-means over a stream.
//!
//! **Idea.** `k` centres; a row belongs to the nearest, and draws it a little towards itself (MacQueen 1967). With batches, centres
//! move once a batch, towards the mean of its rows (Sculley 2010); with a half-life, rows fade, so that centres follow what moves.
//!
//! **Formula.** A centre `c` stands for rows of weight `n`. Of a batch that gave it rows of weight `m` with sum `s`:
//!
//! ```text
//!  n ← n·2^(−rows/half_life)        c ← (n·c + s) / (n + m)        n ← n + m
//! ```
//! The first `init_rows` rows are gathered; centres begin where k-means++ puts them in these (Arthur & Vassilvitskii 2007: each as
//! far from the ones before as chance has it, by the squared distance), after at most 20 rounds of Lloyd's. A centre that stands for
//! no row, as there were too few different ones, becomes the next row that is none of the centres. With a half-life, a centre whose
//! weight has faded to nothing beside the heaviest splits that with it.
//!
//! | parameter | default | what it does |
//! |---|---|---|
//! | `k` | 8 | centres |
//! | `batch_size` | 1 | rows between two moves of the centres |
//! | `half_life` | 0 | after how many rows a row counts half; 0: rows do not fade |
//! | `init_rows` | 0 | rows gathered before there are centres; 0: `max(10·k, 100)` |
//! | `seed` | 0 | of the first centres |
//!
//! **Shapes.** Numbers, all of them there. Scores: the centre's number, and the distance to it; none before there are centres.
//! Distances are of the numbers as they are: scale them in TRANSFORM.
//!
//! **Cost a row.** `k` distances, taken together, feature by feature. **Memory.** `16·k` bytes a feature, and the first rows.
//!
//! **Merging.** None: centres of different streams have no numbers in common.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};
use tidegate_options::{Kind, OptionDef};

use super::row_model::{ByRow, RowModel};
use super::{FeatureKind, Features, LearnerDef};
use crate::Task;
use crate::block::Row;
use crate::snapshot::SnapshotError;

/// Most rounds of Lloyd's over the first rows.
const ROUNDS_MAX: usize = 20;
/// A centre with less of the heaviest one's weight is dead.
const DEAD: f64 = 1e-8;

const OPTIONS: &[OptionDef] = &[
    OptionDef::new("k", Kind::Int { min: 1, max: 10_000 }, "8", "How many centres there are."),
    OptionDef::new(
        "batch_size",
        Kind::Int { min: 1, max: 1_000_000 },
        "1",
        "After how many rows the centres move, towards the means of these.",
    ),
    OptionDef::new(
        "half_life",
        Kind::Float { min: 0.0, max: 1e15 },
        "0",
        "After how many rows a row counts half; 0: rows do not fade.",
    ),
    OptionDef::new(
        "init_rows",
        Kind::Int { min: 0, max: 1_000_000 },
        "0",
        "How many rows are gathered before the first centres are chosen among them; 0: 10·k, and at least 100.",
    ),
    OptionDef::new("seed", Kind::Int { min: 0, max: i64::MAX }, "0", "Of the first centres."),
];

/// `kmeans`: the nearest of some centres, which move with the rows.
pub static KMEANS: LearnerDef = LearnerDef {
    name: "kmeans",
    doc: "The nearest of k centres, which move with their rows (MacQueen 1967; in batches: Sculley 2010; begun by k-means++: Arthur & \
          Vassilvitskii 2007).",
    tasks: &[Task::Clustering],
    features: Features { categories: false, missing: false, sparse: false },
    options: &[OPTIONS],
    merge: "not at all: centres of different streams have no numbers in common",
    make: |options, shape| {
        let count = |name| usize::try_from(options.int(name)).unwrap_or(usize::MAX);
        let (k, half_life) = (count("k"), options.float("half_life"));
        let model = KMeans {
            k,
            batch_size: options.int("batch_size") as u64,
            fading: (half_life > 0.0).then(|| libm::exp2(-1.0 / half_life)),
            init_rows: match count("init_rows") {
                0 => (10 * k).max(100),
                rows => rows.max(k),
            },
            seed: options.int("seed") as u64,
            features: 0,
            gathered: Rows::default(),
            centres: None,
        };
        Ok(Box::new(ByRow::new("kmeans", shape, model)))
    },
};

#[derive(Debug)]
struct KMeans {
    k: usize,
    batch_size: u64,
    /// What is left of a weight after a row.
    fading: Option<f64>,
    init_rows: usize,
    seed: u64,
    features: usize,
    /// The first rows, until there are centres.
    gathered: Rows,
    centres: Option<Centres>,
}

/// Rows with their weights.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Rows {
    /// Row by row.
    values: Vec<f64>,
    weights: Vec<f64>,
}

/// Centres, and the rows since they moved last.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Centres {
    /// Feature by feature, `k` each, so that all distances grow together.
    places: Vec<f64>,
    weights: Vec<f64>,
    /// Of the batch that is not over: sums in the same order, weights, rows.
    sums: Vec<f64>,
    masses: Vec<f64>,
    rows: u64,
}

impl Centres {
    fn new(places: Vec<f64>, weights: Vec<f64>) -> Self {
        let (sums, masses) = (vec![0.0; places.len()], vec![0.0; weights.len()]);
        Self { places, weights, sums, masses, rows: 0 }
    }

    /// Which centre is the nearest, and its squared distance.
    #[inline]
    fn nearest(&self, x: &[f64], distances: &mut Vec<f64>) -> (usize, f64) {
        let k = self.weights.len();
        distances.clear();
        distances.resize(k, 0.0);
        for (value, places) in x.iter().zip(self.places.chunks_exact(k)) {
            for (distance, place) in distances.iter_mut().zip(places) {
                let difference = value - place;
                *distance += difference * difference;
            }
        }
        let mut nearest = (0, distances[0]);
        for (centre, &distance) in distances.iter().enumerate().skip(1) {
            if distance < nearest.1 {
                nearest = (centre, distance);
            }
        }
        nearest
    }

    fn set(&mut self, centre: usize, x: &[f64]) {
        let k = self.weights.len();
        for (value, places) in x.iter().zip(self.places.chunks_exact_mut(k)) {
            places[centre] = *value;
        }
    }

    /// Takes a row to its centre; after a batch all of them move.
    fn take(&mut self, centre: usize, x: &[f64], weight: f64, batch_size: u64, fading: Option<f64>) {
        let k = self.weights.len();
        for (value, sums) in x.iter().zip(self.sums.chunks_exact_mut(k)) {
            sums[centre] += weight * value;
        }
        self.masses[centre] += weight;
        self.rows += 1;
        if self.rows >= batch_size {
            self.move_all(fading);
        }
    }

    fn move_all(&mut self, fading: Option<f64>) {
        let k = self.weights.len();
        let left = fading.map_or(1.0, |fading| libm::pow(fading, self.rows as f64));
        for centre in 0..k {
            let (before, mass) = (self.weights[centre] * left, self.masses[centre]);
            self.weights[centre] = before + mass;
            if mass > 0.0 {
                for (place, sum) in
                    self.places[centre..].iter_mut().step_by(k).zip(self.sums[centre..].iter_mut().step_by(k))
                {
                    *place = (before * *place + *sum) / (before + mass);
                    *sum = 0.0;
                }
            }
        }
        self.masses.fill(0.0);
        self.rows = 0;
        if fading.is_some() {
            self.split_the_heaviest();
        }
    }

    /// Puts a dead centre beside the heaviest one.
    fn split_the_heaviest(&mut self) {
        let by_weight = |a: &usize, b: &usize| self.weights[*a].total_cmp(&self.weights[*b]);
        let k = self.weights.len();
        let (Some(lightest), Some(heaviest)) = ((0..k).min_by(by_weight), (0..k).max_by(by_weight)) else { return };
        if self.weights[lightest] >= DEAD * self.weights[heaviest] {
            return;
        }
        for places in self.places.chunks_exact_mut(k) {
            let place = places[heaviest];
            places[lightest] = place + 1e-9 * place.abs().max(1.0);
        }
        let half = 0.5 * (self.weights[heaviest] + self.weights[lightest]);
        (self.weights[heaviest], self.weights[lightest]) = (half, half);
    }

    fn fits(&self, k: usize, features: usize, batch_size: u64) -> bool {
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        let weights =
            |values: &[f64]| values.len() == k && values.iter().all(|value| *value >= 0.0 && value.is_finite());
        self.places.len() == k * features
            && self.sums.len() == k * features
            && finite(&self.places)
            && finite(&self.sums)
            && weights(&self.weights)
            && weights(&self.masses)
            && self.rows < batch_size
    }
}

impl Rows {
    fn len(&self) -> usize {
        self.weights.len()
    }

    fn row(&self, row: usize, features: usize) -> &[f64] {
        &self.values[row * features..(row + 1) * features]
    }

    /// Centres for these rows: k-means++, then Lloyd's.
    fn centres(&self, k: usize, features: usize, seed: u64) -> Centres {
        let mut centres = self.spread_out(k, features, seed);
        let mut distances = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let mut next = Centres::new(centres.places.clone(), vec![0.0; k]);
            for row in 0..self.len() {
                let x = self.row(row, features);
                let (centre, _) = centres.nearest(x, &mut distances);
                next.take(centre, x, self.weights[row], u64::MAX, None);
            }
            next.move_all(None);
            let moved = next.places != centres.places;
            centres = next;
            if !moved {
                break;
            }
        }
        centres
    }

    /// Rows that lie far apart, as chance has it. Where there are fewer different ones, a centre is there twice.
    fn spread_out(&self, k: usize, features: usize, seed: u64) -> Centres {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut centres = Centres::new(vec![0.0; k * features], vec![0.0; k]);
        // To the nearest of the centres so far, by the row's weight; at first all are as far.
        let mut far: Vec<f64> = self.weights.clone();
        for centre in 0..k {
            let chosen = draw(&far, &mut random);
            let place = self.row(chosen, features);
            centres.set(centre, place);
            for (row, far) in far.iter_mut().enumerate() {
                let difference = |(a, b): (&f64, &f64)| (a - b) * (a - b);
                let distance: f64 = self.row(row, features).iter().zip(place).map(difference).sum();
                let distance = self.weights[row] * distance;
                *far = if centre == 0 { distance } else { far.min(distance) };
            }
        }
        centres
    }
}

/// One of them, by their shares; the first if all are 0.
fn draw(shares: &[f64], random: &mut Pcg64Mcg) -> usize {
    // Scaled first, so that the sum of the largest is finite.
    let largest = shares.iter().copied().fold(0.0, f64::max);
    if largest <= 0.0 {
        return 0;
    }
    let all: f64 = shares.iter().map(|share| share / largest).sum();
    let mut left = random.random::<f64>() * all;
    let mut last = 0;
    for (i, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        left -= share / largest;
        last = i;
        if left < 0.0 {
            break;
        }
    }
    last
}

impl KMeans {
    fn learn_at(&mut self, x: &[f64], nearest: Option<(usize, f64)>, weight: f64) {
        let Some(centres) = &mut self.centres else {
            self.gathered.values.extend_from_slice(x);
            self.gathered.weights.push(weight);
            if self.gathered.len() >= self.init_rows {
                let rows = std::mem::take(&mut self.gathered);
                self.centres = Some(rows.centres(self.k, self.features, self.seed));
            }
            return;
        };
        let Some((mut centre, distance)) = nearest else { return };
        if distance > 0.0
            && let Some(idle) = (0..self.k).find(|c| centres.weights[*c] == 0.0 && centres.masses[*c] == 0.0)
        {
            centres.set(idle, x);
            centre = idle;
        }
        centres.take(centre, x, weight, self.batch_size, self.fading);
    }

    fn nearest(&self, x: &[f64], distances: &mut Vec<f64>) -> Option<(usize, f64)> {
        self.centres.as_ref().map(|centres| centres.nearest(x, distances))
    }
}

fn tell(nearest: Option<(usize, f64)>, scores: &mut [f64]) {
    let (centre, distance) = nearest.map_or((f64::NAN, f64::NAN), |(centre, squared)| (centre as f64, squared.sqrt()));
    (scores[0], scores[1]) = (centre, distance);
}

impl RowModel for KMeans {
    /// The first rows, or the centres.
    type State = (Rows, Option<Centres>);
    type Scratch = Vec<f64>;

    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.features = kinds.len();
    }

    fn set_classes(&mut self, _classes: usize) {}

    fn predict(&self, x: Row<'_>, distances: &mut Vec<f64>, scores: &mut [f64]) {
        tell(self.nearest(x.dense, distances), scores);
    }

    fn learn(&mut self, x: Row<'_>, _y: f64, weight: f64, distances: &mut Vec<f64>) {
        let nearest = self.nearest(x.dense, distances);
        self.learn_at(x.dense, nearest, weight);
    }

    fn learn_predict(&mut self, x: Row<'_>, _y: f64, weight: f64, distances: &mut Vec<f64>, scores: &mut [f64]) {
        let nearest = self.nearest(x.dense, distances);
        tell(nearest, scores);
        self.learn_at(x.dense, nearest, weight);
    }

    fn state(&self) -> impl Serialize {
        (&self.gathered, &self.centres)
    }

    fn set_state(&mut self, (gathered, centres): Self::State) -> Result<(), SnapshotError> {
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        let fits = gathered.values.len() == gathered.len().saturating_mul(self.features)
            && gathered.len() < self.init_rows
            && finite(&gathered.values)
            && finite(&gathered.weights)
            && gathered.weights.iter().all(|weight| *weight > 0.0)
            && centres.as_ref().is_none_or(|centres| centres.fits(self.k, self.features, self.batch_size));
        if !fits {
            return Err(SnapshotError::Content("rows or centres that do not fit the model".to_string()));
        }
        (self.gathered, self.centres) = (gathered, centres);
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        let rows = self.gathered.values.capacity() + self.gathered.weights.capacity();
        let of = |c: &Centres| c.places.capacity() + c.sums.capacity() + c.weights.capacity() + c.masses.capacity();
        8 * (rows + self.centres.as_ref().map_or(0, of))
    }
}
