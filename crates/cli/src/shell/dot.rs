//! The shell's own commands, which begin with a dot.

use std::path::PathBuf;

use tidegate_options::nearest;

use crate::failure::Failure;

/// What `.help` prints.
pub(super) const HELP: &str = "\
Statements end with a semicolon and may span lines. Tab completes; Ctrl-C clears the line, or stops what
runs; Ctrl-D leaves.

  .tables  .models  .functions  .settings   what there is
  .read FILE                                runs the statements of a file
  .max-rows N                               how many rows of a result are shown; 0 for all
  .help  .quit

In SQL: SHOW TABLES, SHOW MODELS, DESCRIBE t, DESCRIBE MODEL m, SHOW OPTIONS, EXPLAIN SELECT …";

/// The names, for completion and for suggestions.
pub(super) const NAMES: [&str; 8] =
    [".functions", ".help", ".max-rows", ".models", ".quit", ".read", ".settings", ".tables"];

/// A command of the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dot {
    Help,
    Quit,
    MaxRows(usize),
    Read(PathBuf),
    /// A short form of this statement.
    Statement(&'static str),
}

impl Dot {
    /// Reads a command of the shell; `None` if the input is none.
    pub(super) fn read(input: &str) -> Option<Result<Self, Failure>> {
        let input = input.trim();
        // Words that people type to leave or to get help in other shells.
        match input.trim_end_matches(';').to_lowercase().as_str() {
            "quit" | "exit" | "\\q" => return Some(Ok(Self::Quit)),
            "help" | "?" | "\\?" | "\\h" => return Some(Ok(Self::Help)),
            _ => {}
        }
        if !input.starts_with('.') || input.starts_with("..") {
            return None;
        }
        let (name, argument) = input.split_once(char::is_whitespace).unwrap_or((input, ""));
        Some(Self::of(name.trim_end_matches(';'), argument.trim().trim_end_matches(';')))
    }

    fn of(name: &str, argument: &str) -> Result<Self, Failure> {
        match name {
            ".help" => Ok(Self::Help),
            ".quit" | ".exit" => Ok(Self::Quit),
            ".tables" => Ok(Self::Statement("SHOW TABLES;")),
            ".models" => Ok(Self::Statement("SHOW MODELS;")),
            ".functions" => Ok(Self::Statement("SHOW FUNCTIONS;")),
            ".settings" => Ok(Self::Statement("SET;")),
            ".max-rows" => argument
                .parse()
                .map(Self::MaxRows)
                .map_err(|_| Failure::command(format!(".max-rows takes a number; '{argument}' is none"))),
            ".read" if argument.is_empty() => Err(Failure::command(".read takes a file")),
            ".read" => Ok(Self::Read(PathBuf::from(argument.trim_matches('\'')))),
            _ => {
                let failure = Failure::command(format!("there is no command {name}"));
                Err(match nearest(name, NAMES) {
                    Some(near) => failure.with_help(format!("did you mean {near}?")),
                    None => failure.with_help(".help lists them"),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &str) -> Option<Result<Dot, String>> {
        Dot::read(input)
            .map(|read| read.map_err(|failure| format!("{failure}; {}", failure.help().unwrap_or_default())))
    }

    #[test]
    fn commands_are_read() {
        assert_eq!(read(".quit"), Some(Ok(Dot::Quit)));
        assert_eq!(read(" exit; "), Some(Ok(Dot::Quit)));
        assert_eq!(read("help"), Some(Ok(Dot::Help)));
        assert_eq!(read(".max-rows 0"), Some(Ok(Dot::MaxRows(0))));
        assert_eq!(read(".read a b.sql"), Some(Ok(Dot::Read(PathBuf::from("a b.sql")))));
        assert_eq!(read(".tables;"), Some(Ok(Dot::Statement("SHOW TABLES;"))));
    }

    #[test]
    fn statements_are_none() {
        assert_eq!(read("SELECT .5;"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn wrong_commands_say_so() {
        assert_eq!(read(".tabels"), Some(Err("there is no command .tabels; did you mean .tables?".to_string())));
        assert_eq!(read(".max-rows many"), Some(Err(".max-rows takes a number; 'many' is none; ".to_string())));
    }
}
