//! `CREATE TABLE`.

use sqlparser::ast::{BinaryOperator, DataType, Expr, Ident};
use sqlparser::tokenizer::Token;
use tidegate_options::nearest;

use super::object::Creation;
use super::{Fault, StatementParser, distinct, span_of_name};
use crate::{Column, CreateTable, Diagnostic, Watermark, literal, types};

/// What stands between the parentheses of a table.
#[derive(Default)]
struct Schema {
    columns: Vec<Column>,
    watermark: Option<Watermark>,
    primary_key: Vec<Ident>,
}

impl StatementParser<'_> {
    pub(super) fn create_table(&mut self, creation: Creation) -> Result<CreateTable, Fault> {
        let if_not_exists = self.take("IF NOT EXISTS");
        let name = self.name("the name of a table")?;
        let mut schema = Schema::default();
        if self.parser.peek_token_ref().token != Token::LParen {
            return self.expected("'(' and the table's columns");
        }
        self.listed(|p| p.schema_item(&mut schema))?;
        let comment = self.comment()?;
        let partitioned_by = match self.take("PARTITIONED BY") {
            true => self.names("a column")?,
            false => Vec::new(),
        };
        let options = match self.take("WITH") {
            true => self.options()?,
            false => Vec::new(),
        };
        self.refuse_table_clauses()?;
        schema.check(&name, &partitioned_by)?;
        let Schema { mut columns, watermark, primary_key } = schema;
        for column in &mut columns {
            column.not_null |= primary_key.iter().any(|key| key.value == column.name.value);
        }
        Ok(CreateTable {
            name,
            temporary: creation.temporary,
            if_not_exists,
            or_replace: creation.or_replace,
            columns,
            watermark,
            primary_key,
            partitioned_by,
            comment,
            options,
        })
    }

    fn refuse_table_clauses(&mut self) -> Result<(), Fault> {
        let (message, help) = if self.next_is("AS") {
            ("CREATE TABLE … AS SELECT is not supported", "create the table, then INSERT INTO it")
        } else if self.next_is("LIKE") {
            ("CREATE TABLE … LIKE is not supported", "write the columns and the options out")
        } else if self.next_is("DISTRIBUTED") {
            ("DISTRIBUTED BY is not supported", "leave it out")
        } else {
            return Ok(());
        };
        Err(Diagnostic::new(self.next_span(), message).with_help(help).into())
    }

    fn schema_item(&mut self, schema: &mut Schema) -> Result<(), Fault> {
        let start = self.next_span();
        if self.take("WATERMARK FOR") {
            let watermark = self.watermark()?;
            if schema.watermark.is_some() {
                return Err(Diagnostic::new(start.to(self.last_span()), "a table has one watermark at most").into());
            }
            schema.watermark = Some(Watermark { span: start.to(self.last_span()), ..watermark });
            return Ok(());
        }
        if self.take("CONSTRAINT") {
            self.name("the name of the constraint")?;
            if !self.next_is("PRIMARY") {
                return self.expected("PRIMARY KEY");
            }
        }
        if self.take("PRIMARY KEY") {
            let key = self.names("a column")?;
            self.not_enforced()?;
            if !schema.primary_key.is_empty() {
                return Err(Diagnostic::new(start.to(self.last_span()), "a table has one primary key at most").into());
            }
            schema.primary_key = key;
            return Ok(());
        }
        let column = self.column(Some(&mut schema.primary_key))?;
        schema.columns.push(column);
        Ok(())
    }

    fn not_enforced(&mut self) -> Result<(), Fault> {
        if self.take("NOT ENFORCED") {
            return Ok(());
        }
        let message = "a primary key is NOT ENFORCED: nobody checks that it is unique";
        Err(Diagnostic::new(self.next_span(), message).with_help("write PRIMARY KEY … NOT ENFORCED").into())
    }

    /// Reads a column. Only a table's may be computed or a key; `primary_key` is then the table's so far.
    pub(super) fn column(&mut self, primary_key: Option<&mut Vec<Ident>>) -> Result<Column, Fault> {
        let start = self.next_span();
        let name = self.name("the name of a column")?;
        let mut column = Column { name, data_type: None, not_null: false, computed: None, comment: None, span: start };
        if primary_key.is_some() && self.take("AS") {
            column.computed = Some(self.expr()?);
        } else {
            column.data_type = Some(self.data_type()?);
            self.column_constraints(&mut column, primary_key)?;
        }
        column.comment = self.comment()?;
        column.span = start.to(self.last_span());
        Ok(column)
    }

    fn column_constraints(
        &mut self,
        column: &mut Column,
        mut primary_key: Option<&mut Vec<Ident>>,
    ) -> Result<(), Fault> {
        loop {
            if self.next_is("METADATA") {
                let diagnostic = Diagnostic::new(self.next_span(), "metadata columns are not supported");
                return Err(diagnostic.with_help("leave the column out").into());
            }
            if self.take("NOT NULL") {
                column.not_null = true;
            } else if self.take("NULL") {
                column.not_null = false;
            } else if let Some(key) = primary_key.as_deref_mut()
                && self.next_is("PRIMARY")
            {
                let start = self.next_span();
                self.expect("PRIMARY KEY")?;
                self.not_enforced()?;
                if !key.is_empty() {
                    let message = "a table has one primary key at most";
                    return Err(Diagnostic::new(start.to(self.last_span()), message).into());
                }
                key.push(column.name.clone());
            } else {
                return Ok(());
            }
        }
    }

    fn watermark(&mut self) -> Result<Watermark, Fault> {
        let column = self.name("a column")?;
        self.expect("AS")?;
        let start = self.next_span();
        let expression = Box::new(self.expr()?);
        let span = start.to(self.last_span());
        let Some(delay_ms) = delay_ms(&expression, &column) else {
            let message = format!("a watermark is its column, {column}, or that column minus an interval");
            let help = format!("write WATERMARK FOR {column} AS {column} - INTERVAL '5' SECOND");
            return Err(Diagnostic::new(span, message).with_help(help).into());
        };
        Ok(Watermark { column, expression, delay_ms, span })
    }
}

