//! Embeddings: some numbers for each category of a text, learned as weights are (Guo & Berkhahn 2016).
//!
//! The first row of a table is for what is missing, and for categories that no row was learned of; it starts at 0. A category
//! gets its row with the first step that learns it, and small numbers to start from.

use serde::{Deserialize, Serialize};

use super::optimizer::{Parameter, Step, sum_of_squares};
use super::random::{Purpose, Random};
use super::rows::MISSING;
use super::settings::Settings;

/// Embeddings start within this, on both sides of 0.
const INITIAL: f32 = 0.05;

/// The embeddings of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Embedding {
    /// `(1 + categories) × size`.
    table: Parameter,
}

/// The gradient of a table: only of rows that were touched.
#[derive(Debug, Default)]
pub(super) struct Touched {
    gradient: Vec<f32>,
    rows: Vec<usize>,
}

impl Embedding {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { table: Parameter::new(vec![0.0; settings.embedding_size], settings.adam) }
    }

    /// Categories that have a row.
    pub(super) fn categories(&self, settings: &Settings) -> usize {
        (self.table.values.len() / settings.embedding_size).saturating_sub(1)
    }

    /// Gives rows to the first `categories`; `column` tells the columns apart.
    pub(super) fn grow(&mut self, categories: usize, column: usize, settings: &Settings) {
        for category in self.categories(settings)..categories {
            let mut random = Random::new(settings.seed, Purpose::Embedding { column, category });
            self.table.extend((0..settings.embedding_size).map(|_| random.within(INITIAL)), settings.adam);
        }
    }

    fn row_of(&self, category: u32, settings: &Settings) -> usize {
        if (category as usize) < self.categories(settings) { category as usize + 1 } else { 0 }
    }

    /// The numbers of a category.
    pub(super) fn of(&self, category: u32, settings: &Settings) -> &[f32] {
        &self.table.values[self.row_of(category, settings) * settings.embedding_size..][..settings.embedding_size]
    }

    /// Adds what a row says to the gradient.
    pub(super) fn touch(&self, category: u32, slopes: &[f32], touched: &mut Touched, settings: &Settings) {
        let row = self.row_of(category, settings);
        touched.gradient.resize(self.table.values.len(), 0.0);
        touched.rows.push(row);
        let gradient = &mut touched.gradient[row * settings.embedding_size..][..settings.embedding_size];
        gradient.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += slope);
    }

    /// Moves the rows that were touched along the gradient.
    pub(super) fn step(&mut self, touched: &Touched, step: Step, settings: &Settings) {
        let size = settings.embedding_size;
        for row in &touched.rows {
            self.table.update(row * size, &touched.gradient[row * size..][..size], step);
        }
    }

    /// What was category `i` is from now on `numbers[i]`, or gone.
    pub(super) fn renumber(&mut self, numbers: &[u32], column: usize, settings: &Settings) {
        let size = settings.embedding_size;
        let known = self.categories(settings).min(numbers.len());
        let stay = |number: &&u32| **number != MISSING && (**number as usize) < settings.embeddings_max;
        let categories = numbers[..known].iter().filter(stay).max().map_or(0, |most| *most as usize + 1);
        let mut moved = Self::new(settings);
        moved.grow(categories, column, settings);
        let from = self.table.clone();
        moved.table.copy_rows(&from, size, [(0, 0)]);
        let pairs = numbers[..known].iter().enumerate().filter(|(_, number)| stay(number));
        moved.table.copy_rows(&from, size, pairs.map(|(i, number)| (i + 1, *number as usize + 1)));
        self.table = moved.table;
    }

    /// The average by these shares, of tables of one length.
    pub(super) fn average(all: &[&Self], shares: &[f64]) -> Self {
        Self { table: Parameter::average(&all.iter().map(|one| &one.table).collect::<Vec<_>>(), shares) }
    }

    pub(super) fn is_sound(&self, settings: &Settings) -> bool {
        let (count, size) = (self.table.values.len(), settings.embedding_size);
        self.table.is_sound(count, settings.adam)
            && count.is_multiple_of(size)
            && (1..=settings.embeddings_max + 1).contains(&(count / size))
    }

    /// Bytes of memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        self.table.heap_bytes()
    }

    #[cfg(test)]
    pub(super) fn parameter(&mut self) -> &mut Parameter {
        &mut self.table
    }
}

impl Touched {
    /// Forgets a step.
    pub(super) fn clear(&mut self, settings: &Settings) {
        for row in self.rows.drain(..) {
            self.gradient[row * settings.embedding_size..][..settings.embedding_size].fill(0.0);
        }
    }

    /// Names each row once, in order.
    pub(super) fn settle(&mut self) {
        self.rows.sort_unstable();
        self.rows.dedup();
    }

    /// The squared length of the gradient.
    pub(super) fn squared_norm(&self, settings: &Settings) -> f64 {
        let of =
            |row: &usize| sum_of_squares(&self.gradient[row * settings.embedding_size..][..settings.embedding_size]);
        self.rows.iter().map(of).sum()
    }

    /// Bytes of memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        self.gradient.capacity() * size_of::<f32>() + self.rows.capacity() * size_of::<usize>()
    }

    #[cfg(test)]
    pub(super) fn gradient(&self) -> &[f32] {
        &self.gradient
    }
}
