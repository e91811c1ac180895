//! What is done to objects of any kind: the beginning of `CREATE` and `ALTER`, `DROP`, `DESCRIBE`, `SHOW`.

use sqlparser::ast::Ident;
use sqlparser::tokenizer::Token;

use super::{Fault, StatementParser};
use crate::{Diagnostic, ObjectKind, Show, Statement};

/// What `CREATE` says before the object's kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Creation {
    pub(super) or_replace: bool,
    pub(super) temporary: bool,
}

const KINDS: &[&str] = &["TABLE", "VIEW", "MODEL"];

impl StatementParser<'_> {
    pub(super) fn create(&mut self) -> Result<Statement, Fault> {
        self.expect("CREATE")?;
        let or_replace = self.take("OR REPLACE");
        let temporary = self.take("TEMPORARY");
        let creation = Creation { or_replace, temporary };
        match self.kind("kind of object to create")? {
            ObjectKind::Table => Ok(Statement::CreateTable(self.create_table(creation)?)),
            ObjectKind::View => Ok(Statement::CreateView(self.create_view(creation)?)),
            ObjectKind::Model => Ok(Statement::CreateModel(self.create_model(creation)?)),
        }
    }

    pub(super) fn alter(&mut self) -> Result<Statement, Fault> {
        self.expect("ALTER")?;
        if self.next_is("TABLE") || self.next_is("VIEW") {
            let message = "only models are altered";
            let help = "replace it: CREATE OR REPLACE TABLE or VIEW";
            return Err(Diagnostic::new(self.next_span(), message).with_help(help).into());
        }
        if !self.take("MODEL") {
            return Err(self.unknown_or_missing("kind of object to alter", &["MODEL"]));
        }
        Ok(Statement::AlterModel(self.alter_model()?))
    }

    pub(super) fn drop_object(&mut self) -> Result<Statement, Fault> {
        self.expect("DROP")?;
        self.take("TEMPORARY");
        let kind = self.kind("kind of object to drop")?;
        let if_exists = self.take("IF EXISTS");
        let name = self.name(named(kind))?;
        Ok(Statement::Drop { kind, name, if_exists })
    }

    pub(super) fn describe(&mut self) -> Result<Statement, Fault> {
        if !self.take("DESC") {
            self.expect("DESCRIBE")?;
        }
        if self.next_is("ALGORITHM") && matches!(self.parser.peek_nth_token_ref(1).token, Token::Word(_)) {
            self.expect("ALGORITHM")?;
            return Ok(Statement::DescribeAlgorithm(self.name("an algorithm")?));
        }
        let mut extended = self.take("EXTENDED");
        // A table may be called `model` or `view`: then nothing follows the word.
        let names_kind = matches!(self.parser.peek_nth_token_ref(1).token, Token::Word(_));
        let kind = match names_kind {
            true => self.kind("kind of object to describe")?,
            false => ObjectKind::Table,
        };
        extended |= self.take("EXTENDED");
        Ok(Statement::Describe { kind, name: self.name(named(kind))?, extended })
    }

    pub(super) fn show(&mut self) -> Result<Statement, Fault> {
        self.expect("SHOW")?;
        if self.take("CREATE") {
            let kind = self.kind("kind of object to show")?;
            let name: Ident = self.name(named(kind))?;
            return Ok(Statement::Show(match kind {
                ObjectKind::Table => Show::CreateTable(name),
                ObjectKind::View => Show::CreateView(name),
                ObjectKind::Model => Show::CreateModel(name),
            }));
        }
        let lists = [
            ("TABLES", Show::Tables),
            ("VIEWS", Show::Views),
            ("MODELS", Show::Models),
            ("FUNCTIONS", Show::Functions),
            ("OPTIONS", Show::Options),
        ];
        for (word, show) in lists {
            if self.take(word) {
                return Ok(Statement::Show(show));
            }
        }
        let known = ["TABLES", "VIEWS", "MODELS", "FUNCTIONS", "OPTIONS", "CREATE"];
        Err(self.unknown_or_missing("thing to show", &known))
    }

    fn kind(&mut self, what: &str) -> Result<ObjectKind, Fault> {
        for (word, kind) in [("TABLE", ObjectKind::Table), ("VIEW", ObjectKind::View), ("MODEL", ObjectKind::Model)] {
            if self.take(word) {
                return Ok(kind);
            }
        }
        Err(self.unknown_or_missing(what, KINDS))
    }

    fn unknown_or_missing(&self, what: &str, known: &[&str]) -> Fault {
        match self.parser.peek_token_ref().token {
            Token::Word(_) => self.unknown(what, known),
            _ => match self.expected::<()>(&known.join(", ")) {
                Err(fault) => fault,
                Ok(()) => self.unknown(what, known),
            },
        }
    }
}

fn named(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Table => "the name of a table",
        ObjectKind::View => "the name of a view",
        ObjectKind::Model => "the name of a model",
    }
}
