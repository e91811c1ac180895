//! The transforms of a model, compiled: rows in, features out.

use arrow::array::ArrayRef;
use hashbrown::HashSet;
use serde::{Deserialize, Serialize};

use super::categories::NONE;
use super::compile::compile;
use super::{Inputs, Replica, Source, StepValues, Target, Transform, Values};
use crate::block::Block;
use crate::learner::{FeatureKind, Features};
use crate::rows::{Column, Dictionary, Rows, Texts};
use crate::snapshot::{SnapshotError, decode, encode};
use crate::{Error, ModelSpec, Result};

/// The transforms of a model and what they have learned.
///
/// ```text
///  rows ──► step 0 ──► step 1 …     each step a column at a time, over some hundred rows
///             │          │
///             └────┬─────┘
///                  ▼
///           Block: dense features by slot, sparse features by index
/// ```
/// Learning is exactly sequential although it works by columns: for row *i* the features *before* come from statistics of
/// rows `0 … i − 1`, the features *after* from statistics that include row *i*. A learned step over a learned step takes in
/// what the inner one gives *after*. A step that learns from labels is told those of rows `0 … i − 1` for both.
///
/// Sparse features are numbered as they are met, row by row, so that their numbers too depend on the rows and their order
/// alone. Features of fixed number (given categories, hashes) come first.
#[derive(Debug)]
pub struct Pipeline {
    columns: Vec<Column>,
    dictionaries: Vec<Dictionary>,
    open: Vec<bool>,
    steps: Vec<Step>,
    dense: Vec<DenseFeature>,
    sparse: Vec<SparseGroup>,
    /// The number of sparse features that do not grow.
    fixed: u32,
    /// Group and index within the group of each further sparse feature.
    grown: Vec<(u32, u32)>,
    learns: bool,
    /// Whether every text is kept that is read. What was learned may then be replaced, and a text that was of no use be known.
    keeps_texts: bool,
}

/// One transform and where it takes its columns from.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) function: &'static str,
    pub(super) transform: Box<dyn Transform>,
    pub(super) sources: Vec<Source>,
    /// Whether its result changes as rows are learned.
    pub(super) differs: bool,
}

/// A slot of the dense features.
#[derive(Debug)]
pub(super) struct DenseFeature {
    pub(super) source: Source,
    pub(super) name: String,
    pub(super) kind: FeatureKind,
}

/// The sparse features of one step.
#[derive(Debug)]
pub(super) struct SparseGroup {
    step: usize,
    /// How many entries a row has at most; nothing where that differs from row to row.
    columns: Option<usize>,
    /// How many there are, where it is fixed.
    pub(super) features: Option<u32>,
    has_values: bool,
    name: String,
    /// The number of the first feature, where it is fixed.
    base: u32,
    /// The number of each feature that was met, where they grow.
    numbers: Vec<u32>,
    /// How many of those are numbered.
    numbered: usize,
}

impl SparseGroup {
    pub(super) fn new(
        step: usize,
        columns: Option<usize>,
        features: Option<u32>,
        has_values: bool,
        name: String,
    ) -> Self {
        Self { step, columns, features, has_values, name, base: 0, numbers: Vec::new(), numbered: 0 }
    }

    #[inline]
    fn number(&self, index: u32) -> u32 {
        match self.features {
            _ if index == NONE => NONE,
            Some(_) => self.base + index,
            None => self.numbers.get(index as usize).copied().unwrap_or(NONE),
        }
    }
}

/// Buffers of a pipeline; kept by whoever runs it, so that a run allocates nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    steps: Vec<StepValues>,
}

/// The name of a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// The item of the `TRANSFORM` clause, or the input column.
    pub processed_input: String,
    /// The category that a sparse feature stands for.
    pub category: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    steps: Vec<Vec<u8>>,
    grown: Vec<(u32, u32)>,
}

impl Pipeline {
    /// Compiles the transforms of a model, whose learner takes such features and whose label is `target`. `categories_max` is
    /// its option `max-categories`.
    ///
    /// # Errors
    /// [`Error::Spec`] when a function or column is unknown, an argument wrong, or the learner does not take what comes out; it
    /// names the item.
    pub fn compile(spec: &ModelSpec, categories_max: u32, features: Features, target: Target) -> Result<Self> {
        compile(spec, categories_max, features, target)
    }

