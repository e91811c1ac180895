//! Labels: from an Arrow column to targets of a learner.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use tidegate_options::{Options, nearest};

use crate::rows::{Dictionary, LARGEST, NULL, UNKNOWN, is_taken, read};
use crate::snapshot::SnapshotError;
use crate::{DataFault, Error, InputKind, LabelKind, Result};

/// The label of a model: its classes, or that it is a number.
///
/// Classes are `false, true`, or declared by the option `classes`, or met in the rows. A label that is met gets an id when
/// its row arrives, but becomes a class only when a row of it is learned: rows may wait in between.
#[derive(Debug, Clone)]
pub(crate) struct Labels {
    kind: LabelKind,
    declared: bool,
    labels_max: usize,
    texts: Dictionary,
    integers: HashMap<i64, u32>,
    values: Vec<i64>,
    /// The class of each label id; [`UNKNOWN`] while none of its rows was learned.
    class_of: Vec<u32>,
    /// The label id of each class.
    classes: Vec<u32>,
}

/// Classes as they are saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedClasses(Vec<String>);

impl Labels {
    pub(crate) fn new(kind: LabelKind, options: &Options) -> Result<Self> {
        let mut labels = Self {
            kind,
            declared: false,
            labels_max: usize::try_from(options.int("max-classes")).unwrap_or(usize::MAX),
            texts: Dictionary::default(),
            integers: HashMap::new(),
            values: Vec::new(),
            class_of: Vec::new(),
            classes: Vec::new(),
        };
        let declared = options.list("classes");
        let given = options.is_given("classes");
        let refuse = |what: String| Err(Error::Spec(format!("option 'classes': {what}")));
        match kind {
            LabelKind::Number if given => return refuse("the label is a number, which has no classes".to_string()),
            LabelKind::None if given => return refuse("the task has no label".to_string()),
            LabelKind::Boolean if given && declared != ["false", "true"] => {
                return refuse("the label is BOOLEAN, whose classes are false, true; leave the option out".to_string());
            }
            LabelKind::Boolean => labels.declared = true,
            LabelKind::Integer | LabelKind::Text if given => {
                if declared.len() < 2 {
                    return refuse(format!("found {} classes; expected at least two", declared.len()));
                }
                for name in declared {
                    let id = match labels.intern_name(name) {
                        Some(id) => id,
                        None => return refuse(format!("'{name}' is not a whole number, as the label is")),
                    };
                    if (id as usize) < labels.classes.len() {
                        return refuse(format!("'{name}' stands twice"));
                    }
                    labels.activate(id);
                }
                labels.declared = true;
            }
            _ => {}
        }
        Ok(labels)
    }

    fn intern_name(&mut self, name: &str) -> Option<u32> {
        match self.kind {
            LabelKind::Text => Some(self.texts.intern(name)),
            LabelKind::Integer => Some(self.intern_integer(name.parse().ok()?)),
            LabelKind::Boolean | LabelKind::Number | LabelKind::None => None,
        }
    }

    fn intern_integer(&mut self, value: i64) -> u32 {
        let next = self.values.len() as u32;
        let id = *self.integers.entry(value).or_insert(next);
        if id == next {
            self.values.push(value);
        }
        id
    }

    /// How many labels are known, classes or not.
    fn known(&self) -> usize {
        match self.kind {
            LabelKind::Text => self.texts.len(),
            _ => self.values.len(),
        }
    }

    /// The number of classes; 0 for a number.
    pub(crate) fn count(&self) -> usize {
        match self.kind {
            LabelKind::Boolean => 2,
            LabelKind::Number | LabelKind::None => 0,
            LabelKind::Integer | LabelKind::Text => self.classes.len(),
        }
    }

    /// Whether all classes are known beforehand.
    pub(crate) fn declared(&self) -> bool {
        self.declared
    }

    /// Whether what [`Labels::read`] gives are targets as they are: numbers, or indices of declared classes.
    pub(crate) fn are_targets(&self) -> bool {
        self.declared || matches!(self.kind, LabelKind::Number | LabelKind::None)
    }

    /// Whether rows have labels at all.
    pub(crate) fn are_there(&self) -> bool {
        self.kind != LabelKind::None
    }

    /// The class of a label that [`Labels::read`] gave, if a row of it was learned.
    #[inline]
    pub(crate) fn class(&self, label: f64) -> Option<u32> {
        if self.are_targets() {
            return Some(label as u32);
        }
        self.class_of.get(label as usize).copied().filter(|class| *class != UNKNOWN)
    }

