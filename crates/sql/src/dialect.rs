//! The lexical rules of the language, and the expressions that the parser library does not know.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, OnceLock};

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    CastKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, Map,
    MapEntry, ObjectName, OrderByExpr, Query, SelectItem, SetExpr, TableFactor, Value,
};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token};

use crate::error::parser_error;
use crate::{call, interval, parameters, types};

/// The dialect, for the parser library.
///
/// A default one reads every expression of the language except `TABLE t` and `MODEL m` as arguments, and parameters: which
/// words those are is known from the text around them, so [`parse_script`](crate::parse_script) and
/// [`parse_query`](crate::parse_query) find them before parsing.
#[derive(Debug, Clone, Default)]
pub struct Dialect {
    /// Where the words TABLE and MODEL begin an argument of a function.
    arguments: Arc<HashSet<Location>>,
    /// The value of each parameter.
    parameters: BTreeMap<String, String>,
}

impl Dialect {
    pub(crate) fn new(arguments: HashSet<Location>) -> Self {
        Self { arguments: Arc::new(arguments), parameters: BTreeMap::new() }
    }

    /// Makes a parameter known to the expressions that follow.
    pub(crate) fn define(&mut self, name: &str, value: &str) {
        self.parameters.insert(name.to_string(), value.to_string());
    }

    pub(crate) fn parameter(&self, placeholder: &str) -> Option<&str> {
        let name = placeholder.strip_prefix("${")?.strip_suffix('}')?;
        self.parameters.get(name).map(String::as_str)
    }

    fn is_argument(&self, parser: &Parser) -> bool {
        self.arguments.contains(&parser.peek_token_ref().span.start)
    }
}

impl sqlparser::dialect::Dialect for Dialect {
    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '$'
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('`')
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        // A word with a syntax of its own is never tried a second time as a column or function: that would say what is wrong
        // with the second reading, and take time exponential in the depth of such words.
        matches!(
            keyword,
            Keyword::ARRAY
                | Keyword::CASE
                | Keyword::CAST
                | Keyword::CEIL
                | Keyword::CONVERT
                | Keyword::EXISTS
                | Keyword::EXTRACT
                | Keyword::FLOOR
                | Keyword::INTERVAL
                | Keyword::NOT
                | Keyword::OVERLAY
                | Keyword::POSITION
                | Keyword::SAFE_CAST
                | Keyword::STRUCT
                | Keyword::SUBSTR
                | Keyword::SUBSTRING
                | Keyword::TRIM
                | Keyword::TRY_CAST
        )
    }

    fn supports_named_fn_args_with_rarrow_operator(&self) -> bool {
        true
    }

    fn supports_dollar_placeholder(&self) -> bool {
        // Else the text between two dollar signs would be read as a quoted string.
        true
    }

    fn supports_unicode_string_literal(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_match_recognize(&self) -> bool {
        true
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn require_interval_qualifier(&self) -> bool {
        true
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let word = match &parser.peek_token_ref().token {
            Token::Placeholder(name) => {
                let value = self.parameter(name)?;
                let span = parser.peek_token_ref().span;
                parser.next_token();
                return Some(Ok(parameters::literal(value, span)));
            }
            Token::Word(word) if word.quote_style.is_none() => word,
            _ => return None,
        };
        let followed_by = |token: &Token| parser.peek_nth_token_ref(1).token == *token;
        match word.keyword {
            Keyword::INTERVAL => Some(interval::parse(parser, |name| self.parameter(name).map(str::to_string))),
            Keyword::CAST if followed_by(&Token::LParen) => Some(cast(parser, CastKind::Cast)),
            Keyword::TRY_CAST if followed_by(&Token::LParen) => Some(cast(parser, CastKind::TryCast)),
            Keyword::MAP if followed_by(&Token::LBracket) => Some(map(parser)),
            Keyword::TABLE if self.is_argument(parser) => Some(table(parser)),
            _ if word.value.eq_ignore_ascii_case("MODEL") && self.is_argument(parser) => Some(model(parser)),
            _ => None,
        }
    }
}

/// `CAST(x AS type)`, with the language's own types.
fn cast(parser: &mut Parser, kind: CastKind) -> Result<Expr, ParserError> {
    parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let expr = Box::new(parser.parse_expr()?);
    parser.expect_keyword(Keyword::AS)?;
    let data_type = types::parse(parser)?;
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::Cast { kind, expr, data_type, array: false, format: None })
}

/// `MAP['a', 1, 'b', 2]`.
fn map(parser: &mut Parser) -> Result<Expr, ParserError> {
    let start = parser.next_token();
    parser.expect_token(&Token::LBracket)?;
    let items = parser.parse_comma_separated0(Parser::parse_expr, Token::RBracket)?;
    parser.expect_token(&Token::RBracket)?;
    if items.len() % 2 == 1 {
        let message = format!("MAP takes keys and values by turns; found {} items", items.len());
        return Err(parser_error(message, start.span));
    }
    let mut entries = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        entries.push(MapEntry { key: Box::new(key), value: Box::new(value) });
    }
    Ok(Expr::Map(Map { entries }))
}

