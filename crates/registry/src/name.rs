//! The names of models and aliases: which are allowed, and which one was meant.

use crate::error::{Error, Result};

/// The alias that a model reference without a version means, once it is set.
pub const PRODUCTION: &str = "production";

/// Longer names are refused: they end up in messages, in options and in other systems' columns.
const LENGTH_MAX: usize = 200;

pub(crate) fn check_model(name: &str) -> Result<()> {
    check("model", name)
}

pub(crate) fn check_alias(name: &str) -> Result<()> {
    check("alias", name)
}

/// A name begins with a letter or an underscore and goes on with letters, digits and `_`, `.`, `-`. `$` is kept for what
/// separates a model from its version, and a name that begins with a digit would be read as a version number.
fn check(what: &'static str, name: &str) -> Result<()> {
    let mut characters = name.chars();
    let begins = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let goes_on = characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if begins && goes_on && name.len() <= LENGTH_MAX {
        Ok(())
    } else {
        Err(Error::InvalidName { what, name: name.to_owned() })
    }
}

/// The end of a message about an unknown name: the nearest name if there is one, and what exists.
pub(crate) fn suggestion(what: &str, wrong: &str, names: &[String]) -> String {
    /// Enough to choose from, few enough to read.
    const SHOWN_MAX: usize = 10;
    let nearest = match tidegate_options::nearest(wrong, names.iter().map(String::as_str)) {
        Some(name) => format!("; did you mean '{name}'?"),
        None => String::new(),
    };
    let shown = names.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => format!("; there is no {what} yet"),
        n if n > SHOWN_MAX => format!("{nearest} ({what} names: {shown} and {} more)", n - SHOWN_MAX),
        _ => format!("{nearest} ({what} names: {shown})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_safe_in_paths_and_references_are_allowed() {
        for name in ["intent", "_x", "A9", "a.b-c_d", "x..y"] {
            assert!(check_model(name).is_ok(), "{name}");
        }
        let long = "a".repeat(LENGTH_MAX + 1);
        for name in ["", "3", "3a", ".a", "-a", "../a", "a/b", "a b", "a$b", "a\0", "é", "a\n", "a\\b", long.as_str()]
        {
            assert!(check_model(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_message_names_the_nearest_and_what_exists() {
        let names = ["intent".to_owned(), "churn".to_owned()];
        assert_eq!(suggestion("model", "intnt", &names), "; did you mean 'intent'? (model names: intent, churn)");
        assert_eq!(suggestion("model", "zzz", &names), " (model names: intent, churn)");
        assert_eq!(suggestion("alias", "zzz", &[]), "; there is no alias yet");
        let many: Vec<String> = (0..12).map(|i| format!("m{i}")).collect();
        assert!(suggestion("model", "q", &many).ends_with("m9 and 2 more)"));
    }
}
