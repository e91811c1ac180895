//! What a job of Flink is told: a step of a script, with what it needs.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A job, as the main class of the archive for Flink reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// The job's name.
    pub name: String,
    /// How it runs.
    pub mode: Mode,
    /// Flink's configuration.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// What comes before the INSERT statements, in order.
    #[serde(default)]
    pub statements: Vec<Statement>,
    /// The INSERT statements. Several are one job together.
    pub inserts: Vec<String>,
}

/// How Flink runs a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Row by row, with checkpoints.
    Streaming,
    /// Stage by stage, over bounded tables.
    Batch,
}

/// What comes before the INSERT statements of a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Statement {
    /// A statement that declares something.
    Sql(String),
    /// An operator, and the view over it.
    Operator(Box<Operator>),
}

/// A query, an operator over its rows, and a temporary view over what comes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operator {
    /// The view.
    pub view: String,
    /// The query.
    pub input: String,
    /// `ML_TRAIN`, `ML_PREDICT`, `CREATE MODEL`.
    pub function: String,
    /// How the operator is called, and its state found again.
    pub name: String,
    /// What it reads of a row, in its order.
    pub columns: Vec<Read>,
    /// What it adds.
    pub outputs: Vec<Output>,
    /// The column that is an event time, before and after.
    pub event_time: Option<String>,
    /// Whether rows have to come in the order in which their sources give them.
    pub in_order: bool,
    /// The event time that rows are put in the order of, where their sources give them in no order.
    #[serde(default)]
    pub sorted_by: Option<String>,
    /// How many replicas learn in tasks of their own; 0: one task learns.
    #[serde(default)]
    pub replicas: usize,
    /// After how many rows of its own a replica asks for what all have learned.
    #[serde(default)]
    pub sync_rows: u64,
    /// What native code does; of no matter to Java.
    pub task: Value,
}

/// A column that an operator reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Its name.
    pub name: String,
    /// In which form: `NUMBER`, `INTEGER`, `BOOLEAN`, `TEXT`, `MILLISECONDS`.
    pub form: String,
}

/// A column that an operator adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Its type, in SQL.
    #[serde(rename = "type")]
    pub data_type: String,
}

impl fmt::Display for Program {
    /// As a script of Flink, but for operators, which it has no words for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            Mode::Streaming => "streaming",
            Mode::Batch => "batch",
        };
        writeln!(f, "-- job: {}", self.name)?;
        writeln!(f, "SET 'execution.runtime-mode' = '{mode}';")?;
        for (key, value) in &self.settings {
            writeln!(f, "SET '{key}' = '{value}';")?;
        }
        for statement in &self.statements {
            match statement {
                Statement::Sql(text) => writeln!(f, "\n{text};")?,
                Statement::Operator(operator) => writeln!(f, "\n{operator}")?,
            }
        }
        match self.inserts.as_slice() {
            [insert] => writeln!(f, "\n{insert};"),
            inserts => {
                writeln!(f, "\nEXECUTE STATEMENT SET BEGIN")?;
                inserts.iter().try_for_each(|insert| writeln!(f, "  {insert};"))?;
                writeln!(f, "END;")
            }
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
        let outputs: Vec<String> =
            self.outputs.iter().map(|output| format!("{} {}", output.name, output.data_type)).collect();
        let order = match (&self.sorted_by, self.replicas) {
            (Some(time), _) => format!(", in the order of {time}"),
            (None, 0) if self.in_order => ", in the order of the sources".to_string(),
            (None, 0) => String::new(),
            (None, replicas) => format!(", in {replicas} tasks"),
        };
        writeln!(f, "-- operator {}: the temporary view {}", self.name, self.view)?;
        writeln!(f, "--   over   {}", self.input.replace('\n', "\n--          "))?;
        writeln!(f, "--   reads  {columns}{order}")?;
        write!(f, "--   adds   {}", outputs.join(", "))
    }
}
