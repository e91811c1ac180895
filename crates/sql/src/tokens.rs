//! Text to tokens.
//!
//! What is decided here is what only the tokens around a token can tell: where `TABLE` and `MODEL` begin an argument, what a
//! `${` belongs to, and whether a tree could become so deep that walking it exhausts the stack.

use std::collections::HashSet;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Span as ParserSpan, Token, TokenWithSpan, Tokenizer, TokenizerError, Whitespace};

use crate::{Diagnostic, Dialect, Position, Span, parameters};

/// How deep brackets and CASE may stand in one another.
const NESTING_MAX: usize = 48;
/// How many operators and words with a meaning may follow one another without a comma, AND or OR, as in `a + b + c`: the tree
/// of such a chain is as deep as the chain is long.
const CHAIN_MAX: usize = 200;
/// How many AND and OR may follow one another without a comma. Their trees are made flat, see `statement`.
const CONDITIONS_MAX: usize = 1_000;
/// How many queries may be joined by UNION, INTERSECT and EXCEPT in a row: their tree is as deep as their row is long.
const SET_OPERATIONS_MAX: usize = 100;

/// The tokens of a script, without white space and comments.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// A parameter is one token: a placeholder `${name}`.
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// Where the words TABLE and MODEL begin an argument of a function.
    pub(crate) arguments: HashSet<Location>,
}

/// Cuts a text into tokens.
pub(crate) fn tokenize(text: &str) -> Result<Vec<TokenWithSpan>, TokenizerError> {
    Tokenizer::new(&Dialect::default(), text).tokenize_with_location()
}

/// Whether a text failed to be cut into tokens only because it ends too soon.
pub(crate) fn ends_too_soon(error: &TokenizerError) -> bool {
    let message = &error.message;
    message.starts_with("Unterminated") || message.starts_with("Unexpected EOF") || message.ends_with("before EOF.")
}

/// Says what the tokenizer says in this project's words.
pub(crate) fn refused(error: &TokenizerError) -> Diagnostic {
    let message = &error.message;
    let at = Span::at(error.location.into());
    if message.starts_with("Unterminated") {
        Diagnostic::new(at, "a text begins here and is not closed")
            .with_help("a quote inside a text is doubled: 'it''s'")
    } else if message.starts_with("Unexpected EOF while in a multi-line comment") {
        Diagnostic::new(at, "a comment is not closed: '*/' is missing")
    } else if message.ends_with("before EOF.") {
        Diagnostic::new(at, "a quoted name begins here and is not closed: '`' is missing")
    } else {
        Diagnostic::new(at, message.clone())
    }
}

/// Reads a script's text.
pub(crate) fn read(text: &str) -> Result<Tokens, Diagnostic> {
    let raw = tokenize(text).map_err(|error| refused(&error))?;
    let tokens = fold(raw)?;
    let arguments = Scan::default().run(&tokens)?;
    Ok(Tokens { tokens, arguments })
}

fn span_of(token: &TokenWithSpan) -> Span {
    Span::from_parser(token.span).unwrap_or(Span::at(Position::START))
}

