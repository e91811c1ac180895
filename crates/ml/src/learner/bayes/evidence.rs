//! What is known of the rows of each class, and naive Bayes on it.

use serde::{Deserialize, Serialize};

use super::columns::Columns;
use super::gaussians::Gaussians;

/// What is known of the rows of one class: a distribution a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::learner) struct OfClass {
    pub(in crate::learner) numbers: Gaussians,
    pub(in crate::learner) categories: Box<[CategoryCounts]>,
}

/// The weight of each category of a feature.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::learner) struct CategoryCounts {
    counts: Vec<f64>,
    total: f64,
}

impl CategoryCounts {
    #[inline]
    fn learn(&mut self, category: f64, weight: f64, most: usize) {
        // Missing is NaN, which is not at least 0; a category beyond the limit counts as missing.
        let category = if category >= 0.0 { category as usize } else { most };
        if category >= most {
            return;
        }
        if category >= self.counts.len() {
            self.counts.resize(category + 1, 0.0);
        }
        self.counts[category] += weight;
        self.total += weight;
    }

    /// The weight of a category.
    pub(in crate::learner) fn of(&self, category: usize) -> f64 {
        self.counts.get(category).copied().unwrap_or(0.0)
    }

    /// The weight of all.
    pub(in crate::learner) fn total(&self) -> f64 {
        self.total
    }

    /// How many categories have been met, at least.
    pub(in crate::learner) fn len(&self) -> usize {
        self.counts.len()
    }

    /// The share of a category with one more row of each; 1 for a missing one.
    #[inline]
    fn share(&self, category: f64) -> f64 {
        if category.is_nan() {
            return 1.0;
        }
        (self.of(category as usize) + 1.0) / (self.total + self.counts.len().max(1) as f64)
    }

    fn merge(&mut self, other: &Self) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0.0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, other)| *count += other);
        self.total += other.total;
    }

    fn renumber(&mut self, numbers: &[u32]) {
        let counts = std::mem::take(&mut self.counts);
        for (count, number) in counts.into_iter().zip(numbers) {
            if *number == u32::MAX {
                self.total -= count;
                continue;
            }
            let category = *number as usize;
            if category >= self.counts.len() {
                self.counts.resize(category + 1, 0.0);
            }
            self.counts[category] = count;
        }
    }

    fn forget(&mut self, before: &Self) {
        self.counts.iter_mut().zip(&before.counts).for_each(|(now, then)| *now -= then);
        self.total -= before.total;
    }
}

impl OfClass {
    fn new(columns: &Columns) -> Self {
        let categories = columns.categories.iter().map(|_| CategoryCounts::default()).collect();
        Self { numbers: Gaussians::new(columns.numbers.len()), categories }
    }

    /// The logarithm of the probability of a row's features in this class, taken as independent.
    #[inline]
    fn log_likelihood(&self, numbers: &[f64], x: &[f64], columns: &Columns) -> f64 {
        let mut log = self.numbers.log_density(numbers);
        let mut product = 1.0;
        for (counts, feature) in self.categories.iter().zip(&columns.categories) {
            product *= counts.share(x[*feature as usize]);
            if product < 1e-200 {
                log += libm::log(product);
                product = 1.0;
            }
        }
        if product < 1.0 {
            log += libm::log(product);
        }
        log
    }

    fn heap_bytes(&self) -> usize {
        let counts: usize = self.categories.iter().map(|counts| counts.counts.capacity() * size_of::<f64>()).sum();
        self.numbers.heap_bytes() + self.categories.len() * size_of::<CategoryCounts>() + counts
    }
}

/// What is known of the rows of each class. Classes that were not met take no memory but a pointer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::learner) struct Evidence {
    classes: Vec<Option<Box<OfClass>>>,
}

impl Evidence {
    /// Takes in a row. Of each feature at most `categories_max` categories are told apart.
    pub(in crate::learner) fn learn(
        &mut self,
        numbers: &[f64],
        x: &[f64],
        columns: &Columns,
        class: usize,
        weight: f64,
        categories_max: usize,
    ) {
        if class >= self.classes.len() {
            self.classes.resize(class + 1, None);
        }
        let of_class = self.classes[class].get_or_insert_with(|| Box::new(OfClass::new(columns)));
        of_class.numbers.learn(numbers, weight);
        for (counts, feature) in of_class.categories.iter_mut().zip(&columns.categories) {
            counts.learn(x[*feature as usize], weight, categories_max);
        }
    }

