//! What an operator, a source or a sink is, so that its state is found again in a script that has changed.
//!
//! ```text
//!  kind, name        SESSION; ML_TRAIN intent; source visits            tells what has state from what else has
//!  rests on          gap 30 min, keys user STRING, rows held …          a state is good only where all of these are equal
//!  surroundings      tables below, the INSERT, all that is computed     tells equals apart; may change
//! ```
//! States are matched with a script by the kind and what they rest on, the nearest surroundings first: see [`super::matching`].

use std::fmt;

use arrow::datatypes::Schema;
use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::Expr;
use serde::{Deserialize, Serialize};

use crate::types::sql_type;

/// What an operator says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Description {
    /// In the words of SQL: `SESSION`, `GROUP BY`.
    pub kind: String,
    /// What tells one of its kind from others for good, such as the model of an ML_TRAIN; empty if nothing does.
    pub name: String,
    /// What its state rests on, by name.
    pub rests_on: Vec<(String, String)>,
    /// What it computes besides. Tells equals apart, and may change.
    pub computes: String,
    /// Whether rows in windows below it are part of what its state rests on.
    windowed: bool,
    /// Whether it gives rows windows: what reads them rests on that.
    windows: bool,
}

impl Description {
    /// Of an operator without state.
    pub(crate) fn stateless(kind: &str, computes: impl fmt::Display) -> Self {
        Self { kind: kind.to_string(), computes: computes.to_string(), ..Self::default() }
    }

    /// Of an operator whose state depends on the windows that its rows are in.
    pub(crate) fn new(kind: &str) -> Self {
        Self { kind: kind.to_string(), windowed: true, ..Self::default() }
    }

    /// Of the one thing of its kind with this name.
    pub(crate) fn named(kind: &str, name: &str) -> Self {
        Self { kind: kind.to_string(), name: name.to_string(), ..Self::default() }
    }

    /// Of an operator that gives rows windows.
    pub(crate) fn window(kind: &str) -> Self {
        Self { windows: true, ..Self::new(kind) }
    }

    /// Adds something that the state rests on.
    pub(crate) fn on(mut self, what: &str, value: impl fmt::Display) -> Self {
        self.rests_on.push((what.to_string(), value.to_string()));
        self
    }

    /// What it is, in a few words.
    pub(crate) fn words(&self) -> String {
        match self.name.is_empty() {
            true => self.kind.clone(),
            false => format!("{} {}", self.kind, self.name),
        }
    }

    /// The windows that it adds, in words: `TUMBLE with size 1 h`.
    fn added_windows(&self) -> Option<String> {
        self.windows.then(|| {
            let facts: Vec<String> = self.rests_on.iter().map(|(what, value)| format!("{what} {value}")).collect();
            format!("{} with {}", self.kind, facts.join(", "))
        })
    }
}

/// What something with state is, and where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub description: Description,
    /// The tables that its rows come from.
    pub tables: Vec<String>,
    /// The table of the INSERT that it was first made for, and the line of that.
    pub insert: String,
    pub line: u32,
    /// In which version of the script what it was made for came. What came later reads its tables from their start, so that it
    /// shares no state with what was there before.
    pub generation: u32,
    /// The view that it stands in, and the line of that.
    pub view: Option<(String, u32)>,
    /// The windows that its rows are in.
    pub windows: Vec<String>,
    /// A hash of all that is computed from the tables up to here.
    pub computed: u64,
    /// Whether it said what it is. If not, nothing is known of its state.
    pub known: bool,
}

impl Identity {
    /// Of what reads from `inputs`; without a description nothing is known of it.
    pub(crate) fn over(description: Option<Description>, kind: &str, inputs: &[&Identity]) -> Self {
        let known = description.is_some();
        let mut description = description.unwrap_or_else(|| Description::stateless(kind, ""));
        let mut tables: Vec<String> = inputs.iter().flat_map(|input| input.tables.iter().cloned()).collect();
        tables.sort();
        tables.dedup();
        let mut windows: Vec<String> = inputs.iter().flat_map(|input| input.windows.iter().cloned()).collect();
        if description.windowed && !windows.is_empty() {
            description = description.on("windows", windows.join(", "));
        }
        windows.extend(description.added_windows());
        // A model that learns from windows is not made of them.
        if !description.windowed && !description.name.is_empty() {
            windows.clear();
        }
        let mut hash = Fnv::default();
        hash.add(&description.words());
        hash.add(&description.computes);
        description.rests_on.iter().for_each(|(what, value)| {
            hash.add(what);
            hash.add(value);
        });
        inputs.iter().for_each(|input| hash.add(&input.computed.to_string()));
        Self { description, tables, windows, computed: hash.0, known, ..Self::default() }
    }

    /// Of a table that is read.
    pub(crate) fn source(table: &str) -> Self {
        let description = Description::named("the position in table", table);
        Self { tables: vec![table.to_string()], ..Self::over(Some(description), "", &[]) }
    }

