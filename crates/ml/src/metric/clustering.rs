//! How well clusters are the classes that rows have, where these are known.

use super::aggregate::{grouped, single};
use super::contingency::{ClusterMeasure, Comparing, Table};
use super::parameters::Parameters;
use super::{Argument, MetricDef};
use crate::{Expression, Result};

/// The adjusted Rand index: of all pairs of rows, how many are together, or apart, in both; beyond what chance would give.
///
/// Formula: with tp pairs together in both, tn in neither, and fp and fn in one of them, 2(tp·tn − fn·fp) / ((tp+fn)(fn+tn) +
/// (tp+fp)(fp+tn)). At most 1, which is the same groups whatever their names; 0 is chance. `None` for no rows. Source: L. Hubert and P.
/// Arabie, "Comparing partitions", Journal of Classification 2, 1985.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array, StringArray};
/// use tidegate_ml::metric::ML_ADJUSTED_RAND;
///
/// let label: ArrayRef = Arc::new(StringArray::from(vec!["ale", "ale", "bock", "stout"]));
/// let cluster: ArrayRef = Arc::new(Int64Array::from(vec![7, 7, 3, 5]));
/// let mut rand = (ML_ADJUSTED_RAND.make)(&[])?;
/// rand.update(&[label, cluster])?;
/// assert_eq!(rand.value(), Some(1.0));
/// # Ok::<(), tidegate_ml::Error>(())
/// ```
pub static ML_ADJUSTED_RAND: MetricDef = MetricDef {
    name: "ML_ADJUSTED_RAND",
    key: "AdjustedRand",
    arguments: &[Argument::Class, Argument::Cluster],
    parameters: "",
    doc: "The adjusted Rand index: of all pairs of rows, how many are together, or apart, both as classes and as clusters, beyond what \
          chance would give: 2 (tp tn - fn fp) / ((tp + fn)(fn + tn) + (tp + fp)(fp + tn)). At most 1; 0 is chance; NULL for no rows. \
          Source: L. Hubert and P. Arabie, Comparing partitions, 1985.",
    make: |given| Ok(single(comparing("ML_ADJUSTED_RAND", AdjustedRand, given)?)),
    make_grouped: |given| Ok(grouped(comparing("ML_ADJUSTED_RAND", AdjustedRand, given)?)),
};

/// Whether each cluster holds rows of one class only.
///
/// Formula: 1 − H(class | cluster) / H(class), with H the entropy. From 0 to 1; 1 where there is one class. `None` for no rows. Source:
/// A. Rosenberg and J. Hirschberg, "V-Measure: a conditional entropy-based external cluster evaluation measure", EMNLP 2007.
pub static ML_HOMOGENEITY: MetricDef = MetricDef {
    name: "ML_HOMOGENEITY",
    key: "Homogeneity",
    arguments: &[Argument::Class, Argument::Cluster],
    parameters: "",
    doc: "Whether each cluster holds rows of one class only: 1 - H(class | cluster) / H(class), with H the entropy. From 0 to 1; NULL for \
          no rows. Source: A. Rosenberg and J. Hirschberg, V-Measure, 2007.",
    make: |given| Ok(single(comparing("ML_HOMOGENEITY", Homogeneity, given)?)),
    make_grouped: |given| Ok(grouped(comparing("ML_HOMOGENEITY", Homogeneity, given)?)),
};

/// Whether the rows of each class are in one cluster.
///
/// Formula: 1 − H(cluster | class) / H(cluster), with H the entropy. From 0 to 1; 1 where there is one cluster. `None` for no rows.
/// Source: as [`ML_HOMOGENEITY`].
pub static ML_COMPLETENESS: MetricDef = MetricDef {
    name: "ML_COMPLETENESS",
    key: "Completeness",
    arguments: &[Argument::Class, Argument::Cluster],
    parameters: "",
    doc: "Whether the rows of each class are in one cluster: 1 - H(cluster | class) / H(cluster), with H the entropy. From 0 to 1; NULL \
          for no rows. Source: A. Rosenberg and J. Hirschberg, V-Measure, 2007.",
    make: |given| Ok(single(comparing("ML_COMPLETENESS", Completeness, given)?)),
    make_grouped: |given| Ok(grouped(comparing("ML_COMPLETENESS", Completeness, given)?)),
};

