//! One statement.
//!
//! This file has the means that every statement is read with, and the choice among them; what a statement holds is read in
//! the file of its name.

mod insert;
mod model;
mod object;
mod session;
mod table;
mod view;

use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, DataType, Expr, Ident, Query, Value, ValueWithSpan, VisitMut, VisitorMut};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};
use tidegate_options::nearest;

use crate::{Diagnostic, Dialect, OptionPair, Position, Span, Statement, parameters, types};

/// Why a statement was refused.
pub(crate) enum Fault {
    /// By the parser library.
    Parser(ParserError),
    /// By us.
    Said(Box<Diagnostic>),
}

impl From<ParserError> for Fault {
    fn from(error: ParserError) -> Self {
        Self::Parser(error)
    }
}

impl From<Diagnostic> for Fault {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Said(Box::new(diagnostic))
    }
}

/// The words that a statement begins with.
const STATEMENTS: &[&str] = &[
    "SET", "RESET", "CREATE", "ALTER", "DROP", "DESCRIBE", "DESC", "SHOW", "INSERT", "EXECUTE", "SELECT", "WITH",
    "VALUES", "EXPLAIN", "BEGIN",
];

/// Words that no unquoted name may be, since the clauses of a statement are told by them.
const RESERVED: &[&str] = &[
    "AS",
    "BY",
    "CREATE",
    "DROP",
    "FROM",
    "GROUP",
    "IN",
    "INSERT",
    "INTO",
    "NOT",
    "NULL",
    "ON",
    "ORDER",
    "PRIMARY",
    "SELECT",
    "SET",
    "TABLE",
    "UNION",
    "VALUES",
    "WATERMARK",
    "WHERE",
    "WITH",
];

/// A parser that stands somewhere in a statement.
pub(crate) struct StatementParser<'a> {
    parser: Parser<'a>,
    dialect: &'a Dialect,
}

impl<'a> StatementParser<'a> {
    pub(crate) fn new(parser: Parser<'a>, dialect: &'a Dialect) -> Self {
        Self { parser, dialect }
    }

    pub(crate) fn into_tokens(self) -> Vec<TokenWithSpan> {
        self.parser.into_tokens()
    }

    /// Reads any statement.
    pub(crate) fn statement(&mut self) -> Result<Statement, Fault> {
        let word = match &self.parser.peek_token_ref().token {
            Token::LParen => return Ok(Statement::Query(self.query()?)),
            Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
            _ => return self.expected("a statement"),
        };
        match word.as_str() {
            "SET" => self.set(),
            "RESET" => self.reset(),
            "CREATE" => self.create(),
            "ALTER" => self.alter(),
            "DROP" => self.drop_object(),
            "DESCRIBE" | "DESC" => self.describe(),
            "SHOW" => self.show(),
            "INSERT" => Ok(Statement::Insert(self.insert()?)),
            "EXECUTE" | "BEGIN" | "STATEMENT" => self.statement_set(),
            "SELECT" | "WITH" | "VALUES" => Ok(Statement::Query(self.query()?)),
            "EXPLAIN" => self.explain(),
            _ => Err(self.unknown("statement", STATEMENTS)),
        }
    }