    /// Of rows that were computed before the stream began, and lie in this file.
    pub(crate) fn stage(file: &str) -> Self {
        Self::over(Some(Description::named("the position in what was computed before the stream,", file)), "", &[])
    }

    /// What it is and where: `SESSION in view visits_by_user (line 12)`.
    pub(crate) fn words(&self) -> String {
        let what = self.description.words();
        match &self.view {
            Some((view, line)) => format!("{what} in view {view} (line {line})"),
            None => format!("{what} in INSERT INTO {} (line {})", self.insert, self.line),
        }
    }

    /// Whether a state of one is good for the other.
    pub(crate) fn fits(&self, other: &Self) -> bool {
        self.known
            && other.known
            && self.is_kin(other)
            && self.generation == other.generation
            && self.description.rests_on == other.description.rests_on
            && (self.tables == other.tables || !self.description.name.is_empty())
    }

    /// Whether both are of one kind and, if they have one, one name.
    pub(crate) fn is_kin(&self, other: &Self) -> bool {
        self.description.kind == other.description.kind && self.description.name == other.description.name
    }

    /// In which respects they differ, as `gap was 30 min and is 20 min now`.
    pub(crate) fn differences(&self, now: &Self) -> Vec<String> {
        let find = |of: &Self, what: &str| {
            of.description.rests_on.iter().find(|(name, _)| name == what).map(|(_, value)| value.clone())
        };
        let mut said = Vec::new();
        for (what, was) in &self.description.rests_on {
            match find(now, what) {
                Some(is) if is == *was => {}
                Some(is) => said.push(format!("{what} {was}; the script now says {is}")),
                None => said.push(format!("{what} {was}; the script now has none")),
            }
        }
        for (what, is) in &now.description.rests_on {
            if find(self, what).is_none() {
                said.push(format!("no {what}; the script now says {is}"));
            }
        }
        if self.tables != now.tables && self.description.name.is_empty() {
            let (was, is) = (self.tables.join(", "), now.tables.join(", "));
            said.push(format!("rows of {was}; the script now reads {is}"));
        }
        said
    }
}

/// FNV-1a, 64 bits, over texts: the same in every version of this program.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, text: &str) {
        for byte in text.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// A hash of a text that is the same in every version of this program.
pub(crate) fn hash(text: &str) -> u64 {
    let mut hash = Fnv::default();
    hash.add(text);
    hash.0
}

/// Columns as people write them: `user STRING, page STRING`.
pub(crate) fn columns(schema: &Schema) -> String {
    let column = |field: &arrow::datatypes::FieldRef| format!("{} {}", field.name(), sql_type(field.data_type()));
    schema.fields().iter().map(column).collect::<Vec<_>>().join(", ")
}

/// Expressions without the names of the tables that their columns come from, which change with a view's name.
pub(crate) fn expressions<'a>(exprs: impl IntoIterator<Item = &'a Expr>) -> String {
    exprs.into_iter().map(expression).collect::<Vec<_>>().join(", ")
}

/// As [`expressions`], of one.
pub(crate) fn expression(expr: &Expr) -> String {
    let plain = expr.clone().transform(|node| {
        Ok(match node {
            Expr::Column(column) if column.relation.is_some() => {
                Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))
            }
            other => Transformed::no(other),
        })
    });
    plain.map_or_else(|_| expr.to_string(), |plain| plain.data.to_string())
}

/// A span of milliseconds as people write it: `30 min`.
pub(crate) fn span(ms: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let whole = UNITS.iter().find(|(unit, _)| ms != 0 && ms % unit == 0);
    whole.map_or_else(|| format!("{ms} ms"), |(unit, name)| format!("{} {name}", ms / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_they_are_written() {
        let said: Vec<String> = [0, 1_500, 30_000, 1_800_000, 86_400_000, 90_000_000].map(span).to_vec();
        assert_eq!(said, ["0 ms", "1500 ms", "30 s", "30 min", "1 d", "25 h"]);
    }

    #[test]
    fn what_reads_windows_rests_on_them() {
        let table = Identity::source("visits");
        let window = |size: &str| Identity::over(Some(Description::window("TUMBLE").on("size", size)), "", &[&table]);
        let aggregate = |below: &Identity| Identity::over(Some(Description::new("GROUP BY")), "", &[below]);
        let (hour, day) = (aggregate(&window("1 h")), aggregate(&window("1 d")));
        assert!(hour.fits(&aggregate(&window("1 h"))) && !hour.fits(&day));
        assert_eq!(hour.differences(&day), ["windows TUMBLE with size 1 h; the script now says TUMBLE with size 1 d"]);
        // A model goes on learning, whatever windows its rows are in.
        let train = |below: &Identity| Identity::over(Some(Description::named("ML_TRAIN", "m")), "", &[below]);
        assert!(train(&hour).fits(&train(&day)));
    }

    #[test]
    fn columns_lose_the_names_of_their_tables() {
        let expr = datafusion::logical_expr::col("visits.page").gt(datafusion::logical_expr::lit(1));
        assert_eq!(expression(&expr), "page > Int32(1)");
    }
}
