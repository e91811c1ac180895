//! INSERT INTO and EXECUTE STATEMENT SET.

use arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Cast, Expr, LogicalPlan, LogicalPlanBuilder};
use tidegate_sql::Insert;
use tidegate_sql::sqlparser::ast::{Expr as SqlExpr, Ident, Query, SelectItem, SetExpr};

use super::{Place, Session};
use crate::catalog::table::ConnectorTable;
use crate::checkpoint::JobFolder;
use crate::job;
use crate::types::sql_type;
use crate::{Error, JobReport, Observer, Result};

impl Session {
    /// Runs INSERTs as one job.
    pub(super) fn insert(
        &mut self,
        place: &Place<'_>,
        inserts: &[Insert],
        observer: &dyn Observer,
        folder: Option<(&mut JobFolder, usize)>,
    ) -> Result<JobReport> {
        let planned = inserts
            .iter()
            .map(|insert| self.plan_insert(&place.at(Some(insert.span)), insert))
            .collect::<Result<Vec<_>>>()?;
        let tables: Vec<&str> = inserts.iter().map(|insert| insert.table.value.as_str()).collect();
        let name = format!("INSERT INTO {}", tables.join(", "));
        let Some((folder, step)) = folder else {
            return Err(Error::Internal("a job needs a folder".into()));
        };
        let key = format!("{}-{step}", folder.run_id());
        let path = folder.step(step)?;
        let mut context = self.job_context(place, path, key, observer)?;
        context.run = Some(folder.handle(step));
        self.jobs_run += 1;
        job::run(&name, &planned, &context, |logs| folder.step_done(step, logs)).map_err(|error| place.running(error))
    }

    /// Plans an INSERT: the query, with the table's columns in their order and of their types.
    pub(crate) fn plan_insert(&self, place: &Place<'_>, insert: &Insert) -> Result<job::Insert> {
        let name = &insert.table.value;
        let at_table = place.at(tidegate_sql::Span::from_parser(insert.table.span));
        let table = match self.declared.get(name) {
            Some(declared) => declared
                .table
                .clone()
                .ok_or_else(|| at_table.refuse(format!("'{name}' is a view; rows can be inserted into tables only")))?,
            None => return Err(self.no_such_table(&at_table, name)),
        };
        let mut query = insert.query.as_ref().clone();
        name_repeated_columns(&mut query);
        let query = self.plan(place, &query)?;
        let plan = self.fitted_to(place, &table, query, insert)?;
        let declared = self.declared.get(name).map(|declared| plain_text(&declared.text)).unwrap_or_default();
        Ok(job::Insert { table, overwrite: insert.overwrite, plan, declared, line: place.span.start.line })
    }

    fn fitted_to(
        &self,
        place: &Place<'_>,
        table: &ConnectorTable,
        query: LogicalPlan,
        insert: &Insert,
    ) -> Result<LogicalPlan> {
        let fields = table.schema.fields();
        let targets: Vec<usize> = match insert.columns.as_slice() {
            [] => (0..fields.len()).collect(),
            named => named
                .iter()
                .map(|column| {
                    table.schema.index_of(&column.value).map_err(|_| {
                        let place = place.at(tidegate_sql::Span::from_parser(column.span));
                        let names = fields.iter().map(|field| field.name().as_str());
                        let message = format!("table '{}' has no column '{}'", table.name, column.value);
                        match tidegate_options::nearest(&column.value, names) {
                            Some(near) => place.refuse_with_help(message, format!("did you mean '{near}'?")),
                            None => place.refuse(message),
                        }
                    })
                })
                .collect::<Result<_>>()?,
        };
        let given = query.schema().fields().len();
        if given != targets.len() {
            let names: Vec<&str> = targets.iter().map(|i| fields[*i].name().as_str()).collect();
            return Err(place.refuse_with_help(
                format!(
                    "the query gives {given} columns, but {} are to be inserted into '{}'",
                    targets.len(),
                    table.name
                ),
                format!("the columns are {}", names.join(", ")),
            ));
        }
        let mut columns = Vec::with_capacity(fields.len());
        for (index, field) in fields.iter().enumerate() {
            let expr = match targets.iter().position(|target| *target == index) {
                None => Expr::Literal(ScalarValue::try_from(field.data_type())?, None),
                Some(from) => {
                    let (qualifier, source) = query.schema().qualified_field(from);
                    let column = Expr::Column(Column::new(qualifier.cloned(), source.name()));
                    if source.data_type() == field.data_type() {
                        column
                    } else if assignable(source.data_type(), field.data_type()) {
                        Expr::Cast(Cast::new(Box::new(column), field.data_type().clone()))
                    } else {
                        return Err(place.refuse_with_help(
                            format!(
                                "column {} of the query, '{}', is {}, but column '{}' of '{}' takes {}",
                                from + 1,
                                source.name(),
                                sql_type(source.data_type()),
                                field.name(),
                                table.name,
                                sql_type(field.data_type())
                            ),
                            format!("CAST({} AS {}) if that is meant", source.name(), sql_type(field.data_type())),
                        ));
                    }
                }
            };
            columns.push(expr.alias(field.name()));
        }
        // The same name may come from two inputs of the query; places tell them apart.
        Ok(LogicalPlanBuilder::from(query).project(columns)?.build()?)
    }
}

/// A statement without what makes no difference to it: the lengths of blanks.
pub(super) fn plain_text(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Gives columns that are selected twice, or once as another type, names of their own: an INSERT goes by place, and the planner by a name
/// that leaves casts out.
fn name_repeated_columns(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let mut seen = std::collections::BTreeSet::new();
    for (place, item) in select.projection.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expr) = item
            && (matches!(expr, SqlExpr::Cast { .. }) || !seen.insert(expr.to_string()))
        {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::new(format!("EXPR${place}")) };
        }
    }
}

/// Whether a value of one type may be stored as another without a CAST: what does not fit is an error when it runs, and nothing
/// but digits after the point and precision of time is lost.
fn assignable(from: &DataType, to: &DataType) -> bool {
    use DataType::{Date32, Decimal128, Dictionary, Float32, Float64, List, Map, Null, Struct, Timestamp};
    match (from, to) {
        (Null, _) => true,
        (Dictionary(_, value), to) => value.as_ref() == to || assignable(value, to),
        (from, to) if from.is_string() && to.is_string() => true,
        // Literals are BIGINT and DOUBLE. A number that does not fit stops the job: casts are checked.
        (from, to) if from.is_integer() && to.is_integer() => true,
        (from, Float64) => from.is_numeric(),
        (from, Float32) => from.is_integer() || matches!(from, Float64),
        (from, Decimal128(_, _)) => from.is_numeric(),
        (Timestamp(_, a), Timestamp(_, b)) => a.is_some() == b.is_some(),
        (Date32, Timestamp(_, None)) => true,
        (from, to) if from.is_binary() && to.is_binary() => true,
        (List(a), List(b)) => a.data_type() == b.data_type() || assignable(a.data_type(), b.data_type()),
        (Map(a, _), Map(b, _)) => a.data_type() == b.data_type() || assignable(a.data_type(), b.data_type()),
        (Struct(a), Struct(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|(a, b)| a.data_type() == b.data_type() || assignable(a.data_type(), b.data_type()))
        }
        _ => false,
    }
}