/// `MODEL m`, as a call that holds the name.
fn model(parser: &mut Parser) -> Result<Expr, ParserError> {
    let start = parser.next_token().span;
    let name = parser.parse_object_name(false)?;
    let parts: Vec<Ident> = name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
    Ok(hidden_call(call::MODEL, start.union(&parser.get_current_token().span), vec![Expr::CompoundIdentifier(parts)]))
}

/// `TABLE t`, `TABLE (SELECT …)` or `TABLE (f(…))`, then PARTITION BY and ORDER BY, as a call that holds a subquery.
fn table(parser: &mut Parser) -> Result<Expr, ParserError> {
    let start = parser.next_token().span;
    let query = match parser.peek_token_ref().token {
        Token::LParen if begins_query(&parser.peek_nth_token_ref(1).token) => {
            parser.next_token();
            let query = parser.parse_query()?;
            parser.expect_token(&Token::RParen)?;
            query
        }
        Token::LParen => {
            parser.next_token();
            let expr = parser.parse_expr()?;
            parser.expect_token(&Token::RParen)?;
            select_all(TableFactor::TableFunction { expr, alias: None })?
        }
        _ => {
            let name = parser.parse_object_name(false)?;
            select_all(table_named(name))?
        }
    };
    let mut args = vec![Expr::Subquery(query)];
    let partition_by = match parser.parse_keywords(&[Keyword::PARTITION, Keyword::BY]) {
        true => listed(parser, |p| p.parse_expr())?,
        false => Vec::new(),
    };
    let order_by = match parser.parse_keywords(&[Keyword::ORDER, Keyword::BY]) {
        true => listed(parser, |p| p.parse_order_by_expr())?,
        false => Vec::new(),
    };
    let span = start.union(&parser.get_current_token().span);
    if !partition_by.is_empty() {
        args.push(hidden_call(call::PARTITION_BY, span, partition_by));
    }
    if !order_by.is_empty() {
        args.push(hidden_call(call::ORDER_BY, span, order_by.into_iter().map(order_item).collect()));
    }
    Ok(hidden_call(call::TABLE, span, args))
}

fn begins_query(token: &Token) -> bool {
    match token {
        Token::LParen => true,
        Token::Word(word) => matches!(word.keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES),
        _ => false,
    }
}

/// A list of PARTITION BY or ORDER BY: in parentheses, or bare. A bare one goes on after a comma only with a column, since a
/// comma also ends the argument: no function takes a column standing alone.
fn listed<T>(
    parser: &mut Parser,
    mut item: impl FnMut(&mut Parser) -> Result<T, ParserError>,
) -> Result<Vec<T>, ParserError> {
    if parser.consume_token(&Token::LParen) {
        let items = parser.parse_comma_separated(|p| item(p))?;
        parser.expect_token(&Token::RParen)?;
        return Ok(items);
    }
    let mut items = vec![item(parser)?];
    while parser.peek_token_ref().token == Token::Comma && column_follows(parser, 1) {
        parser.next_token();
        items.push(item(parser)?);
    }
    Ok(items)
}

/// Whether the token at `place` begins a bare column: a name, qualified or not, and then what ends a list item.
fn column_follows(parser: &Parser, mut place: usize) -> bool {
    loop {
        if !matches!(parser.peek_nth_token_ref(place).token, Token::Word(_)) {
            return false;
        }
        match &parser.peek_nth_token_ref(place + 1).token {
            Token::Comma | Token::RParen => return true,
            Token::Period => place += 2,
            Token::Word(word) => {
                return matches!(word.keyword, Keyword::ORDER | Keyword::ASC | Keyword::DESC | Keyword::NULLS);
            }
            _ => return false,
        }
    }
}

/// An item of ORDER BY as a call: [`call::ORDER`] says how.
fn order_item(item: OrderByExpr) -> Expr {
    let flag = |flag: Option<bool>| Expr::Value(flag.map_or(Value::Null, Value::Boolean).into());
    let args = vec![item.expr, flag(item.options.asc), flag(item.options.nulls_first)];
    hidden_call(call::ORDER, Span::empty(), args)
}

fn hidden_call(name: &str, span: Span, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::with_span(span, name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn table_named(name: ObjectName) -> TableFactor {
    TableFactor::Table {
        name,
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

/// `SELECT * FROM relation`.
fn select_all(relation: TableFactor) -> Result<Box<Query>, ParserError> {
    // Parsed once, since the tree of a plain SELECT has some thirty fields that say "not there".
    static TEMPLATE: OnceLock<Result<Box<Query>, ParserError>> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let dialect = Dialect::default();
        Parser::new(&dialect).try_with_sql("SELECT * FROM t")?.parse_query()
    });
    let mut query = template.clone()?;
    if let SetExpr::Select(select) = &mut *query.body {
        // What was not written stands nowhere.
        select.select_token = AttachedToken::empty();
        for item in &mut select.projection {
            if let SelectItem::Wildcard(options) = item {
                options.wildcard_token = AttachedToken::empty();
            }
        }
        for from in &mut select.from {
            from.relation = relation.clone();
        }
    }
    Ok(query)
}