/// Drops white space, makes one token of each parameter, and refuses what the language has not.
fn fold(raw: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Diagnostic> {
    let mut tokens: Vec<TokenWithSpan> = Vec::with_capacity(raw.len() / 2 + 1);
    let mut raw = raw.into_iter();
    while let Some(token) = raw.next() {
        match &token.token {
            Token::EOF => {}
            Token::Whitespace(Whitespace::MultiLineComment(text)) if text.starts_with('+') => {
                let hint = Diagnostic::new(span_of(&token), "hints are not supported");
                return Err(hint.with_help("say it in the table's WITH clause, or with SET"));
            }
            Token::Whitespace(_) => {}
            Token::DoubleQuotedString(_) => {
                let quoted = Diagnostic::new(span_of(&token), "double quotes have no meaning here");
                return Err(quoted.with_help("write a text as 'text' and a name as `name`"));
            }
            Token::DoubleColon => {
                let cast = Diagnostic::new(span_of(&token), "'::' is not supported");
                return Err(cast.with_help("write CAST(value AS type)"));
            }
            Token::Placeholder(sign) if sign == "$" => tokens.push(parameter(&token, &mut raw)?),
            Token::Placeholder(text) => {
                let message = format!("'{text}' has no meaning here; a parameter is written ${{name}}");
                return Err(Diagnostic::new(span_of(&token), message));
            }
            _ => tokens.push(token),
        }
    }
    Ok(tokens)
}

/// Reads `{name}` after a `$`.
fn parameter(
    dollar: &TokenWithSpan,
    raw: &mut impl Iterator<Item = TokenWithSpan>,
) -> Result<TokenWithSpan, Diagnostic> {
    let mut end = dollar.span.end;
    let mut next = |wanted: &dyn Fn(&Token) -> bool| {
        let token = raw.next().filter(|token| token.span.start == end && wanted(&token.token))?;
        end = token.span.end;
        Some(token.token)
    };
    let opening = next(&|token| *token == Token::LBrace);
    let name = opening.and_then(|_| next(&|token| matches!(token, Token::Word(word) if word.quote_style.is_none())));
    let closing = name.as_ref().and_then(|_| next(&|token| *token == Token::RBrace));
    match (name, closing) {
        (Some(Token::Word(word)), Some(_)) if parameters::is_name(&word.value) => Ok(TokenWithSpan::new(
            Token::Placeholder(format!("${{{}}}", word.value)),
            ParserSpan { start: dollar.span.start, end },
        )),
        _ => {
            let message = "a parameter is written ${name}; a name is letters, digits and _, and begins with no digit";
            Err(Diagnostic::new(span_of(dollar), message))
        }
    }
}

/// What is known of an open bracket, or of a CASE without its END.
#[derive(Debug, Default)]
struct Group {
    /// It is a CASE.
    is_case: bool,
    /// It is a query, so that its commas part columns and not arguments.
    is_query: bool,
    /// See [`CHAIN_MAX`].
    chain: usize,
    /// See [`CONDITIONS_MAX`].
    conditions: usize,
    /// How many BETWEEN wait for their AND.
    betweens: usize,
    /// See [`SET_OPERATIONS_MAX`].
    set_operations: usize,
}

impl Group {
    /// Begins anew, as after a comma. Set operations go on across commas.
    fn part(&mut self) {
        *self = Self { chain: 0, conditions: 0, betweens: 0, ..*self };
    }
}

#[derive(Debug, Default)]
struct Scan {
    /// The brackets that are open, the innermost last.
    groups: Vec<Group>,
    /// What stands outside of all brackets.
    outermost: Group,
    /// How many times `ARRAY <` was just repeated.
    arrays: usize,
    arguments: HashSet<Location>,
}

impl Scan {
    fn run(mut self, tokens: &[TokenWithSpan]) -> Result<HashSet<Location>, Diagnostic> {
        for (index, token) in tokens.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| tokens.get(before)).map(|token| &token.token);
            let after = tokens.get(index + 1).map(|token| &token.token);
            if self.begins_argument(before, &token.token, after) {
                self.arguments.insert(token.span.start);
            }
            self.step(token)?;
        }
        Ok(self.arguments)
    }

    fn group(&mut self) -> &mut Group {
        self.groups.last_mut().unwrap_or(&mut self.outermost)
    }

    /// Whether a word TABLE or MODEL is an argument: it stands where one may begin, and what follows is a name and not
    /// something that a column called `model` could be followed by.
    fn begins_argument(&self, before: Option<&Token>, token: &Token, after: Option<&Token>) -> bool {
        let Token::Word(word) = token else {
            return false;
        };
        let is_table = word.keyword == Keyword::TABLE;
        if word.quote_style.is_some() || !(is_table || word.value.eq_ignore_ascii_case("MODEL")) {
            return false;
        }
        let begins = match before {
            Some(Token::RArrow) => true,
            Some(Token::LParen | Token::Comma) => self.groups.last().is_some_and(|group| !group.is_query),
            _ => false,
        };
        begins
            && match after {
                Some(Token::LParen) => is_table,
                Some(Token::Word(next)) => next.quote_style.is_some() || !follows_a_column(next.keyword),
                _ => false,
            }
    }

    fn step(&mut self, token: &TokenWithSpan) -> Result<(), Diagnostic> {
        let is_array = matches!(&token.token, Token::Word(word) if word.keyword == Keyword::ARRAY);
        match token.token {
            Token::Lt if !self.arrays.is_multiple_of(2) => self.arrays += 1,
            _ if is_array && self.arrays.is_multiple_of(2) => self.arrays += 1,
            _ => self.arrays = usize::from(is_array),
        }
        match &token.token {
            Token::SemiColon => {
                self.groups.clear();
                self.outermost = Group::default();
            }
            Token::LParen | Token::LBracket | Token::LBrace => {
                self.group().chain += 1;
                self.groups.push(Group::default());
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                while self.groups.pop().is_some_and(|group| group.is_case) {}
            }
            Token::Comma => self.group().part(),
            Token::Word(word) => self.keyword(word.keyword),
            Token::Number(..) | Token::SingleQuotedString(_) | Token::Placeholder(_) | Token::Period => {}
            _ => self.group().chain += 1,
        }
        self.within_limits(token)
    }

    fn keyword(&mut self, keyword: Keyword) {
        match keyword {
            Keyword::NoKeyword => return,
            Keyword::CASE => {
                self.group().chain += 1;
                self.groups.push(Group { is_case: true, is_query: true, ..Group::default() });
                return;
            }
            Keyword::END if self.group().is_case => {
                self.groups.pop();
                return;
            }
            // The branches of a CASE stand side by side, as what commas part does.
            Keyword::WHEN | Keyword::THEN | Keyword::ELSE if self.group().is_case => self.group().part(),
            Keyword::BETWEEN => self.group().betweens += 1,
            Keyword::AND if self.group().betweens > 0 => self.group().betweens -= 1,
            Keyword::AND | Keyword::OR => {
                let group = self.group();
                group.conditions += 1;
                group.chain = 0;
            }
            Keyword::SELECT | Keyword::VALUES => self.group().is_query = true,
            // The queries of a UNION have a limit of their own; each begins a new chain.
            Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::MINUS => {
                let group = self.group();
                group.set_operations += 1;
                group.chain = 0;
            }
            _ => {}
        }
        self.group().chain += 1;
    }

    fn within_limits(&mut self, token: &TokenWithSpan) -> Result<(), Diagnostic> {
        let nested = self.groups.len() > NESTING_MAX || self.arrays > 2 * NESTING_MAX;
        let group = self.group();
        let message = if nested {
            format!("brackets and CASE stand more than {NESTING_MAX} deep in one another")
        } else if group.chain > CHAIN_MAX {
            format!("more than {CHAIN_MAX} operators and keywords follow one another without a comma, AND or OR")
        } else if group.conditions > CONDITIONS_MAX {
            format!("more than {CONDITIONS_MAX} conditions follow one another")
        } else if group.set_operations > SET_OPERATIONS_MAX {
            format!("more than {SET_OPERATIONS_MAX} queries are joined by UNION, INTERSECT or EXCEPT")
        } else {
            return Ok(());
        };
        let help = "split it: CREATE VIEW names a part of a query, IN (…) stands for many comparisons";
        Err(Diagnostic::new(span_of(token), message).with_help(help))
    }
}

