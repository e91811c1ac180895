//! `INSERT INTO`, and several of them in a statement set.

use sqlparser::tokenizer::Token;

use super::{Fault, StatementParser, distinct, span_of_name};
use crate::{Diagnostic, Insert, Statement};

impl StatementParser<'_> {
    pub(super) fn insert(&mut self) -> Result<Insert, Fault> {
        let start = self.next_span();
        self.expect("INSERT")?;
        let overwrite = self.take("OVERWRITE");
        if !overwrite && !self.take("INTO") {
            return self.expected("INTO or OVERWRITE");
        }
        let table = self.name("the name of a table")?;
        if self.next_is("PARTITION") {
            let diagnostic = Diagnostic::new(self.next_span(), "INSERT … PARTITION is not supported");
            return Err(diagnostic.with_help("select the value of the partition's column in the query").into());
        }
        let begins_columns = self.parser.peek_token_ref().token == Token::LParen
            && !["SELECT", "WITH", "VALUES"].iter().any(|word| self.nth_is(1, word))
            && self.parser.peek_nth_token_ref(1).token != Token::LParen;
        let columns = match begins_columns {
            true => self.names("a column")?,
            false => Vec::new(),
        };
        distinct("column", columns.iter().map(|column| (column.value.as_str(), span_of_name(column))))?;
        let query = self.query()?;
        Ok(Insert { table, columns, overwrite, query, span: start.to(self.last_span()) })
    }

    /// Reads `EXECUTE STATEMENT SET BEGIN insert; … END`, or `BEGIN STATEMENT SET; insert; … END` as a shell takes it.
    pub(super) fn statement_set(&mut self) -> Result<Statement, Fault> {
        let start = self.next_span();
        if self.take("BEGIN") {
            self.expect("STATEMENT SET")?;
            self.expect_token(&Token::SemiColon, "';'")?;
        } else {
            self.take("EXECUTE");
            self.expect("STATEMENT SET BEGIN")?;
        }
        let mut inserts = Vec::new();
        while !self.take("END") {
            if !self.next_is("INSERT") {
                return self.expected("INSERT or END");
            }
            inserts.push(self.insert()?);
            self.expect_token(&Token::SemiColon, "';' after the INSERT")?;
        }
        if inserts.is_empty() {
            let diagnostic = Diagnostic::new(start.to(self.last_span()), "the statement set is empty");
            return Err(diagnostic.with_help("put an INSERT between BEGIN and END").into());
        }
        Ok(Statement::StatementSet(inserts))
    }
}