    /// Makes a label a class.
    pub(crate) fn activate(&mut self, id: u32) -> u32 {
        if self.class_of.len() <= id as usize {
            self.class_of.resize(id as usize + 1, UNKNOWN);
        }
        let class = &mut self.class_of[id as usize];
        if *class == UNKNOWN {
            *class = self.classes.len() as u32;
            self.classes.push(id);
        }
        *class
    }

    /// The name of a class.
    pub(crate) fn name(&self, class: usize) -> String {
        match (self.kind, self.classes.get(class)) {
            (LabelKind::Boolean, _) => (class == 1).to_string(),
            (LabelKind::Integer, Some(id)) => self.values[*id as usize].to_string(),
            (LabelKind::Text, Some(id)) => self.texts.text(*id).to_string(),
            _ => String::new(),
        }
    }

    /// The names of all classes.
    pub(crate) fn names(&self) -> Vec<String> {
        (0..self.count()).map(|class| self.name(class)).collect()
    }

    /// The value of an integer class.
    pub(crate) fn integer(&self, class: usize) -> i64 {
        self.classes.get(class).and_then(|id| self.values.get(*id as usize)).copied().unwrap_or_default()
    }

    /// The text of a text class.
    pub(crate) fn text(&self, class: usize) -> &str {
        self.classes.get(class).map(|id| self.texts.text(*id)).unwrap_or_default()
    }

    /// The name of a label that [`Labels::read`] gave; for those that wait.
    pub(crate) fn label_name(&self, label: f64) -> String {
        match self.kind {
            LabelKind::Text => self.texts.text(label as u32).to_string(),
            LabelKind::Integer => self.values.get(label as usize).copied().unwrap_or_default().to_string(),
            LabelKind::Boolean | LabelKind::Number | LabelKind::None => String::new(),
        }
    }

    /// The label with this name, a new one if need be; for those that wait.
    pub(crate) fn label_of_name(&mut self, name: &str) -> Option<f64> {
        let known = self.known();
        let id = self.intern_name(name)?;
        let is_new = id as usize >= known;
        (!is_new || (!self.declared && known < self.labels_max)).then_some(f64::from(id))
    }

    /// Reads a label a row: an id, or a number; NaN where it is NULL. New labels are taken in; if `faults` were found, the
    /// caller takes them back with [`Labels::forget`].
    ///
    /// # Errors
    /// [`Error::Batch`] when the column is of another type.
    pub(crate) fn read(
        &mut self,
        array: &ArrayRef,
        column: &str,
        out: &mut Vec<f64>,
        faults: &mut Vec<DataFault>,
    ) -> Result<()> {
        out.clear();
        let kind = InputKind::of(array.data_type());
        let fault = |row, reason| DataFault { row, column: column.to_string(), reason };
        let expected = match self.kind {
            LabelKind::Number if kind == Some(InputKind::Number) => {
                read::numbers(array, out);
                for (row, value) in out.iter().enumerate().filter(|(_, v)| !is_taken(**v)) {
                    if !(value.is_nan() && array.is_null(row)) {
                        faults.push(fault(
                            row,
                            format!("is {value:e}; expected a label of at most {LARGEST:e}, or NULL"),
                        ));
                    }
                }
                return Ok(());
            }
            LabelKind::Number => "a number",
            LabelKind::Boolean if kind == Some(InputKind::Flag) => {
                read::numbers(array, out);
                return Ok(());
            }
            LabelKind::Boolean => "BOOLEAN",
            LabelKind::Integer if array.data_type().is_integer() => {
                self.read_integers(array, column, out, faults)?;
                return Ok(());
            }
            LabelKind::Integer => "an integer",
            LabelKind::Text if kind == Some(InputKind::Text) => {
                self.read_texts(array, column, out, faults);
                return Ok(());
            }
            LabelKind::Text => "STRING",
            LabelKind::None => return Err(Error::Batch(format!("label '{column}' given, where the task has none"))),
        };
        Err(Error::Batch(format!(
            "label '{column}' has type {}; the model's output makes it {expected}",
            array.data_type()
        )))
    }