/// The harmonic mean of homogeneity and completeness, which is the mutual information by the mean of both entropies.
///
/// Formula: 2hc / (h + c). From 0 to 1; 0 where both are 0. `None` for no rows. Source: as [`ML_HOMOGENEITY`].
pub static ML_V_MEASURE: MetricDef = MetricDef {
    name: "ML_V_MEASURE",
    key: "VMeasure",
    arguments: &[Argument::Class, Argument::Cluster],
    parameters: "",
    doc: "The harmonic mean of homogeneity and completeness, which is the normalized mutual information of classes and clusters. From 0 \
          to 1; NULL for no rows. Source: A. Rosenberg and J. Hirschberg, V-Measure, 2007.",
    make: |given| Ok(single(comparing("ML_V_MEASURE", VMeasure, given)?)),
    make_grouped: |given| Ok(grouped(comparing("ML_V_MEASURE", VMeasure, given)?)),
};

fn comparing<M: ClusterMeasure>(name: &'static str, measure: M, given: &[Expression]) -> Result<Comparing<M>> {
    Parameters::new(name, "", given).finish()?;
    Ok(Comparing::new(measure))
}

#[derive(Debug)]
struct AdjustedRand;

impl ClusterMeasure for AdjustedRand {
    fn of(&self, table: &Table) -> Option<f64> {
        // Ordered pairs, of rows with themselves too: exact, as there are fewer than 2⁶³ rows.
        let squares =
            |counts: &mut dyn Iterator<Item = u64>| counts.map(|n| i128::from(n) * i128::from(n)).sum::<i128>();
        let rows = i128::from(table.rows);
        let both = squares(&mut table.pairs.iter().map(|(.., n)| *n));
        let (classes, clusters) =
            (squares(&mut table.classes.iter().copied()), squares(&mut table.clusters.iter().copied()));
        let (together, by_class, by_cluster) = (both - rows, classes - both, clusters - both);
        let apart = rows * rows - classes - clusters + both;
        if by_class == 0 && by_cluster == 0 {
            return Some(1.0);
        }
        let [tp, f_n, fp, tn] = [together, by_class, by_cluster, apart].map(|pairs| pairs as f64);
        Some(2.0 * (tp * tn - f_n * fp) / ((tp + f_n) * (f_n + tn) + (tp + fp) * (fp + tn)))
    }
}

/// H(x) in nats.
fn entropy(counts: &[u64], rows: f64) -> f64 {
    if counts.len() < 2 {
        return 0.0;
    }
    counts.iter().map(|&n| n as f64 / rows).map(|share| -share * libm::log(share)).sum()
}

/// H(x | y), of pairs with the rows of their y: 0 where each y has one x.
fn conditional(table: &Table, given: impl Fn(&(usize, usize, u64)) -> u64) -> f64 {
    let term = |pair: &(usize, usize, u64)| {
        let (n, of_given) = (pair.2 as f64, given(pair) as f64);
        -n / table.rows as f64 * libm::log(n / of_given)
    };
    table.pairs.iter().filter(|pair| pair.2 < given(pair)).map(term).sum()
}

/// 1 − H(x | y) / H(x), which is 1 where x is always the same.
fn explained(conditional: f64, entropy: f64) -> f64 {
    if entropy > 0.0 { (1.0 - conditional / entropy).clamp(0.0, 1.0) } else { 1.0 }
}

fn homogeneity(table: &Table) -> f64 {
    explained(conditional(table, |pair| table.clusters[pair.1]), entropy(&table.classes, table.rows as f64))
}

fn completeness(table: &Table) -> f64 {
    explained(conditional(table, |pair| table.classes[pair.0]), entropy(&table.clusters, table.rows as f64))
}

#[derive(Debug)]
struct Homogeneity;

impl ClusterMeasure for Homogeneity {
    fn of(&self, table: &Table) -> Option<f64> {
        Some(homogeneity(table))
    }
}

#[derive(Debug)]
struct Completeness;

impl ClusterMeasure for Completeness {
    fn of(&self, table: &Table) -> Option<f64> {
        Some(completeness(table))
    }
}

#[derive(Debug)]
struct VMeasure;

impl ClusterMeasure for VMeasure {
    fn of(&self, table: &Table) -> Option<f64> {
        let (h, c) = (homogeneity(table), completeness(table));
        Some(if h + c > 0.0 { 2.0 * h * c / (h + c) } else { 0.0 })
    }
}
