//! What a script says: the parsed tree.
//!
//! Statements are ours; queries, expressions and types are the parser library's, which is also what the planner takes.

use sqlparser::ast::{DataType, Expr, Ident, Query};

use crate::{Source, Span};

/// A parsed script.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// The script's name and text.
    pub source: Source,
    /// Its statements, in order.
    pub statements: Vec<Located>,
    /// The parameters that were given and that nothing in the script names: misspelt, most likely.
    pub unused_parameters: Vec<String>,
}

/// A statement and where it stands, without its semicolon.
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    /// The statement.
    pub statement: Statement,
    /// From its first word to its last.
    pub span: Span,
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// `SET 'key' = 'value'`. The key is one of [`SETTINGS`](crate::settings::SETTINGS) and the value of its kind, or the
    /// key begins with `param.` and the value is the default of a script parameter.
    Set {
        /// The name of the setting.
        key: String,
        /// Its new value, as written.
        value: String,
    },
    /// `SET` alone: show the settings.
    ShowSettings,
    /// `RESET` and `RESET 'key'`.
    Reset {
        /// The setting to bring back to its default; `None`: all of them.
        key: Option<String>,
    },
    /// `CREATE TABLE`.
    CreateTable(CreateTable),
    /// `CREATE VIEW`.
    CreateView(CreateView),
    /// `CREATE MODEL`.
    CreateModel(CreateModel),
    /// `ALTER MODEL`.
    AlterModel(AlterModel),
    /// `DROP TABLE`, `DROP VIEW`, `DROP MODEL`.
    Drop {
        /// What kind of object.
        kind: ObjectKind,
        /// Its name.
        name: Ident,
        /// Whether it may be missing.
        if_exists: bool,
    },
    /// `DESCRIBE t`, `DESCRIBE MODEL m`; `DESC` too.
    Describe {
        /// `Table` also stands for a view where the kind was not written.
        kind: ObjectKind,
        /// Its name.
        name: Ident,
        /// `EXTENDED`: everything known about it.
        extended: bool,
    },
    /// `DESCRIBE ALGORITHM logistic_regression`: what an algorithm is, and its options.
    DescribeAlgorithm(Ident),
    /// `SHOW …`.
    Show(Show),
    /// `INSERT INTO`.
    Insert(Insert),
    /// `EXECUTE STATEMENT SET BEGIN … END`: inserts that run as one dataflow.
    StatementSet(Vec<Insert>),
    /// `SELECT`, `WITH`, `VALUES`.
    Query(Box<Query>),
    /// `EXPLAIN` of a query, an insert, or a statement set.
    Explain(Box<Located>),
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A table.
    Table,
    /// A view.
    View,
    /// A model.
    Model,
}

/// What `SHOW` shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Show {
    /// `SHOW TABLES`.
    Tables,
    /// `SHOW VIEWS`.
    Views,
    /// `SHOW MODELS`.
    Models,
    /// `SHOW FUNCTIONS`.
    Functions,
    /// `SHOW OPTIONS`: every option there is, with its kind, its default and what it does.
    Options,
    /// `SHOW CREATE TABLE t`.
    CreateTable(Ident),
    /// `SHOW CREATE VIEW v`.
    CreateView(Ident),
    /// `SHOW CREATE MODEL m`.
    CreateModel(Ident),
}

/// `'key' = 'value'`, in a WITH clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionPair {
    /// The name.
    pub key: String,
    /// The value, its parameters filled in.
    pub value: String,
    /// From the key's opening quote to the value's closing one.
    pub span: Span,
    /// The key alone, with its quotes.
    pub key_span: Span,
    /// The value alone, with its quotes.
    pub value_span: Span,
}

/// A column of a table, or of a model's INPUT or OUTPUT.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// Its type, in the form that [`types`](crate::types) describes. A computed column has none: it is its expression's.
    pub data_type: Option<DataType>,
    /// `NOT NULL` (also of a column that is part of the primary key).
    pub not_null: bool,
    /// The expression of a computed column: `total AS price * quantity`.
    pub computed: Option<Expr>,
    /// `COMMENT '…'`.
    pub comment: Option<String>,
    /// The whole definition.
    pub span: Span,
}

