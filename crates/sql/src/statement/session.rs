//! `SET`, `RESET`, `EXPLAIN`.

use sqlparser::tokenizer::Token;
use tidegate_options::nearest;

use super::{Fault, StatementParser};
use crate::settings::{PARAMETER_PREFIX, SETTINGS};
use crate::{Diagnostic, Located, OptionPair, Span, Statement, parameters, resolve_options};

impl StatementParser<'_> {
    pub(super) fn set(&mut self) -> Result<Statement, Fault> {
        self.expect("SET")?;
        if self.parser.peek_token_ref().token == Token::EOF {
            return Ok(Statement::ShowSettings);
        }
        let (key, key_span) = self.text("the name of a setting")?;
        self.expect_token(&Token::Eq, "'=' and the setting's value")?;
        let (value, value_span) = self.text("the setting's value")?;
        match key.strip_prefix(PARAMETER_PREFIX) {
            Some(name) => check_parameter(name, key_span)?,
            None => {
                let pair = OptionPair { key, value, span: key_span.to(value_span), key_span, value_span };
                resolve_options(&[SETTINGS], std::slice::from_ref(&pair), pair.span)?;
                return Ok(Statement::Set { key: pair.key, value: pair.value });
            }
        }
        Ok(Statement::Set { key, value })
    }

    pub(super) fn reset(&mut self) -> Result<Statement, Fault> {
        self.expect("RESET")?;
        if self.parser.peek_token_ref().token == Token::EOF {
            return Ok(Statement::Reset { key: None });
        }
        let (key, span) = self.text("the name of a setting")?;
        match key.strip_prefix(PARAMETER_PREFIX) {
            Some(name) => check_parameter(name, span)?,
            None if SETTINGS.iter().any(|setting| setting.name == key) => {}
            None => {
                let diagnostic = Diagnostic::new(span, format!("unknown setting '{key}'"));
                let names = || SETTINGS.iter().map(|setting| setting.name);
                let help = match nearest(&key, names()) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => format!("known are: {}", names().collect::<Vec<_>>().join(", ")),
                };
                return Err(diagnostic.with_help(help).into());
            }
        }
        Ok(Statement::Reset { key: Some(key) })
    }

    pub(super) fn explain(&mut self) -> Result<Statement, Fault> {
        self.expect("EXPLAIN")?;
        self.take("PLAN FOR");
        let explained = ["SELECT", "WITH", "VALUES", "INSERT", "EXECUTE", "BEGIN", "STATEMENT"];
        let is_explained = explained.iter().any(|word| self.next_is(word));
        if !is_explained && self.parser.peek_token_ref().token != Token::LParen {
            return self.expected("a query, INSERT or a statement set to explain");
        }
        let start = self.next_span();
        let statement = self.statement()?;
        Ok(Statement::Explain(Box::new(Located { statement, span: start.to(self.last_span()) })))
    }
}

fn check_parameter(name: &str, span: Span) -> Result<(), Fault> {
    if parameters::is_name(name) {
        return Ok(());
    }
    let message =
        format!("'{name}' cannot name a parameter: a name is letters, digits and _, and begins with no digit");
    Err(Diagnostic::new(span, message).into())
}