    /// Refuses the next word, which is none of `known`.
    fn unknown(&self, what: &str, known: &[&str]) -> Fault {
        let token = self.parser.peek_token_ref();
        let diagnostic = Diagnostic::new(self.span_of(token), format!("unknown {what} '{}'", token.token));
        let help = match nearest(&token.token.to_string(), known.iter().copied()) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("known are {}", known.join(", ")),
        };
        diagnostic.with_help(help).into()
    }

    /// Refuses the next token: `what` was expected.
    fn expected<T>(&self, what: &str) -> Result<T, Fault> {
        Ok(self.parser.expected(what, self.parser.peek_token())?)
    }

    /// Refuses what follows the statement.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        let token = self.parser.peek_token_ref();
        if token.token == Token::EOF {
            return Ok(());
        }
        let diagnostic =
            Diagnostic::new(self.span_of(token), format!("expected end of statement, found {}", token.token));
        Err(diagnostic.with_help("a statement ends with ';'").into())
    }

    fn span_of(&self, token: &TokenWithSpan) -> Span {
        Span::from_parser(token.span).unwrap_or(Span::at(Position::START))
    }

    /// Where the next token stands; where the last one ends if there is none.
    fn next_span(&self) -> Span {
        match Span::from_parser(self.parser.peek_token_ref().span) {
            Some(span) => span,
            None => Span::at(self.last_span().end),
        }
    }

    /// Where the last token taken stands.
    fn last_span(&self) -> Span {
        self.span_of(self.parser.get_current_token())
    }

    /// Whether the next token is this word, unquoted, whatever its case.
    fn next_is(&self, word: &str) -> bool {
        self.nth_is(0, word)
    }

    fn nth_is(&self, n: usize, word: &str) -> bool {
        matches!(&self.parser.peek_nth_token_ref(n).token,
            Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
    }

    /// Takes these words if they come next, all of them.
    fn take(&mut self, words: &str) -> bool {
        let found = words.split(' ').enumerate().all(|(n, word)| self.nth_is(n, word));
        if found {
            words.split(' ').for_each(|_| self.parser.advance_token());
        }
        found
    }

    /// Takes these words, which must come next.
    fn expect(&mut self, words: &str) -> Result<(), Fault> {
        for word in words.split(' ') {
            if !self.take(word) {
                return self.expected(words);
            }
        }
        Ok(())
    }

    fn take_token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    fn expect_token(&mut self, token: &Token, what: &str) -> Result<(), Fault> {
        match self.take_token(token) {
            true => Ok(()),
            false => self.expected(what),
        }
    }

    /// Reads a name of one part; `what` says of what.
    fn name(&mut self, what: &str) -> Result<Ident, Fault> {
        let name = match &self.parser.peek_token_ref().token {
            Token::Word(word)
                if word.quote_style.is_some() || !RESERVED.iter().any(|r| r.eq_ignore_ascii_case(&word.value)) =>
            {
                self.parser.parse_identifier()?
            }
            Token::Word(word) => {
                let message = format!("expected {what}, found the keyword {}", word.value);
                let help = format!("a name that is a keyword is quoted: `{}`", word.value);
                return Err(Diagnostic::new(self.next_span(), message).with_help(help).into());
            }
            Token::Placeholder(text) => {
                let message = format!("expected {what}, found the parameter {text}");
                let help = "a parameter stands for a value; it cannot stand for a name";
                return Err(Diagnostic::new(self.next_span(), message).with_help(help).into());
            }
            _ => return self.expected(what),
        };
        let span = self.last_span();
        if name.value.is_empty() {
            return Err(Diagnostic::new(span, format!("expected {what}, found an empty name")).into());
        }
        if self.parser.peek_token_ref().token == Token::Period {
            let message = "catalogs and databases are not supported: a name has one part";
            return Err(Diagnostic::new(span.to(self.next_span()), message).into());
        }
        Ok(name)
    }

    /// Reads names in parentheses.
    fn names(&mut self, what: &str) -> Result<Vec<Ident>, Fault> {
        self.listed(|p| p.name(what))
    }

    /// Reads items between parentheses, parted by commas; none too.
    fn listed<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
        self.expect_token(&Token::LParen, "'('")?;
        let mut items = Vec::new();
        if self.take_token(&Token::RParen) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.take_token(&Token::RParen) {
                return Ok(items);
            }
            self.expect_token(&Token::Comma, "',' or ')'")?;
        }
    }

    /// Reads a quoted text; `what` says what it is.
    fn text(&mut self, what: &str) -> Result<(String, Span), Fault> {
        let span = self.next_span();
        let text = match &self.parser.peek_token_ref().token {
            Token::SingleQuotedString(text) => text.clone(),
            Token::Placeholder(name) => {
                let diagnostic = Diagnostic::new(span, format!("expected {what} in quotes, found {name}"));
                return Err(diagnostic.with_help(format!("write '{name}'")).into());
            }
            Token::Word(word) if word.quote_style.is_none() => {
                let diagnostic = Diagnostic::new(span, format!("expected {what} in quotes, found {}", word.value));
                return Err(diagnostic.with_help(format!("write '{}'", word.value)).into());
            }
            Token::Number(number, _) => {
                let diagnostic = Diagnostic::new(span, format!("expected {what} in quotes, found {number}"));
                return Err(diagnostic.with_help(format!("write '{number}'")).into());
            }
            _ => return self.expected(&format!("{what} in quotes")),
        };
        self.parser.advance_token();
        Ok((text, span))
    }

    /// Reads `COMMENT '…'`, if it comes next.
    fn comment(&mut self) -> Result<Option<String>, Fault> {
        match self.take("COMMENT") {
            true => Ok(Some(self.text("a comment")?.0)),
            false => Ok(None),
        }
    }

    /// Reads `('key' = 'value', …)`.
    fn options(&mut self) -> Result<Vec<OptionPair>, Fault> {
        let pairs = self.listed(|p| {
            let (key, key_span) = p.text("the name of an option")?;
            p.expect_token(&Token::Eq, "'=' and the option's value")?;
            let (value, value_span) = p.text("the option's value")?;
            Ok(OptionPair { key, value, span: key_span.to(value_span), key_span, value_span })
        })?;
        distinct("option", pairs.iter().map(|pair| (pair.key.as_str(), pair.key_span)))?;
        Ok(pairs)
    }

    /// Reads a type.
    pub(crate) fn data_type(&mut self) -> Result<DataType, Fault> {
        Ok(types::parse(&mut self.parser)?)
    }

    /// Reads an expression.
    pub(crate) fn expr(&mut self) -> Result<Expr, Fault> {
        let mut expr = self.parser.parse_expr()?;
        let _ = expr.visit(&mut Finish(self.dialect));
        Ok(expr)
    }

    /// Reads a query.
    pub(crate) fn query(&mut self) -> Result<Box<Query>, Fault> {
        let is_query = ["SELECT", "WITH", "VALUES"].iter().any(|word| self.next_is(word));
        if !is_query && self.parser.peek_token_ref().token != Token::LParen {
            return self.expected("a query: SELECT, WITH or VALUES");
        }
        let mut query = self.parser.parse_query()?;
        let _ = query.visit(&mut Finish(self.dialect));
        Ok(query)
    }
}