/// `WATERMARK FOR column AS column - INTERVAL …`.
#[derive(Debug, Clone, PartialEq)]
pub struct Watermark {
    /// The event time.
    pub column: Ident,
    /// The expression as written.
    pub expression: Box<Expr>,
    /// How far the watermark stays behind the largest event time seen, in milliseconds. 0 for `AS column`.
    pub delay_ms: u64,
    /// The whole clause.
    pub span: Span,
}

/// `CREATE TABLE`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// The table's name.
    pub name: Ident,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// At least one; names are distinct.
    pub columns: Vec<Column>,
    /// At most one; its column is among `columns`.
    pub watermark: Option<Watermark>,
    /// The columns of `PRIMARY KEY (…) NOT ENFORCED`; each is among `columns`.
    pub primary_key: Vec<Ident>,
    /// The columns of `PARTITIONED BY (…)`; each is among `columns`.
    pub partitioned_by: Vec<Ident>,
    /// `COMMENT '…'`.
    pub comment: Option<String>,
    /// `WITH (…)`; no key twice.
    pub options: Vec<OptionPair>,
}

/// `CREATE VIEW`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    /// The view's name.
    pub name: Ident,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// New names for the query's columns; empty: its own.
    pub columns: Vec<Ident>,
    /// `COMMENT '…'`.
    pub comment: Option<String>,
    /// What the view stands for.
    pub query: Box<Query>,
    /// Where the query stands, to show it as it was written.
    pub query_span: Span,
}

/// One item of a model's TRANSFORM: `ML_STANDARD_SCALER(price) OVER () AS price`.
#[derive(Debug, Clone, PartialEq)]
pub struct TransformItem {
    /// What is computed.
    pub expr: Expr,
    /// What the learner knows it as. A column standing alone keeps its own name.
    pub alias: Ident,
    /// The whole item.
    pub span: Span,
}

/// `CREATE MODEL`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateModel {
    /// The model's name; it holds no `$`, which sets off a version.
    pub name: Ident,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `TRANSFORM (…)`; empty: the inputs are used as they are. Aliases are distinct.
    pub transform: Vec<TransformItem>,
    /// `INPUT (…)`; may be empty where a query says what the inputs are. Names are distinct.
    pub input: Vec<Column>,
    /// `OUTPUT (…)`; may be empty, like `input`.
    pub output: Vec<Column>,
    /// `COMMENT '…'`.
    pub comment: Option<String>,
    /// `WITH (…)`; no key twice.
    pub options: Vec<OptionPair>,
    /// `AS SELECT …`: the rows to train the first version on.
    pub query: Option<Box<Query>>,
}

/// `ALTER MODEL name …`.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterModel {
    /// The model's name.
    pub name: Ident,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// What to change.
    pub action: AlterModelAction,
}

/// What `ALTER MODEL` changes.
#[derive(Debug, Clone, PartialEq)]
pub enum AlterModelAction {
    /// `RENAME TO name`.
    RenameTo(Ident),
    /// `SET ('key' = 'value', …)`.
    SetOptions(Vec<OptionPair>),
    /// `RESET ('key', …)`: the keys.
    ResetOptions(Vec<String>),
    /// `SET ALIAS production = 3`, or `= candidate`: what another alias points at.
    SetAlias {
        /// The alias.
        alias: Ident,
        /// A number or an alias; never [`ModelVersion::Latest`].
        version: ModelVersion,
    },
    /// `DROP ALIAS production`.
    DropAlias(Ident),
}

/// Which version of a model is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ModelVersion {
    /// None was written: the version that alias `production` points at if it is set, else the latest.
    Latest,
    /// `intent$3`: at least 1.
    Number(u64),
    /// `intent$candidate`.
    Alias(String),
}

/// `INSERT INTO table …`.
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// The table.
    pub table: Ident,
    /// The columns written; empty: all, in order.
    pub columns: Vec<Ident>,
    /// `INSERT OVERWRITE`.
    pub overwrite: bool,
    /// The rows.
    pub query: Box<Query>,
    /// The whole statement.
    pub span: Span,
}
