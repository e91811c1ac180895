//! CREATE TABLE, CREATE VIEW, DROP.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::common::{Column as PlanColumn, DFSchema};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use tidegate_connectors::{TableSpec, open_table};
use tidegate_sql::sqlparser::ast::Ident;
use tidegate_sql::{Column, CreateTable, CreateView, ObjectKind, Span};

use super::{Declared, Place, Session};
use crate::catalog::monitor::SourceMonitor;
use crate::catalog::table::{ComputedTime, ConnectorTable};
use crate::plan::attribute::{to_milliseconds, with_rowtime};
use crate::types::{arrow_type, sql_type};
use crate::{Error, Result};

impl Session {
    pub(super) fn create_table(&mut self, place: &Place<'_>, create: &CreateTable) -> Result<String> {
        let name = &create.name.value;
        if let Some(done) = self.already(place, name, create.if_not_exists, create.or_replace)? {
            return Ok(done);
        }
        let physical: Vec<&Column> = create.columns.iter().filter(|column| column.computed.is_none()).collect();
        if physical.is_empty() {
            return Err(place.refuse(format!("table '{name}' has no columns")));
        }
        let mut fields = Vec::with_capacity(physical.len());
        for column in physical {
            let field = declared_field(place, column)?;
            if fields.iter().any(|known: &Field| known.name() == field.name()) {
                return Err(place.at(Some(column.span)).refuse(format!("column '{}' is declared twice", field.name())));
            }
            fields.push(field);
        }
        let watermark = create.watermark.as_ref();
        if let Some(watermark) = watermark {
            let delay = i64::try_from(watermark.delay_ms).unwrap_or(i64::MAX);
            let computed =
                create.columns.iter().any(|c| c.computed.is_some() && c.name.value == watermark.column.value);
            match fields.iter_mut().find(|field| field.name() == &watermark.column.value) {
                Some(field) if to_milliseconds(field.data_type()).is_some() => {
                    *field = with_rowtime(field.clone(), delay);
                }
                Some(field) => {
                    return Err(place.at(Some(watermark.span)).refuse(format!(
                        "WATERMARK FOR '{}': it is {}; a TIMESTAMP is expected",
                        field.name(),
                        sql_type(field.data_type())
                    )));
                }
                None if computed => {}
                None => {
                    let names = fields.iter().map(|field| field.name().as_str());
                    let place = place.at(Some(watermark.span));
                    let message = format!("WATERMARK FOR '{}': there is no such column", watermark.column.value);
                    return Err(match tidegate_options::nearest(&watermark.column.value, names) {
                        Some(near) => place.refuse_with_help(message, format!("did you mean '{near}'?")),
                        None => place.refuse(message),
                    });
                }
            }
        }
        let schema = Arc::new(Schema::new(fields));
        let spec = TableSpec {
            name: name.clone(),
            schema: Arc::clone(&schema),
            options: create.options.iter().map(|pair| (pair.key.clone(), pair.value.clone())).collect(),
            base_dir: self.config.script_dir.clone(),
        };
        let table = open_table(&spec).map_err(|error| {
            let option = error.option().and_then(|key| create.options.iter().find(|pair| pair.key == key));
            let span = option.map(|pair| match &error {
                tidegate_connectors::Error::Option {
                    source: tidegate_options::OptionError::Unknown { .. }, ..
                } => pair.key_span,
                _ => pair.value_span,
            });
            place.at(span).refuse(error.to_string())
        })?;
        let place_of = |key: &Ident| schema.index_of(&key.value).ok();
        let primary_key = create.primary_key.iter().filter_map(place_of).collect();
        let monitor = Arc::new(SourceMonitor::default());
        let columns = create.columns.iter().any(|column| column.computed.is_some());
        let columns = columns.then(|| self.columns(place, create, &schema)).transpose()?;
        let computed_time = match &columns {
            Some(columns) => self.computed_time(place, create, columns, &schema)?,
            None => None,
        };
        let table = Arc::new(ConnectorTable { name: name.clone(), schema, computed_time, primary_key, table, monitor });
        if let Some(columns) = columns {
            // A table with computed columns is a projection over its physical ones.
            let scan = LogicalPlanBuilder::scan(bare(name), provider_as_source(Arc::clone(&table) as _), None)?;
            let plan = scan.project(columns).map_err(|error| place.planning(error))?.build()?;
            let text = place.source.slice(place.span).to_string();
            self.execution.context.register_table(bare(name), Arc::new(ViewTable::new(plan, Some(text))))?;
        } else {
            self.execution.context.register_table(bare(name), Arc::clone(&table) as _)?;
        }
        let text = place.source.slice(place.span).to_string();
        self.declared
            .insert(name.clone(), Declared { text, line: place.span.start.line, is_view: false, table: Some(table) });
        Ok(format!("table {name} created"))
    }

