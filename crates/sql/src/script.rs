//! A script: its statements, one after the other.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::vec::IntoIter;

use sqlparser::ast::Query;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::settings::PARAMETER_PREFIX;
use crate::statement::{Fault, StatementParser};
use crate::{Diagnostic, Dialect, Located, Parameters, Position, Script, Source, Span, SqlError, Statement};
use crate::{error, parameters, tokens};

/// The largest script, in bytes.
pub const SCRIPT_BYTES_MAX: usize = 4 << 20;

/// How often the parser library may call itself.
const RECURSION_MAX: usize = 50;

/// The stack that a statement is parsed on. Unoptimised, a level of the parser library takes a hundred kilobytes of it, so that
/// the caller's may be too small for what [`RECURSION_MAX`] allows.
const STACK_BYTES: usize = 32 << 20;

/// Parses all statements of a script.
///
/// `name` is what messages call the script. Parameters that the script names need a value in `parameters`, or a default
/// that a statement before their use sets.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse_script(name: &str, text: &str, parameters: &Parameters) -> Result<Script, SqlError> {
    let mut statements = Statements::new(name, text, parameters)?;
    let parsed = statements.by_ref().collect::<Result<Vec<_>, _>>()?;
    let unused_parameters = statements.unused_parameters();
    Ok(Script { source: statements.source, statements: parsed, unused_parameters })
}

/// Parses one query, without a semicolon.
///
/// # Errors
/// What is wrong with it.
pub fn parse_query(name: &str, text: &str, parameters: &Parameters) -> Result<Box<Query>, SqlError> {
    let source = Source::new(name, text);
    parse_alone(&source, parameters, |p| p.query()).map_err(|diagnostic| diagnostic.in_source(&source))
}

/// Parses an expression.
#[cfg(test)]
pub(crate) fn parse_expr(text: &str) -> Result<sqlparser::ast::Expr, Diagnostic> {
    parse_alone(&Source::new("", text), &Parameters::default(), |p| p.expr())
}

/// Parses a type.
#[cfg(test)]
pub(crate) fn parse_type(text: &str) -> Result<sqlparser::ast::DataType, Diagnostic> {
    parse_alone(&Source::new("", text), &Parameters::default(), |p| p.data_type())
}

/// Whether a text holds only whole statements, each closed by its semicolon; so does a blank text.
///
/// A shell goes on reading lines until it is so.
///
/// ```
/// use tidegate_sql::is_complete;
/// assert!(is_complete("SELECT 1; -- done"));
/// assert!(!is_complete("SELECT 1"));
/// assert!(!is_complete("SELECT ';"));
/// assert!(!is_complete("EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1;"));
/// ```
pub fn is_complete(text: &str) -> bool {
    match tokens::tokenize(text) {
        Ok(tokens) => {
            let tokens: Vec<_> = tokens.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
            let mut tokens = tokens.into_iter().peekable();
            while let Some(chunk) = Chunk::next(&mut tokens) {
                if !chunk.is_closed {
                    return false;
                }
            }
            true
        }
        // What more text cannot mend is complete: the error should be seen now.
        Err(error) => !tokens::ends_too_soon(&error),
    }
}

/// The statements of a script, parsed as they are asked for. After an error there are no more.
#[derive(Debug)]
pub struct Statements {
    source: Source,
    tokens: Peekable<IntoIter<TokenWithSpan>>,
    dialect: Dialect,
    parameters: Parameters,
    used: BTreeSet<String>,
    failed: bool,
}

impl Statements {
    /// Cuts a script into tokens; [`Iterator::next`] parses them.
    ///
    /// # Errors
    /// If the script is too large, a quote or a comment is not closed, or something stands in it that no statement can hold.
    pub fn new(name: &str, text: &str, parameters: &Parameters) -> Result<Self, SqlError> {
        let source = Source::new(name, text);
        let tokens = read(&source).map_err(|diagnostic| diagnostic.in_source(&source))?;
        Ok(Self {
            source,
            dialect: Dialect::new(tokens.arguments),
            tokens: tokens.tokens.into_iter().peekable(),
            parameters: parameters.clone(),
            used: BTreeSet::new(),
            failed: false,
        })
    }

