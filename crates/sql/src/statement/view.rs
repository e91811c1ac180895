//! `CREATE VIEW`.

use sqlparser::tokenizer::Token;

use super::object::Creation;
use super::{Fault, StatementParser, distinct, span_of_name};
use crate::CreateView;

impl StatementParser<'_> {
    pub(super) fn create_view(&mut self, creation: Creation) -> Result<CreateView, Fault> {
        let if_not_exists = self.take("IF NOT EXISTS");
        let name = self.name("the name of a view")?;
        let columns = match self.parser.peek_token_ref().token == Token::LParen {
            true => self.listed(|p| {
                let column = p.name("the name of a column")?;
                p.comment()?;
                Ok(column)
            })?,
            false => Vec::new(),
        };
        distinct("column", columns.iter().map(|column| (column.value.as_str(), span_of_name(column))))?;
        let comment = self.comment()?;
        self.expect("AS")?;
        let start = self.next_span();
        let query = self.query()?;
        Ok(CreateView {
            name,
            temporary: creation.temporary,
            if_not_exists,
            or_replace: creation.or_replace,
            columns,
            comment,
            query,
            query_span: start.to(self.last_span()),
        })
    }
}