    /// The columns of a table, by its physical ones.
    fn columns(&self, place: &Place<'_>, create: &CreateTable, physical: &Schema) -> Result<Vec<Expr>> {
        let name = &create.name.value;
        let schema = DFSchema::try_from_qualified_schema(bare(name), physical)?;
        let state = self.execution.context.state();
        create
            .columns
            .iter()
            .map(|column| {
                let column_name = &column.name.value;
                let Some(computed) = &column.computed else {
                    return Ok(Expr::Column(PlanColumn::new(Some(bare(name)), column_name)));
                };
                let place = place.at(Some(column.span));
                let mut wrapped = select_of(computed.clone());
                crate::plan::rewrite::rewrite_flink_spellings(&mut wrapped).map_err(|message| place.refuse(message))?;
                let expr = selected(wrapped).unwrap_or_else(|| computed.clone());
                let expr = state
                    .create_logical_expr_from_sql_expr(
                        tidegate_sql::sqlparser::ast::ExprWithAlias { expr, alias: None },
                        &schema,
                    )
                    .map_err(|error| place.planning(error))?;
                let rowtime = create.watermark.as_ref().filter(|watermark| watermark.column.value == *column_name);
                Ok(match rowtime {
                    None => expr.alias(column_name),
                    Some(watermark) => {
                        let delay = i64::try_from(watermark.delay_ms).unwrap_or(i64::MAX);
                        let field = with_rowtime(Field::new("", arrow::datatypes::DataType::Null, true), delay);
                        expr.alias_with_metadata(column_name, Some(field.metadata().clone().into()))
                    }
                })
            })
            .collect()
    }

    /// The event time, if it is one of the computed columns.
    fn computed_time(
        &self,
        place: &Place<'_>,
        create: &CreateTable,
        columns: &[Expr],
        physical: &Schema,
    ) -> Result<Option<ComputedTime>> {
        let Some(watermark) = &create.watermark else { return Ok(None) };
        let is_time = |column: &&Column| column.computed.is_some() && column.name.value == watermark.column.value;
        let Some((column, Expr::Alias(alias))) = create.columns.iter().zip(columns).find(|(column, _)| is_time(column))
        else {
            return Ok(None);
        };
        let schema = DFSchema::try_from_qualified_schema(bare(&create.name.value), physical)?;
        let time = self.execution.context.state().create_physical_expr(alias.expr.as_ref().clone(), &schema);
        let time = time.map_err(|error| place.at(Some(column.span)).planning(error))?;
        let data_type = time.data_type(physical)?;
        if to_milliseconds(&data_type).is_none() {
            return Err(place.at(Some(watermark.span)).refuse(format!(
                "WATERMARK FOR '{}': it is {}; a TIMESTAMP is expected",
                watermark.column.value,
                sql_type(&data_type)
            )));
        }
        Ok(Some(ComputedTime { time, delay_ms: i64::try_from(watermark.delay_ms).unwrap_or(i64::MAX) }))
    }

    pub(super) fn create_view(&mut self, place: &Place<'_>, create: &CreateView) -> Result<String> {
        let name = &create.name.value;
        if let Some(done) = self.already(place, name, create.if_not_exists, create.or_replace)? {
            return Ok(done);
        }
        let mut plan = self.plan(&place.at(Some(create.query_span)), &create.query)?;
        if !create.columns.is_empty() {
            let given = plan.schema().columns();
            if given.len() != create.columns.len() {
                return Err(place.refuse(format!(
                    "view '{name}' names {} columns, but its query gives {}",
                    create.columns.len(),
                    given.len()
                )));
            }
            let renamed =
                given.into_iter().zip(&create.columns).map(|(column, alias)| Expr::Column(column).alias(&alias.value));
            plan = LogicalPlanBuilder::from(plan).project(renamed)?.build()?;
        }
        let text = place.source.slice(place.span).to_string();
        self.execution.context.register_table(bare(name), Arc::new(ViewTable::new(plan, Some(text.clone()))))?;
        self.declared.insert(name.clone(), Declared { text, line: place.span.start.line, is_view: true, table: None });
        Ok(format!("view {name} created"))
    }