/// The delay of `ts` (none) or of `ts - INTERVAL …`.
fn delay_ms(expression: &Expr, column: &Ident) -> Option<u64> {
    match expression {
        Expr::Nested(inner) => delay_ms(inner, column),
        Expr::Identifier(name) => (name.value == column.value).then_some(0),
        Expr::BinaryOp { left, op: BinaryOperator::Minus, right } => {
            delay_ms(left, column).filter(|&delay| delay == 0)?;
            u64::try_from(literal::interval(right)?.as_millis()).ok()
        }
        _ => None,
    }
}

impl Schema {
    fn check(&self, table: &Ident, partitioned_by: &[Ident]) -> Result<(), Fault> {
        if self.columns.is_empty() {
            let message = format!("table {table} has no column");
            return Err(Diagnostic::new(span_of_name(table), message).into());
        }
        distinct("column", self.columns.iter().map(|column| (column.name.value.as_str(), column.span)))?;
        distinct("column", self.primary_key.iter().map(|name| (name.value.as_str(), span_of_name(name))))?;
        distinct("column", partitioned_by.iter().map(|name| (name.value.as_str(), span_of_name(name))))?;
        for name in self.primary_key.iter().chain(partitioned_by) {
            self.find(name)?;
        }
        for name in &self.primary_key {
            if self.find(name)?.computed.is_some() {
                let message = format!("a primary key is of columns that are stored; {name} is computed");
                return Err(Diagnostic::new(span_of_name(name), message).into());
            }
        }
        let Some(watermark) = &self.watermark else {
            return Ok(());
        };
        match &self.find(&watermark.column)?.data_type {
            None | Some(DataType::Timestamp(..)) => Ok(()),
            Some(other) => {
                let message = format!(
                    "a watermark needs a column of type TIMESTAMP or TIMESTAMP_LTZ; {} is {}",
                    watermark.column,
                    types::display(other)
                );
                Err(Diagnostic::new(span_of_name(&watermark.column), message).into())
            }
        }
    }

    fn find(&self, name: &Ident) -> Result<&Column, Fault> {
        if let Some(column) = self.columns.iter().find(|column| column.name.value == name.value) {
            return Ok(column);
        }
        let diagnostic = Diagnostic::new(span_of_name(name), format!("the table has no column '{}'", name.value));
        Err(match nearest(&name.value, self.columns.iter().map(|column| column.name.value.as_str())) {
            Some(near) => diagnostic.with_help(format!("did you mean '{near}'?")),
            None => diagnostic,
        }
        .into())
    }
}