    /// The script.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The parameters, with the defaults that the statements so far have set.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The parameters that were given and that no statement so far has named.
    pub fn unused_parameters(&self) -> Vec<String> {
        self.parameters.given().map(|(name, _)| name.to_string()).filter(|name| !self.used.contains(name)).collect()
    }

    fn parse(&mut self, chunk: Chunk) -> Result<Located, Diagnostic> {
        let (span, end) = (chunk.span, chunk.span.end);
        let bound = bind(chunk.tokens, &self.source, &self.parameters, &mut self.dialect, &mut self.used)?;
        let statement = parse_tokens(bound, end, &self.dialect, |p| p.statement())?;
        match &statement {
            Statement::Set { key, value } => {
                if let Some(name) = key.strip_prefix(PARAMETER_PREFIX) {
                    self.used.insert(name.to_string());
                    self.parameters.set_default(name, value).map_err(|message| Diagnostic::new(span, message))?;
                }
            }
            Statement::Reset { key: None } => self.parameters.reset_defaults(),
            Statement::Reset { key: Some(key) } => {
                if let Some(name) = key.strip_prefix(PARAMETER_PREFIX) {
                    self.parameters.reset_default(name);
                }
            }
            _ => {}
        }
        Ok(Located { statement, span })
    }
}

impl Iterator for Statements {
    type Item = Result<Located, SqlError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let chunk = Chunk::next(&mut self.tokens)?;
        let parsed = self.parse(chunk);
        self.failed = parsed.is_err();
        Some(parsed.map_err(|diagnostic| diagnostic.in_source(&self.source)))
    }
}

fn read(source: &Source) -> Result<tokens::Tokens, Diagnostic> {
    if source.text.len() > SCRIPT_BYTES_MAX {
        let message = format!(
            "the script has {} bytes; the most that is read is {} MiB",
            source.text.len(),
            SCRIPT_BYTES_MAX >> 20
        );
        let help = "rows belong in a file with a table over it, not in VALUES";
        return Err(Diagnostic::new(Span::at(Position::START), message).with_help(help));
    }
    tokens::read(&source.text)
}

/// Parses a text that is one thing and no statement.
fn parse_alone<T>(
    source: &Source,
    parameters: &Parameters,
    parse: impl FnOnce(&mut StatementParser) -> Result<T, Fault>,
) -> Result<T, Diagnostic> {
    let tokens = read(source)?;
    let mut dialect = Dialect::new(tokens.arguments);
    let end = tokens.tokens.last().map_or(Position::START, |token| token.span.end.into());
    let bound = bind(tokens.tokens, source, parameters, &mut dialect, &mut BTreeSet::new())?;
    parse_tokens(bound, end, &dialect, parse)
}

/// The tokens of one statement.
struct Chunk {
    tokens: Vec<TokenWithSpan>,
    span: Span,
    /// Whether a semicolon closes it.
    is_closed: bool,
}