    pub(super) fn new(
        columns: Vec<Column>,
        dictionaries: Vec<Dictionary>,
        steps: Vec<Step>,
        dense: Vec<DenseFeature>,
        mut sparse: Vec<SparseGroup>,
    ) -> Self {
        let mut fixed = 0;
        for group in &mut sparse {
            group.base = fixed;
            fixed += group.features.unwrap_or(0);
        }
        let learns = steps.iter().any(|step| step.transform.learns());
        let open = vec![false; dictionaries.len()];
        let mut grown = Vec::new();
        for (g, group) in sparse.iter_mut().enumerate().filter(|(_, group)| group.features.is_none()) {
            // A feature for unknown categories is there before any row.
            for index in 0..steps[group.step].transform.categories() {
                group.numbers.push(fixed + grown.len() as u32);
                group.numbered += 1;
                grown.push((g as u32, index));
            }
        }
        let mut pipeline =
            Self { columns, dictionaries, open, steps, dense, sparse, fixed, grown, learns, keeps_texts: false };
        pipeline.find_open();
        pipeline
    }

    /// The input columns and how each is read.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// What gives texts their ids.
    pub fn dictionaries(&self) -> &[Dictionary] {
        &self.dictionaries
    }

    /// Reads the texts of rows to be learned; rows with a NaN for a label are not. New texts get ids while some transform
    /// has room for one more category.
    pub fn read_texts(&mut self, rows: &mut Rows, arrays: &[ArrayRef], labels: &[f64]) {
        self.find_open();
        let labels = if self.keeps_texts { &[] } else { labels };
        let texts = Texts::Intern { dictionaries: &mut self.dictionaries, open: &self.open, labels };
        rows.read_texts(&self.columns, arrays, texts);
    }

    /// Gives texts of rows that wait to be learned their ids.
    pub(crate) fn intern(&mut self, dictionary: usize, texts: &[String]) -> Vec<u32> {
        texts.iter().map(|text| self.dictionaries[dictionary].intern(text)).collect()
    }

    /// Whether some transform knows this text as a category, or has room for it.
    pub(crate) fn has_use_for(&self, dictionary: usize, id: u32) -> bool {
        if self.keeps_texts {
            return true;
        }
        let takes = |step: &&Step| self.dictionary_of(step.sources[0]) == Some(dictionary);
        self.steps.iter().filter(takes).any(|step| step.transform.open() || step.transform.knows(id))
    }

    fn find_open(&mut self) {
        self.open.fill(self.keeps_texts);
        for step in self.steps.iter().filter(|step| step.transform.open()) {
            if let Some(dictionary) = self.dictionary_of(step.sources[0]) {
                self.open[dictionary] = true;
            }
        }
    }

    fn dictionary_of(&self, source: Source) -> Option<usize> {
        match source {
            Source::Input(input) => self.columns[input].dictionary,
            Source::Step { step, .. } => match self.steps[step].transform.output() {
                super::Output::Category(dictionary) => Some(dictionary),
                _ => None,
            },
        }
    }

    /// Whether any transform learns. If not, features before and after a row are the same.
    pub fn learns(&self) -> bool {
        self.learns
    }