    /// Makes ready for [`Evidence::posterior`] what rows have changed.
    #[inline]
    pub(in crate::learner) fn refresh(&mut self) {
        for of_class in self.classes.iter_mut().flatten() {
            of_class.numbers.refresh();
        }
    }

    /// Writes the probability of each class by naive Bayes, where `counts` is the weight of each; classes without evidence
    /// have none. Says whether any class is possible at all; otherwise nothing of use was written.
    #[inline]
    pub(in crate::learner) fn posterior(
        &self,
        numbers: &[f64],
        x: &[f64],
        columns: &Columns,
        counts: &[f64],
        probabilities: &mut [f64],
    ) -> bool {
        let mut most = f64::NEG_INFINITY;
        for (class, probability) in probabilities.iter_mut().enumerate() {
            let count = counts.get(class).copied().unwrap_or(0.0);
            *probability = match self.of(class) {
                Some(of_class) if count > 0.0 => libm::log(count) + of_class.log_likelihood(numbers, x, columns),
                _ => f64::NEG_INFINITY,
            };
            most = most.max(*probability);
        }
        // Beyond this some number is one that no class has ever had.
        if most < -1e100 {
            return false;
        }
        let mut sum = 0.0;
        for probability in probabilities.iter_mut() {
            *probability = crate::learner::linear::exponential::exp(*probability - most);
            sum += *probability;
        }
        probabilities.iter_mut().for_each(|probability| *probability /= sum);
        true
    }

    /// What is known of a class.
    #[inline]
    pub(in crate::learner) fn of(&self, class: usize) -> Option<&OfClass> {
        self.classes.get(class)?.as_deref()
    }

    /// The classes of which something is known, and what.
    pub(in crate::learner) fn iter(&self) -> impl Iterator<Item = (usize, &OfClass)> {
        self.classes.iter().enumerate().filter_map(|(class, of_class)| Some((class, of_class.as_deref()?)))
    }

    /// Takes in what was learned from other rows.
    pub(in crate::learner) fn merge(&mut self, other: &Self) {
        if other.classes.len() > self.classes.len() {
            self.classes.resize(other.classes.len(), None);
        }
        for (mine, theirs) in self.classes.iter_mut().zip(&other.classes) {
            match (mine, theirs) {
                (Some(mine), Some(theirs)) => {
                    mine.numbers.merge(&theirs.numbers);
                    mine.categories.iter_mut().zip(&theirs.categories).for_each(|(mine, theirs)| mine.merge(theirs));
                }
                (mine @ None, Some(theirs)) => *mine = Some(theirs.clone()),
                (_, None) => {}
            }
        }
    }

    /// Takes out what was learned before, of which this is a continuation.
    pub(in crate::learner) fn forget(&mut self, before: &Self) {
        for (now, then) in self.classes.iter_mut().zip(&before.classes) {
            if let (Some(now), Some(then)) = (now, then) {
                now.numbers.forget(&then.numbers);
                now.categories.iter_mut().zip(&then.categories).for_each(|(now, then)| now.forget(then));
            }
        }
    }

    /// What was category `i` of the feature at `at` among the categories is from now on `numbers[i]`, or gone.
    pub(in crate::learner) fn renumber_categories(&mut self, at: usize, numbers: &[u32]) {
        for of_class in self.classes.iter_mut().flatten() {
            of_class.categories[at].renumber(numbers);
        }
    }

    /// What was class `i` is from now on class `numbers[i]`.
    pub(in crate::learner) fn renumber(&mut self, numbers: &[u32]) {
        let classes = std::mem::take(&mut self.classes);
        for (of_class, number) in classes.into_iter().zip(numbers) {
            let class = *number as usize;
            if class >= self.classes.len() {
                self.classes.resize(class + 1, None);
            }
            self.classes[class] = of_class;
        }
    }

    /// Whether it is of these features and at most so many classes.
    pub(in crate::learner) fn fits(&self, columns: &Columns, classes: usize) -> bool {
        self.classes.len() <= classes
            && self.classes.iter().flatten().all(|of_class| {
                of_class.numbers.fits(columns.numbers.len()) && of_class.categories.len() == columns.categories.len()
            })
    }

    /// Bytes of memory beyond its own size.
    pub(in crate::learner) fn heap_bytes(&self) -> usize {
        let of_classes = self.classes.iter().flatten().map(|of_class| size_of::<OfClass>() + of_class.heap_bytes());
        self.classes.capacity() * size_of::<usize>() + of_classes.sum::<usize>()
    }
}