impl Chunk {
    /// Takes the tokens up to the next semicolon; in a statement set, up to the one after END.
    fn next(tokens: &mut Peekable<impl Iterator<Item = TokenWithSpan>>) -> Option<Self> {
        while tokens.next_if(|token| matches!(token.token, Token::SemiColon | Token::EOF)).is_some() {}
        tokens.peek()?;
        let mut taken = Vec::new();
        let mut is_closed = false;
        let mut begins = true;
        let mut ends_set = false;
        for token in tokens {
            match &token.token {
                Token::EOF => break,
                Token::SemiColon if ends_set || !begins_statement_set(&taken) => {
                    is_closed = true;
                    break;
                }
                Token::SemiColon => begins = true,
                other => {
                    ends_set |= begins && is_word(other, "END");
                    begins = false;
                }
            }
            taken.push(token);
        }
        let start = taken.first()?.span.start;
        let end = taken.last()?.span.end;
        Some(Self { tokens: taken, span: Span { start: start.into(), end: end.into() }, is_closed })
    }
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

/// Whether a statement that begins with these tokens is a statement set, which holds semicolons.
fn begins_statement_set(tokens: &[TokenWithSpan]) -> bool {
    let leading = ["EXPLAIN", "PLAN", "FOR", "EXECUTE", "BEGIN"];
    let mut rest = tokens.iter().map(|token| &token.token).skip_while(|t| leading.iter().any(|word| is_word(t, word)));
    rest.next().is_some_and(|token| is_word(token, "STATEMENT")) && rest.next().is_some_and(|t| is_word(t, "SET"))
}

/// Fills in the parameters inside quotes, and makes those outside known to the dialect.
fn bind(
    mut tokens: Vec<TokenWithSpan>,
    source: &Source,
    values: &Parameters,
    dialect: &mut Dialect,
    used: &mut BTreeSet<String>,
) -> Result<Vec<TokenWithSpan>, Diagnostic> {
    let unknown = |name: &str, span: Span| {
        Diagnostic::new(span, format!("parameter '{name}' has no value")).with_help(values.help_for(name))
    };
    for token in &mut tokens {
        let span = Span::from_parser(token.span).unwrap_or(Span::at(Position::START));
        match &mut token.token {
            Token::Placeholder(text) => {
                let name = text.trim_start_matches("${").trim_end_matches('}');
                let value = values.get(name).ok_or_else(|| unknown(name, span))?;
                dialect.define(name, value);
                used.insert(name.to_string());
            }
            Token::SingleQuotedString(text)
            | Token::NationalStringLiteral(text)
            | Token::UnicodeStringLiteral(text)
                if text.contains("${") =>
            {
                let filled = parameters::expand(text, |name| {
                    used.insert(name.to_string());
                    values.get(name)
                });
                *text = filled.map_err(|name| {
                    let place = inside(source, span, &format!("${{{name}}}"));
                    unknown(&name, place)
                })?;
            }
            _ => {}
        }
    }
    Ok(tokens)
}

/// Where `part` stands inside a stretch of the script.
fn inside(source: &Source, span: Span, part: &str) -> Span {
    let text = source.slice(span);
    let Some(offset) = text.find(part) else {
        return span;
    };
    let mut start = span.start;
    for c in text[..offset].chars() {
        start = match c {
            '\n' => Position { line: start.line + 1, column: 1 },
            _ => Position { line: start.line, column: start.column + 1 },
        };
    }
    let length = part.chars().count() as u32;
    Span { start, end: Position { line: start.line, column: start.column + length } }
}

/// Parses tokens to their last.
fn parse_tokens<T>(
    tokens: Vec<TokenWithSpan>,
    end: Position,
    dialect: &Dialect,
    parse: impl FnOnce(&mut StatementParser) -> Result<T, Fault>,
) -> Result<T, Diagnostic> {
    stacker::grow(STACK_BYTES, || {
        let parser = Parser::new(dialect).with_recursion_limit(RECURSION_MAX).with_tokens_with_locations(tokens);
        let mut parser = StatementParser::new(parser, dialect);
        let parsed = parse(&mut parser).and_then(|parsed| parser.end().map(|()| parsed));
        parsed.map_err(|fault| match fault {
            Fault::Said(diagnostic) => *diagnostic,
            Fault::Parser(error) => explain(error, parser.into_tokens(), end, dialect),
        })
    })
}

/// Turns a parser's error into a message.
///
/// The parser library reads `name => value` twice, and reports the second reading, which cannot make sense of the arrow. So an
/// error at an arrow is looked for in what follows the arrow.
fn explain(error: ParserError, mut tokens: Vec<TokenWithSpan>, end: Position, dialect: &Dialect) -> Diagnostic {
    let mut diagnostic = error::from_parser(error, &tokens, end);
    loop {
        let at = tokens.binary_search_by_key(&diagnostic.span.start, |token| token.span.start.into());
        let arrow = at.ok().filter(|&at| tokens[at].token == Token::RArrow);
        let Some(arrow) = arrow else {
            return diagnostic;
        };
        tokens.drain(..=arrow);
        let mut parser =
            Parser::new(dialect).with_recursion_limit(RECURSION_MAX).with_tokens_with_locations(tokens.clone());
        match parser.parse_expr() {
            Err(error) => diagnostic = error::from_parser(error, &tokens, end),
            Ok(_) => {
                return match parser.expected::<()>("',' or ')'", parser.peek_token()) {
                    Err(error) => error::from_parser(error, &tokens, end),
                    Ok(()) => diagnostic,
                };
            }
        }
    }
}