    /// The transform that learns from labels, if one does.
    pub fn learns_from_labels(&self) -> Option<&'static str> {
        self.steps.iter().find(|step| step.transform.learns_from_labels()).map(|step| step.function)
    }

    /// The number of dense features.
    pub fn dense_width(&self) -> usize {
        self.dense.len()
    }

    /// What the dense features are.
    pub fn dense_kinds(&self) -> Vec<FeatureKind> {
        self.dense.iter().map(|feature| feature.kind).collect()
    }

    /// The number here of each category of another's dense features that are categories, all of which are known here; by
    /// feature, and only where numbers differ. [`NONE`] for those that found no room.
    pub(crate) fn categories_of(&self, other: &Self) -> Vec<(usize, Vec<u32>)> {
        let mut moved = Vec::new();
        for (slot, feature) in self.dense.iter().enumerate().filter(|(_, f)| f.kind == FeatureKind::Category) {
            let Source::Step { step, .. } = feature.source else { continue };
            let (mine, theirs) = (&self.steps[step].transform, &other.steps[step].transform);
            let number = |index| {
                let name = theirs.category(index, &other.dictionaries)?;
                mine.index_of(&name, &self.dictionaries)
            };
            let numbers: Vec<u32> = (0..theirs.categories()).map(|index| number(index).unwrap_or(NONE)).collect();
            if numbers.iter().enumerate().any(|(i, number)| i != *number as usize) {
                moved.push((slot, numbers));
            }
        }
        moved
    }

    /// The number of sparse features met so far.
    pub fn sparse_count(&self) -> usize {
        self.fixed as usize + self.grown.len()
    }

    /// Computes the features of rows `start .. start + len` with the statistics as they are.
    pub fn apply(&self, rows: &Rows, start: usize, len: usize, block: &mut Block, scratch: &mut Scratch) {
        scratch.steps.resize_with(self.steps.len(), StepValues::default);
        for (i, step) in self.steps.iter().enumerate() {
            let (steps, rest) = scratch.steps.split_at_mut(i);
            let inputs = Inputs { sources: &step.sources, rows, start, len, steps, before: false, targets: &[] };
            rest[0].differs = false;
            step.transform.apply(inputs, &mut rest[0].after);
        }
        self.fill(rows, start, len, false, block, scratch);
    }

    /// Learns from rows `start .. start + len`, whose targets are given, and computes their features: into `after` with
    /// statistics that include the row, and if asked for into `before` with statistics as they stood before it.
    pub fn learn(
        &mut self,
        rows: &Rows,
        (start, targets): (usize, &[f64]),
        before: Option<&mut Block>,
        after: &mut Block,
        scratch: &mut Scratch,
    ) {
        let len = targets.len();
        scratch.steps.resize_with(self.steps.len(), StepValues::default);
        let wants_before = before.is_some();
        for (i, step) in self.steps.iter_mut().enumerate() {
            let (steps, rest) = scratch.steps.split_at_mut(i);
            let inputs = |before| Inputs { sources: &step.sources, rows, start, len, steps, before, targets };
            let out = &mut rest[0];
            out.differs = wants_before && step.differs;
            if step.transform.learns() {
                let earlier = wants_before.then(|| (inputs(true), &mut out.before));
                step.transform.learn(earlier, inputs(false), &mut out.after);
            } else {
                step.transform.apply(inputs(false), &mut out.after);
                if out.differs {
                    step.transform.apply(inputs(true), &mut out.before);
                }
            }
        }
        self.number_new(len, scratch);
        self.fill(rows, start, len, false, after, scratch);
        if let Some(before) = before {
            self.fill(rows, start, len, true, before, scratch);
        }
    }

    /// Numbers sparse features that were met for the first time, in the order of rows and, within a row, of groups.
    fn number_new(&mut self, len: usize, scratch: &Scratch) {
        let mut any_new = false;
        for group in self.sparse.iter_mut().filter(|group| group.features.is_none()) {
            let count = self.steps[group.step].transform.categories() as usize;
            group.numbers.resize(count, NONE);
            any_new |= group.numbered < count;
        }
        if !any_new {
            return;
        }
        for row in 0..len {
            for (g, group) in self.sparse.iter_mut().enumerate().filter(|(_, group)| group.features.is_none()) {
                let index = scratch.steps[group.step].after.ids[row];
                if index != NONE && group.numbers[index as usize] == NONE {
                    group.numbers[index as usize] = self.fixed + self.grown.len() as u32;
                    group.numbered += 1;
                    self.grown.push((g as u32, index));
                }
            }
        }
    }

    /// Moves what the steps computed into a block.
    fn fill(&self, rows: &Rows, start: usize, len: usize, before: bool, block: &mut Block, scratch: &Scratch) {
        let width = self.dense.len();
        block.reset(len, width);
        if len == 0 {
            return;
        }
        for (slot, feature) in self.dense.iter().enumerate() {
            let sources = std::slice::from_ref(&feature.source);
            let steps = &scratch.steps;
            let values = Inputs { sources, rows, start, len, steps, before, targets: &[] }.numbers(0);
            for (place, value) in block.dense[slot..].iter_mut().step_by(width).zip(values) {
                *place = *value;
            }
        }
        if self.sparse.is_empty() {
            return;
        }
        for row in 0..len {
            for group in &self.sparse {
                let step = &scratch.steps[group.step];
                let values: &Values = if before && step.differs { &step.before } else { &step.after };
                let Some(columns) = group.columns else {
                    let start = if row == 0 { 0 } else { values.ends[row - 1] as usize };
                    let entries = start..values.ends[row] as usize;
                    block.indices.extend(values.ids[entries.clone()].iter().map(|index| group.number(*index)));
                    block.values.extend_from_slice(&values.numbers[entries]);
                    continue;
                };
                for column in 0..columns {
                    let number = group.number(values.ids[column * len + row]);
                    if number != NONE {
                        block.indices.push(number);
                        block.values.push(if group.has_values { values.numbers[column * len + row] } else { 1.0 });
                    }
                }
            }
            block.offsets[row + 1] = block.indices.len() as u32;
        }
    }

    /// The inputs that each dense feature is made of; and those of each place where a row may have a sparse entry, by
    /// [`Pipeline::places`].
    pub(crate) fn origins(&self) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        let dense = self.dense.iter().map(|feature| self.inputs_of(feature.source)).collect();
        let places = self.sparse.iter().flat_map(|group| {
            // However many words a row has, they are of one column.
            (0..group.columns.unwrap_or(1)).map(|column| self.inputs_of(Source::Step { step: group.step, column }))
        });
        (dense, places.collect())
    }

    /// The inputs that a column is made of, in order.
    fn inputs_of(&self, source: Source) -> Vec<usize> {
        let (step, column) = match source {
            Source::Input(input) => return vec![input],
            Source::Step { step, column } => (&self.steps[step], column),
        };
        let origins = step.transform.origins(column, step.sources.len());
        let mut inputs: Vec<usize> = origins.into_iter().flat_map(|at| self.inputs_of(step.sources[at])).collect();
        inputs.sort_unstable();
        inputs.dedup();
        inputs
    }

    /// Writes the place of each sparse entry of so many rows that [`Pipeline::apply`] has computed: groups in order, and their columns
    /// in order.
    pub(crate) fn places(&self, len: usize, scratch: &Scratch, places: &mut Vec<u32>) {
        places.clear();
        for row in 0..len {
            let mut place = 0;
            for group in &self.sparse {
                let values = &scratch.steps[group.step].after;
                let Some(columns) = group.columns else {
                    let start = if row == 0 { 0 } else { values.ends[row - 1] };
                    places.extend((start..values.ends[row]).map(|_| place));
                    place += 1;
                    continue;
                };
                for column in 0..columns {
                    if group.number(values.ids[column * len + row]) != NONE {
                        places.push(place);
                    }
                    place += 1;
                }
            }
        }
    }

    /// The names of the dense features, by slot.
    pub fn dense_features(&self) -> impl Iterator<Item = Feature> + '_ {
        self.dense.iter().map(|feature| Feature { processed_input: feature.name.clone(), category: None })
    }

    /// What sparse features are made of.
    pub(crate) fn sparse_names(&self) -> impl Iterator<Item = &str> {
        self.sparse.iter().map(|group| group.name.as_str())
    }

    /// The name of a sparse feature.
    pub fn sparse_feature(&self, number: u32) -> Option<Feature> {
        let (group, index) = if number < self.fixed {
            let holds = |group: &&SparseGroup| number < group.base + group.features.unwrap_or(0);
            let group = self.sparse.iter().filter(|group| group.features.is_some()).find(holds)?;
            (group, number - group.base)
        } else {
            let (group, index) = self.grown.get((number - self.fixed) as usize)?;
            (&self.sparse[*group as usize], *index)
        };
        let category = self.steps[group.step].transform.category(index, &self.dictionaries);
        Some(Feature { processed_input: group.name.clone(), category })
    }

    /// All that was learned, as bytes.
    pub fn save(&self) -> Vec<u8> {
        let steps = self.steps.iter().map(|step| step.transform.save(&self.dictionaries)).collect();
        encode(&Saved { steps, grown: self.grown.clone() })
    }

    /// Replaces what was learned.
    ///
    /// # Errors
    /// When the bytes are not from a pipeline of the same transforms.
    pub fn load(&mut self, state: &[u8]) -> Result<(), SnapshotError> {
        let saved: Saved = decode(state)?;
        if saved.steps.len() != self.steps.len() {
            return Err(SnapshotError::Content("the number of transforms differs".to_string()));
        }
        for (step, state) in self.steps.iter_mut().zip(&saved.steps) {
            step.transform.load(state, &mut self.dictionaries)?;
        }
        self.grown.clear();
        for group in self.sparse.iter_mut().filter(|group| group.features.is_none()) {
            group.numbers.clear();
            group.numbered = 0;
            group.numbers.resize(self.steps[group.step].transform.categories() as usize, NONE);
        }
        let mut seen = HashSet::new();
        for (g, index) in saved.grown {
            let group = self.sparse.get_mut(g as usize).filter(|group| group.features.is_none());
            let place = group.and_then(|group| Some((group.numbers.get_mut(index as usize)?, &mut group.numbered)));
            match place {
                Some((place, numbered)) if seen.insert((g, index)) => {
                    *place = self.fixed + self.grown.len() as u32;
                    *numbered += 1;
                }
                _ => return Err(SnapshotError::Content("sparse features do not fit their categories".to_string())),
            }
            self.grown.push((g, index));
        }
        Ok(())
    }

    /// Takes in what another one has learned from other rows. Returns the number here of each sparse feature there;
    /// [`NONE`] for those that found no room.
    ///
    /// # Errors
    /// [`Error::Merge`] when the transforms are not the same.
    pub fn merge(&mut self, other: &Self) -> Result<Vec<u32>> {
        let same = self.steps.len() == other.steps.len()
            && self.steps.iter().zip(&other.steps).all(|(a, b)| a.function == b.function && a.sources == b.sources);
        if !same || self.fixed != other.fixed {
            return Err(Error::Merge("the models' transforms differ".to_string()));
        }
        for (step, theirs) in self.steps.iter_mut().zip(&other.steps) {
            step.transform.merge(&theirs.transform.save(&other.dictionaries), &mut self.dictionaries)?;
        }
        Ok(self.numbers_of(other))
    }

    /// Keeps from now on every text that is read, since what was learned is going to be replaced.
    pub(crate) fn keep_texts(&mut self) {
        self.keeps_texts = true;
    }

    /// How many texts are kept.
    pub(crate) fn texts(&self) -> usize {
        self.dictionaries.iter().map(Dictionary::len).sum()
    }

    /// From here on several go on apart, to be put together by [`Pipeline::merge_since`].
    pub(crate) fn branch(&mut self) {
        self.steps.iter_mut().for_each(|step| step.transform.branch());
    }

    /// What the transforms keep apart since [`Pipeline::branch`].
    pub(crate) fn apart(&self) -> Vec<Vec<u8>> {
        self.steps.iter().map(|step| step.transform.apart()).collect()
    }

    /// Replaces what the transforms keep apart.
    ///
    /// # Errors
    /// When it is not of a pipeline of the same transforms.
    pub(crate) fn load_apart(&mut self, apart: &[Vec<u8>]) -> Result<(), SnapshotError> {
        if apart.len() != self.steps.len() {
            return Err(SnapshotError::Content("the number of transforms differs".to_string()));
        }
        self.steps.iter_mut().zip(apart).try_for_each(|(step, apart)| step.transform.load_apart(apart))
    }

    /// Becomes what pipelines make together that all were as this one is and went on apart. Returns for each the number here of
    /// each of its sparse features.
    ///
    /// # Errors
    /// [`Error::Merge`] when a transform cannot be trained in parallel.
    pub(crate) fn merge_since(&mut self, replicas: &[&Self]) -> Result<Vec<Vec<u32>>> {
        for (i, step) in self.steps.iter_mut().enumerate() {
            let of_replica = |replica: &&Self| {
                let transform = &replica.steps[i].transform;
                Replica { state: transform.save(&replica.dictionaries), apart: transform.apart() }
            };
            let replicas: Vec<Replica> = replicas.iter().map(of_replica).collect();
            step.transform.merge_since(&replicas, &mut self.dictionaries).map_err(|error| match error {
                Error::Merge(what) => Error::Merge(format!("{}: {what}", step.function)),
                other => other,
            })?;
        }
        Ok(replicas.iter().map(|replica| self.numbers_of(replica)).collect())
    }

    /// The number here of each sparse feature of another, whose categories are all known here; new ones get their numbers.
    /// [`NONE`] for those that found no room.
    fn numbers_of(&mut self, other: &Self) -> Vec<u32> {
        let mut numbers: Vec<u32> = (0..self.fixed).collect();
        for (g, index) in &other.grown {
            let group = &mut self.sparse[*g as usize];
            let transform = &self.steps[group.step].transform;
            group.numbers.resize(transform.categories() as usize, NONE);
            let name = other.steps[group.step].transform.category(*index, &other.dictionaries);
            let place = name
                .and_then(|name| transform.index_of(&name, &self.dictionaries))
                .and_then(|index| Some((index, group.numbers.get_mut(index as usize)?)));
            numbers.push(match place {
                None => NONE,
                Some((index, number)) => {
                    if *number == NONE {
                        *number = self.fixed + self.grown.len() as u32;
                        group.numbered += 1;
                        self.grown.push((*g, index));
                    }
                    *number
                }
            });
        }
        numbers
    }

    /// Bytes of memory that dictionaries and statistics take.
    pub fn state_bytes(&self) -> usize {
        let dictionaries: usize = self.dictionaries.iter().map(Dictionary::state_bytes).sum();
        let steps: usize = self.steps.iter().map(|step| step.transform.state_bytes()).sum();
        let numbers: usize = self.sparse.iter().map(|group| group.numbers.capacity() * 4).sum();
        dictionaries + steps + numbers + self.grown.capacity() * 8
    }
}