/// Whether a keyword goes on an expression that a column began.
fn follows_a_column(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::AND
            | Keyword::AS
            | Keyword::ASC
            | Keyword::AT
            | Keyword::BETWEEN
            | Keyword::COLLATE
            | Keyword::DESC
            | Keyword::DIV
            | Keyword::ELSE
            | Keyword::END
            | Keyword::FILTER
            | Keyword::FOR
            | Keyword::FROM
            | Keyword::IGNORE
            | Keyword::ILIKE
            | Keyword::IN
            | Keyword::IS
            | Keyword::LIKE
            | Keyword::LIMIT
            | Keyword::NOT
            | Keyword::NULLS
            | Keyword::OR
            | Keyword::ORDER
            | Keyword::OVER
            | Keyword::OVERLAPS
            | Keyword::REGEXP
            | Keyword::RESPECT
            | Keyword::RLIKE
            | Keyword::SEPARATOR
            | Keyword::SIMILAR
            | Keyword::THEN
            | Keyword::USING
            | Keyword::WHEN
            | Keyword::WITHIN
            | Keyword::XOR
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where arguments begin, as columns of a one-line text.
    fn arguments(text: &str) -> Vec<u64> {
        let mut columns: Vec<u64> = read(text).unwrap().arguments.iter().map(|place| place.column).collect();
        columns.sort_unstable();
        columns
    }

    #[test]
    fn table_and_model_are_arguments_only_where_one_begins() {
        assert_eq!(arguments("f(TABLE t, MODEL m)"), [3, 12]);
        assert_eq!(arguments("f(INPUT => TABLE (SELECT 1))"), [12]);
        assert_eq!(arguments("f(TABLE `desc`, model m x)"), [3, 17]);
        for none in [
            "SELECT model m, a, model b FROM t",
            "SELECT * FROM (SELECT a, model b FROM t)",
            "f(model IS NULL, model)",
            "f(`model` m)",
            "f(a ORDER BY b, model DESC)",
            "FROM t, TABLE (f(x))",
        ] {
            assert!(arguments(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn a_parameter_is_one_token() {
        let tokens = read("a = ${b_1} -- ${c}\n/* ${d} */").unwrap().tokens;
        assert_eq!(tokens.len(), 3);
        assert_eq!(tokens[2].token, Token::Placeholder("${b_1}".to_string()));
        assert_eq!(span_of(&tokens[2]).end.column, 11);
    }

    #[test]
    fn what_the_language_has_not_is_refused() {
        let said = |text: &str| read(text).unwrap_err().to_string();
        let written = "a parameter is written ${name}; a name is letters, digits and _, and begins with no digit";
        for wrong in ["${1}", "${}", "${a b}", "$ {a}", "${`a`}", "${a", "$", "${ä}"] {
            assert_eq!(said(wrong), written, "{wrong}");
        }
        assert_eq!(said("a = ?"), "'?' has no meaning here; a parameter is written ${name}");
        assert_eq!(said("a = $1"), "'$1' has no meaning here; a parameter is written ${name}");
        assert_eq!(said("\"a\""), "double quotes have no meaning here");
        assert_eq!(said("a::INT"), "'::' is not supported");
        assert_eq!(said("t /*+ OPTIONS('a'='b') */"), "hints are not supported");
        assert_eq!(said("'a"), "a text begins here and is not closed");
        assert_eq!(said("`a"), "a quoted name begins here and is not closed: '`' is missing");
        assert_eq!(said("/* a"), "a comment is not closed: '*/' is missing");
    }

    #[test]
    fn what_could_exhaust_the_stack_is_refused() {
        let said = |text: String| read(&text).unwrap_err().to_string();
        assert_eq!(said("(".repeat(100)), "brackets and CASE stand more than 48 deep in one another");
        assert_eq!(said("ARRAY<".repeat(100)), "brackets and CASE stand more than 48 deep in one another");
        assert_eq!(
            said("1".to_string() + &"+1".repeat(3000)),
            "more than 200 operators and keywords follow one another without a comma, AND or OR"
        );
        assert_eq!(
            said("SELECT 1, 2".to_string() + &" UNION SELECT 1, 2".repeat(300)),
            "more than 100 queries are joined by UNION, INTERSECT or EXCEPT"
        );
        assert_eq!(said("a".to_string() + &" OR a = 1".repeat(3000)), "more than 1000 conditions follow one another");
        assert_eq!(
            said("a".to_string() + &" BETWEEN 1 AND 2".repeat(300)),
            "more than 200 operators and keywords follow one another without a comma, AND or OR"
        );
        assert!(read(&"(1), ".repeat(10_000)).is_ok());
        assert!(read(&format!("CASE{} END", " WHEN a = 1 THEN b + 1".repeat(10_000))).is_ok());
        assert_eq!(
            said("1".to_string() + &" + CASE WHEN 1 THEN 1 END".repeat(3000)),
            "more than 200 operators and keywords follow one another without a comma, AND or OR"
        );
        assert!(read(&"SELECT a + b; ".repeat(10_000)).is_ok());
    }
}
