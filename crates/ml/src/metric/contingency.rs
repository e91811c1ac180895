//! How often each class met each cluster, which all comparisons of clusters with classes are made of.
//!
//! Unlike a predicted class, a cluster has no name in common with a class: what counts is which rows are together in both. Memory: 16
//! bytes and an entry of a hash table for each pair that occurs.

use hashbrown::HashMap;

use super::aggregate::Aggregate;
use super::classes::{ClassIndex, ClassValue};
use super::columns::Batch;
use super::counts::MAX_CLASSES;
use crate::snapshot::{decode, encode, open, seal};
use crate::{Error, Result};

const SNAPSHOT_KIND: &str = "metric.contingency";

/// A measure of which rows are together.
pub(super) trait ClusterMeasure: std::fmt::Debug + Send + Sync + 'static {
    /// Of at least one row.
    fn of(&self, table: &Table) -> Option<f64>;
}

/// Counts in the order of classes and clusters, so that sums do not depend on the order of rows.
#[derive(Debug)]
pub(super) struct Table {
    /// Of each pair that occurs: the places of its class and its cluster, and its rows.
    pub(super) pairs: Vec<(usize, usize, u64)>,
    /// The rows of each class.
    pub(super) classes: Vec<u64>,
    /// The rows of each cluster.
    pub(super) clusters: Vec<u64>,
    pub(super) rows: u64,
}

/// The aggregate of such a measure.
#[derive(Debug)]
pub(super) struct Comparing<M> {
    classes: ClassIndex,
    clusters: ClassIndex,
    measure: M,
}

/// The number of a class, the number of a cluster, and how many rows they have in common.
type Pairs = HashMap<(u32, u32), u64>;

impl<M: ClusterMeasure> Comparing<M> {
    pub(super) fn new(measure: M) -> Self {
        Self { classes: ClassIndex::new(MAX_CLASSES), clusters: ClassIndex::new(MAX_CLASSES), measure }
    }

    /// The pairs by the order of their values.
    fn sorted(&self, pairs: &Pairs) -> Vec<(u32, u32, u64)> {
        let places = |index: &ClassIndex| {
            let mut places = vec![0; index.len()];
            index.in_order().into_iter().enumerate().for_each(|(place, number)| places[number] = place);
            places
        };
        let (classes, clusters) = (places(&self.classes), places(&self.clusters));
        let mut sorted: Vec<_> = pairs.iter().map(|((class, cluster), rows)| (*class, *cluster, *rows)).collect();
        sorted.sort_unstable_by_key(|(class, cluster, _)| (classes[*class as usize], clusters[*cluster as usize]));
        sorted
    }

    fn table(&self, pairs: &Pairs) -> Table {
        let sorted = self.sorted(pairs);
        let mut table =
            Table { pairs: Vec::with_capacity(sorted.len()), classes: Vec::new(), clusters: Vec::new(), rows: 0 };
        let mut of_cluster: HashMap<u32, usize> = HashMap::new();
        let mut last = None;
        for (class, cluster, rows) in sorted {
            if last != Some(class) {
                table.classes.push(0);
                last = Some(class);
            }
            let next = table.clusters.len();
            let place = *of_cluster.entry(cluster).or_insert(next);
            if place == next {
                table.clusters.push(0);
            }
            let class = table.classes.len() - 1;
            table.classes[class] += rows;
            table.clusters[place] += rows;
            table.rows += rows;
            table.pairs.push((class, place, rows));
        }
        table
    }
}

impl<M: ClusterMeasure> Aggregate for Comparing<M> {
    /// The numbers of classes and of clusters.
    type Rows = (Vec<u32>, Vec<u32>);
    type State = Pairs;
    const COLUMNS: &'static [&'static str] = &["label", "cluster"];

    fn read(&mut self, batch: &Batch<'_>) -> Result<Self::Rows> {
        Ok((self.classes.read_column(batch, 0)?, self.clusters.read_column(batch, 1)?))
    }

    fn add(&self, state: &mut Pairs, (classes, clusters): &Self::Rows, row: usize) {
        *state.entry((classes[row], clusters[row])).or_default() += 1;
    }

    fn merge(&mut self, state: &mut Pairs, saved: &[u8]) -> Result<()> {
        let saved: Vec<(ClassValue, ClassValue, u64)> = decode(open(SNAPSHOT_KIND, 1, saved)?)?;
        let mut rows = saved.iter().map(|(.., rows)| *rows).chain(state.values().copied());
        let all = rows.try_fold(0u64, u64::checked_add);
        if all.is_none_or(|all| all > i64::MAX as u64) {
            return Err(Error::Merge("together they have more rows than can be counted".to_string()));
        }
        let classes = self.classes.add(saved.iter().map(|(class, ..)| class))?;
        let clusters = self.clusters.add(saved.iter().map(|(_, cluster, _)| cluster))?;
        for ((class, cluster), (.., rows)) in classes.into_iter().zip(clusters).zip(&saved).filter(|(_, s)| s.2 > 0) {
            *state.entry((class, cluster)).or_default() += rows;
        }
        Ok(())
    }

    fn save(&self, state: &Pairs) -> Vec<u8> {
        let value = |(class, cluster, rows): (u32, u32, u64)| {
            (self.classes.value(class as usize), self.clusters.value(cluster as usize), rows)
        };
        seal(SNAPSHOT_KIND, 1, &encode(&self.sorted(state).into_iter().map(value).collect::<Vec<_>>()))
    }

    fn value(&self, state: &Pairs) -> Option<f64> {
        if state.is_empty() { None } else { self.measure.of(&self.table(state)) }
    }

    fn heap_bytes(&self, state: &Pairs) -> usize {
        state.allocation_size()
    }

    fn shared_bytes(&self) -> usize {
        self.classes.heap_bytes() + self.clusters.heap_bytes()
    }
}