/// What is done to a tree before it is handed out. The parameters that stand where the grammar has a literal and not an
/// expression, as in `DATE ${day}`, are bound; long rows of AND and of OR are made flat.
struct Finish<'a>(&'a Dialect);

impl VisitorMut for Finish<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        flatten(expr);
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        if let Value::Placeholder(name) = &value.value
            && let Some(text) = self.0.parameter(name)
        {
            value.value = match parameters::literal(text, value.span) {
                Expr::Value(literal) => literal.value,
                _ => Value::SingleQuotedString(text.to_string()),
            };
        }
        ControlFlow::Continue(())
    }
}

/// From how many conditions on a row is made flat.
const FLAT_CONDITIONS_MIN: usize = 16;

/// Turns `((a OR b) OR c) OR d` into `(a OR b) OR (c OR d)`, which means the same: whoever walks the tree calls itself once a
/// level.
fn flatten(expr: &mut Expr) {
    let row = match expr {
        Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => op.clone(),
        _ => return,
    };
    let mut conditions = Vec::new();
    let mut rest = std::mem::replace(expr, Expr::Value(Value::Null.into()));
    loop {
        match rest {
            Expr::BinaryOp { left, op, right } if op == row => {
                conditions.push(*right);
                rest = *left;
            }
            first => {
                conditions.push(first);
                break;
            }
        }
    }
    conditions.reverse();
    let join = |left, right| Expr::BinaryOp { left: Box::new(left), op: row.clone(), right: Box::new(right) };
    if conditions.len() < FLAT_CONDITIONS_MIN {
        // As it was parsed, so that short conditions are shown as other tools show them.
        if let Some(whole) = conditions.into_iter().reduce(join) {
            *expr = whole;
        }
        return;
    }
    while conditions.len() > 1 {
        let mut halved = Vec::with_capacity(conditions.len().div_ceil(2));
        let mut pairs = conditions.into_iter();
        while let Some(left) = pairs.next() {
            halved.push(match pairs.next() {
                Some(right) => join(left, right),
                None => left,
            });
        }
        conditions = halved;
    }
    if let Some(whole) = conditions.pop() {
        *expr = whole;
    }
}

/// Refuses the second of two things with one name.
fn distinct<'n>(what: &str, names: impl Iterator<Item = (&'n str, Span)>) -> Result<(), Fault> {
    let mut seen = std::collections::HashSet::new();
    for (name, span) in names {
        if !seen.insert(name) {
            return Err(Diagnostic::new(span, format!("{what} '{name}' is given twice")).into());
        }
    }
    Ok(())
}

/// Where a name stands.
fn span_of_name(name: &Ident) -> Span {
    Span::from_parser(name.span).unwrap_or(Span::at(Position::START))
}
