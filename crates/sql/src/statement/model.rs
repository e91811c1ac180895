//! `CREATE MODEL`, `ALTER MODEL`.

use sqlparser::ast::{Expr, Ident};
use sqlparser::tokenizer::Token;

use super::object::Creation;
use super::{Fault, StatementParser, distinct, span_of_name};
use crate::call::ModelRef;
use crate::{AlterModel, AlterModelAction, Column, CreateModel, Diagnostic, ModelVersion, TransformItem};

impl StatementParser<'_> {
    pub(super) fn create_model(&mut self, creation: Creation) -> Result<CreateModel, Fault> {
        let if_not_exists = self.take("IF NOT EXISTS");
        let name = self.model_name()?;
        let mut transform = None;
        let mut input = None;
        let mut output = None;
        let mut comment = None;
        let mut options = None;
        loop {
            let start = self.next_span();
            let first = if self.take("TRANSFORM") {
                transform.replace(self.transform()?).is_none()
            } else if self.take("INPUT") {
                input.replace(self.model_columns()?).is_none()
            } else if self.take("OUTPUT") {
                output.replace(self.model_columns()?).is_none()
            } else if self.next_is("COMMENT") {
                comment.replace(self.comment()?).is_none()
            } else if self.take("WITH") {
                options.replace(self.options()?).is_none()
            } else {
                break;
            };
            if !first {
                return Err(Diagnostic::new(start, "the clause is given twice").into());
            }
        }
        let query = match self.take("AS") {
            true => Some(self.query()?),
            false if self.parser.peek_token_ref().token == Token::EOF => None,
            false => return self.expected("TRANSFORM, INPUT, OUTPUT, COMMENT, WITH, AS or end of statement"),
        };
        Ok(CreateModel {
            name,
            temporary: creation.temporary,
            or_replace: creation.or_replace,
            if_not_exists,
            transform: transform.unwrap_or_default(),
            input: input.unwrap_or_default(),
            output: output.unwrap_or_default(),
            comment: comment.flatten(),
            options: options.unwrap_or_default(),
            query,
        })
    }

    /// Reads the name of a model that is to be, or to be changed: without a version.
    fn model_name(&mut self) -> Result<Ident, Fault> {
        let name = self.name("the name of a model")?;
        if name.value.contains('$') {
            let message = "the name of a model holds no '$', which sets off a version";
            return Err(Diagnostic::new(span_of_name(&name), message).into());
        }
        Ok(name)
    }

    fn model_columns(&mut self) -> Result<Vec<Column>, Fault> {
        let columns = self.listed(|p| p.column(None))?;
        distinct("column", columns.iter().map(|column| (column.name.value.as_str(), column.span)))?;
        Ok(columns)
    }

    fn transform(&mut self) -> Result<Vec<TransformItem>, Fault> {
        let items = self.listed(|p| {
            let start = p.next_span();
            let expr = p.expr()?;
            let alias = match (&expr, p.take("AS")) {
                (_, true) => p.name("a name for the feature")?,
                (Expr::Identifier(column), false) => column.clone(),
                _ => return p.expected("AS and a name for the feature"),
            };
            Ok(TransformItem { expr, alias, span: start.to(p.last_span()) })
        })?;
        distinct("feature", items.iter().map(|item| (item.alias.value.as_str(), span_of_name(&item.alias))))?;
        Ok(items)
    }

    pub(super) fn alter_model(&mut self) -> Result<AlterModel, Fault> {
        let if_exists = self.take("IF EXISTS");
        let name = self.model_name()?;
        let action = if self.take("RENAME TO") {
            AlterModelAction::RenameTo(self.model_name()?)
        } else if self.take("SET ALIAS") {
            let alias = self.name("an alias")?;
            self.expect_token(&Token::Eq, "'=' and a version")?;
            AlterModelAction::SetAlias { alias, version: self.version()? }
        } else if self.take("DROP ALIAS") {
            AlterModelAction::DropAlias(self.name("an alias")?)
        } else if self.take("SET") {
            AlterModelAction::SetOptions(self.options()?)
        } else if self.take("RESET") {
            let keys = self.listed(|p| p.text("the name of an option"))?;
            distinct("option", keys.iter().map(|(key, span)| (key.as_str(), *span)))?;
            AlterModelAction::ResetOptions(keys.into_iter().map(|(key, _)| key).collect())
        } else {
            return self.expected("RENAME TO, SET (…), RESET (…), SET ALIAS or DROP ALIAS");
        };
        Ok(AlterModel { name, if_exists, action })
    }

    /// Reads a version's number, or an alias of it.
    fn version(&mut self) -> Result<ModelVersion, Fault> {
        let span = self.next_span();
        let written = match &self.parser.peek_token_ref().token {
            Token::Number(number, false) => number.clone(),
            Token::Word(word) => word.value.clone(),
            Token::Placeholder(name) => self.dialect.parameter(name).unwrap_or_default().to_string(),
            _ => return self.expected("a version number or an alias"),
        };
        self.parser.advance_token();
        match ModelRef::parse(&format!("m${written}")) {
            Ok(model) => Ok(model.version),
            Err(_) => {
                let message = format!("'{written}' is neither a version number from 1 nor an alias");
                Err(Diagnostic::new(span, message).into())
            }
        }
    }
}
