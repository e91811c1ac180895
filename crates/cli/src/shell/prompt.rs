//! What the line editor asks while the user types: is the input whole, what could come next, how does it look.

use std::borrow::Cow;

use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hinter, HistoryHinter};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use super::complete::{Vocabulary, complete};
use crate::render::paint::Paint;

/// Answers the line editor.
pub(super) struct ShellHelper {
    pub(super) vocabulary: Vocabulary,
    history: HistoryHinter,
    paint: Paint,
}

impl ShellHelper {
    pub(super) fn new(paint: Paint) -> Self {
        Self { vocabulary: Vocabulary::default(), history: HistoryHinter::new(), paint }
    }
}

/// Whether these are whole statements. An error counts as whole: it should be told now.
pub(super) fn is_whole(input: &str) -> bool {
    input.trim().is_empty() || tidegate_sql::is_complete(input)
}

impl Helper for ShellHelper {}

impl Validator for ShellHelper {
    fn validate(&self, context: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        Ok(match super::is_complete(context.input()) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

impl Completer for ShellHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, words) = complete(&self.vocabulary, line, at);
        Ok((start, words.into_iter().map(|word| Pair { display: word.clone(), replacement: word }).collect()))
    }
}

impl Hinter for ShellHelper {
    type Hint = String;

    fn hint(&self, line: &str, at: usize, context: &Context<'_>) -> Option<String> {
        // Of an input that spans lines, only the rest of the line: more would push the prompt about.
        self.history.hint(line, at, context).filter(|hint| !hint.contains('\n'))
    }
}

impl Highlighter for ShellHelper {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        Cow::Owned(self.paint.cyan(prompt).to_string())
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(self.paint.dim(hint).to_string())
    }

    fn highlight_char(&self, _line: &str, _at: usize, _kind: CmdKind) -> bool {
        false
    }
}