    pub(super) fn drop_object(
        &mut self,
        place: &Place<'_>,
        kind: ObjectKind,
        name: &Ident,
        if_exists: bool,
    ) -> Result<String> {
        let at_name = place.at(Span::from_parser(name.span));
        let name = &name.value;
        let (word, dropped) = match kind {
            ObjectKind::Model => {
                let declared = self.models.undeclare(name);
                ("model", declared || self.delete_registered(name)?)
            }
            ObjectKind::Table | ObjectKind::View => {
                let is_view = kind == ObjectKind::View;
                let word = if is_view { "view" } else { "table" };
                let known = self.declared.get(name).map(|declared| declared.is_view);
                if known == Some(!is_view) {
                    let other = if is_view { "table" } else { "view" };
                    return Err(at_name.refuse(format!("'{name}' is a {other}: DROP {} {name}", other.to_uppercase())));
                }
                if known.is_some() {
                    self.declared.remove(name);
                    self.execution.context.deregister_table(bare(name))?;
                }
                (word, known.is_some())
            }
        };
        match (dropped, if_exists) {
            (true, _) => Ok(format!("{word} {name} dropped")),
            (false, true) => Ok(format!("there is no {word} {name}")),
            (false, false) if kind == ObjectKind::Model => Err(at_name.refuse(format!("there is no model '{name}'"))),
            (false, false) => Err(self.no_such_table(&at_name, name)),
        }
    }

    /// `Some` when a table of that name is there already and the statement says to leave it.
    fn already(
        &mut self,
        place: &Place<'_>,
        name: &str,
        if_not_exists: bool,
        or_replace: bool,
    ) -> Result<Option<String>> {
        if !self.declared.contains_key(name) {
            return Ok(None);
        }
        if or_replace {
            self.declared.remove(name);
            self.execution.context.deregister_table(bare(name))?;
            return Ok(None);
        }
        if if_not_exists {
            return Ok(Some(format!("{name} is there already")));
        }
        Err(place.refuse_with_help(
            format!("'{name}' is declared already"),
            "drop it first, or write CREATE … IF NOT EXISTS",
        ))
    }

    pub(super) fn no_such_table(&self, place: &Place<'_>, name: &str) -> Error {
        let message = format!("there is no table '{name}'");
        match tidegate_options::nearest(name, self.declared.keys().map(String::as_str)) {
            Some(near) => place.refuse_with_help(message, format!("did you mean '{near}'?")),
            None => place.refuse_with_help(message, "declare it with CREATE TABLE"),
        }
    }
}

/// A table's name, taken as it stands: a dot in it separates nothing.
pub(super) fn bare(name: &str) -> datafusion::common::TableReference {
    datafusion::common::TableReference::bare(name)
}

/// A declared column as an Arrow field.
pub(super) fn declared_field(place: &Place<'_>, column: &Column) -> Result<Field> {
    let place = place.at(Some(column.span));
    let Some(data_type) = &column.data_type else {
        return Err(place.refuse(format!("column '{}' has no type", column.name.value)));
    };
    let data_type = arrow_type(data_type).map_err(|message| place.refuse(message))?;
    Ok(Field::new(&column.name.value, data_type, !column.not_null))
}

type SqlExpr = tidegate_sql::sqlparser::ast::Expr;

/// An expression as a query, so that what rewrites queries can rewrite it.
fn select_of(expr: SqlExpr) -> tidegate_sql::sqlparser::ast::Query {
    use tidegate_sql::sqlparser::ast::{Parens, Query, SetExpr, Values};
    Query {
        with: None,
        body: Box::new(SetExpr::Values(Values {
            explicit_row: false,
            value_keyword: false,
            rows: vec![Parens::with_empty_span(vec![expr])],
        })),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

fn selected(query: tidegate_sql::sqlparser::ast::Query) -> Option<SqlExpr> {
    match *query.body {
        tidegate_sql::sqlparser::ast::SetExpr::Values(values) => {
            values.rows.into_iter().next().and_then(|row| row.content.into_iter().next())
        }
        _ => None,
    }
}