    fn read_integers(
        &mut self,
        array: &ArrayRef,
        column: &str,
        out: &mut Vec<f64>,
        faults: &mut Vec<DataFault>,
    ) -> Result<()> {
        let wide = arrow::compute::cast(array, &DataType::Int64)
            .map_err(|error| Error::Batch(format!("label '{column}': {error}")))?;
        let wide = wide.as_primitive::<arrow::datatypes::Int64Type>();
        for (row, value) in wide.iter().enumerate() {
            let Some(value) = value else {
                if array.is_valid(row) {
                    let reason = "is beyond a BIGINT; expected a class".to_string();
                    faults.push(DataFault { row, column: column.to_string(), reason });
                }
                out.push(f64::NAN);
                continue;
            };
            let known = self.known();
            let id = match self.integers.get(&value) {
                Some(id) => *id,
                None if self.declared || known >= self.labels_max => {
                    let reason = self.refusal(&value.to_string());
                    faults.push(DataFault { row, column: column.to_string(), reason });
                    UNKNOWN
                }
                None => self.intern_integer(value),
            };
            out.push(id.into());
        }
        Ok(())
    }

    fn read_texts(&mut self, array: &ArrayRef, column: &str, out: &mut Vec<f64>, faults: &mut Vec<DataFault>) {
        let mut ids = Vec::with_capacity(array.len());
        read::ids(array, &mut ids, |row, text| match self.texts.find(text) {
            UNKNOWN if self.declared || self.texts.len() >= self.labels_max => {
                faults.push(DataFault { row, column: column.to_string(), reason: self.refusal(text) });
                UNKNOWN
            }
            UNKNOWN => self.texts.intern(text),
            id => id,
        });
        out.extend(ids.iter().map(|id| if *id == NULL { f64::NAN } else { f64::from(*id) }));
    }

    fn refusal(&self, label: &str) -> String {
        if !self.declared {
            return format!("class '{label}' is one too many; 'max-classes' is {}", self.labels_max);
        }
        let names = self.names();
        let listed = if names.len() <= 10 { names.join(", ") } else { format!("{}, …", names[..10].join(", ")) };
        let hint = nearest(label, names.iter().map(String::as_str));
        let hint = hint.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        format!("'{label}' is none of the classes {listed}{hint}")
    }

    /// How many labels are known, to go back there with [`Labels::forget`].
    pub(crate) fn mark(&self) -> usize {
        self.known()
    }

    /// Forgets labels that were read since the mark.
    pub(crate) fn forget(&mut self, mark: usize) {
        self.texts.truncate(mark);
        for value in self.values.drain(mark.min(self.values.len())..) {
            self.integers.remove(&value);
        }
    }

    pub(super) fn save(&self) -> SavedClasses {
        SavedClasses(if self.are_targets() { Vec::new() } else { self.names() })
    }

    /// Has these classes from now on. Labels keep their ids.
    pub(super) fn load(&mut self, saved: &SavedClasses) -> Result<(), SnapshotError> {
        if !self.are_targets() {
            self.classes.clear();
            self.class_of.fill(UNKNOWN);
        }
        for name in &saved.0 {
            let before = self.classes.len();
            let id = if self.are_targets() { None } else { self.label_of_name(name) };
            let id = id.ok_or_else(|| SnapshotError::Content(format!("'{name}' cannot be a class")))?;
            self.activate(id as u32);
            if self.classes.len() == before {
                return Err(SnapshotError::Content(format!("class '{name}' stands twice")));
            }
        }
        Ok(())
    }

    /// Takes in the classes of another model. Returns the number here of each class there.
    pub(super) fn merge(&mut self, other: &Self) -> Result<Vec<u32>> {
        if self.are_targets() {
            return Ok((0..other.count() as u32).collect());
        }
        let class = |name: &String| match self.label_of_name(name) {
            Some(id) => Ok(self.activate(id as u32)),
            None => Err(Error::Merge("too many classes".to_string())),
        };
        other.names().iter().map(class).collect()
    }

    /// The names of all labels, learned or not.
    pub(crate) fn known_names(&self) -> Vec<String> {
        if self.are_targets() {
            return Vec::new();
        }
        (0..self.known()).map(|label| self.label_name(label as f64)).collect()
    }

    /// Takes in labels, learned or not, that another model of the same declaration knows.
    pub(crate) fn know(&mut self, other: &Self) {
        for label in 0..other.known() {
            let _ = self.intern_name(&other.label_name(label as f64));
        }
    }

    /// Takes any number of labels from now on: whoever gives them to it has counted them.
    pub(crate) fn lift_limit(&mut self) {
        self.labels_max = usize::MAX;
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.texts.state_bytes()
            + self.integers.allocation_size()
            + self.values.capacity() * 8
            + (self.class_of.capacity() + self.classes.capacity()) * 4
    }
}
