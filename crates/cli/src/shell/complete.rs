//! What could stand where the cursor is.

use tidegate_connectors::CONNECTORS;
use tidegate_engine::{Names, TRAINING_OPTIONS};
use tidegate_ml::learner::LEARNERS;
use tidegate_ml::selection::{SELECTION_OPTIONS, SELECTORS};
use tidegate_ml::spec::MODEL_OPTIONS;
use tidegate_ml::tuning::TUNING_OPTIONS;
use tidegate_options::{Kind, OptionDef};
use tidegate_sql::settings::SETTINGS;

use super::dot;

/// The words of the language that are worth completing.
const KEYWORDS: &[&str] = &[
    "ALGORITHM",
    "ALIAS",
    "ALTER",
    "AND",
    "ARRAY",
    "AS",
    "ASC",
    "BEGIN",
    "BETWEEN",
    "BIGINT",
    "BOOLEAN",
    "BY",
    "BYTES",
    "CASE",
    "CAST",
    "COMMENT",
    "COUNT",
    "CREATE",
    "CROSS",
    "CURRENT",
    "DATE",
    "DECIMAL",
    "DESC",
    "DESCRIBE",
    "DESCRIPTOR",
    "DISTINCT",
    "DOUBLE",
    "DROP",
    "ELSE",
    "END",
    "EXCEPT",
    "EXECUTE",
    "EXISTS",
    "EXPLAIN",
    "EXTENDED",
    "FALSE",
    "FILTER",
    "FLOAT",
    "FOLLOWING",
    "FOR",
    "FROM",
    "FULL",
    "FUNCTIONS",
    "GROUP",
    "HAVING",
    "IF",
    "IN",
    "INNER",
    "INPUT",
    "INSERT",
    "INT",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "LABEL",
    "LABEL_TIME",
    "LEFT",
    "LIKE",
    "LIMIT",
    "MAP",
    "MODEL",
    "MODELS",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "OPTIONS",
    "OR",
    "ORDER",
    "OUTER",
    "OUTPUT",
    "OVER",
    "OVERWRITE",
    "PARTITION",
    "PRECEDING",
    "RENAME",
    "REPLACE",
    "RESET",
    "RIGHT",
    "ROW",
    "ROWS",
    "SELECT",
    "SET",
    "SHOW",
    "SMALLINT",
    "STATEMENT",
    "STRING",
    "TABLE",
    "TABLES",
    "THEN",
    "TIMESTAMP",
    "TO",
    "TRANSFORM",
    "TRUE",
    "TUMBLE",
    "UNBOUNDED",
    "UNION",
    "USING",
    "VALUES",
    "VIEW",
    "VIEWS",
    "WATERMARK",
    "WHEN",
    "WHERE",
    "WITH",
];

/// The names that there are.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    tables: Vec<String>,
    models: Vec<String>,
    functions: Vec<String>,
    settings: Vec<String>,
}

impl Vocabulary {
    /// Takes over what the session knows by now.
    pub(super) fn set_names(&mut self, names: Names) {
        let Names { tables, models, functions, settings } = names;
        *self = Self { tables, models, functions, settings };
    }
}

/// Where the word to complete starts, and the words that it could become.
pub(super) fn complete(vocabulary: &Vocabulary, line: &str, at: usize) -> (usize, Vec<String>) {
    let before = line.get(..at).unwrap_or(line);
    if before.starts_with('.') {
        let names = dot::NAMES.iter().filter(|name| name.starts_with(before)).map(|name| (*name).to_string()).collect();
        return (0, names);
    }
    let statement = &before[before.rfind(';').map_or(0, |end| end + 1)..];
    if let Some(quote) = open_quote(statement) {
        let start = before.len() - (statement.len() - quote - 1);
        return (start, quoted(vocabulary, &statement[..quote], &statement[quote + 1..]));
    }
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    let start =
        before.rfind(|c| !is_name(c)).map_or(0, |end| end + before[end..].chars().next().map_or(1, char::len_utf8));
    let word = &before[start..];
    let ahead = before[..start].trim_end();
    let previous = ahead[ahead.rfind(|c| !is_name(c)).map_or(0, |end| end + 1)..].to_uppercase();
    let mut words = match previous.as_str() {
        "MODEL" => starting(&vocabulary.models, word),
        "INTO" | "OVERWRITE" | "TABLE" | "DESCRIBE" | "VIEW" => starting(&vocabulary.tables, word),
        "FROM" | "JOIN" => [starting(&vocabulary.tables, word), starting(&vocabulary.functions, word)].concat(),
        "ALGORITHM" => starting(LEARNERS.iter().map(|learner| learner.name), word),
        _ => Vec::new(),
    };
    if words.is_empty() && !word.is_empty() {
        words = keywords(word);
        words.extend(starting(&vocabulary.tables, word));
        words.extend(starting(&vocabulary.models, word));
        words.extend(starting(&vocabulary.functions, word));
    }
    words.dedup();
    (start, words)
}

/// Where the quote opens that the end of the text stands in.
fn open_quote(text: &str) -> Option<usize> {
    text.char_indices().filter(|(_, c)| *c == '\'').fold(None, |open, (at, _)| match open {
        None => Some(at),
        Some(_) => None,
    })
}

/// Names that start with the word, whatever the case.
fn starting<T: AsRef<str>>(names: impl IntoIterator<Item = T>, word: &str) -> Vec<String> {
    let starts = |name: &str| name.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    names.into_iter().filter(|name| starts(name.as_ref())).map(|name| name.as_ref().to_string()).collect()
}

/// Keywords, in the case that the user writes in.
fn keywords(word: &str) -> Vec<String> {
    let upper = word.chars().any(char::is_uppercase);
    starting(KEYWORDS, word).into_iter().map(|keyword| if upper { keyword } else { keyword.to_lowercase() }).collect()
}

/// What a quoted text could be: the name of an option, or the value of the one before it.
fn quoted(vocabulary: &Vocabulary, before: &str, word: &str) -> Vec<String> {
    let head = before.trim_start().to_uppercase();
    let first = |keyword: &str| head.split(|c: char| !c.is_alphanumeric()).next() == Some(keyword);
    let options: Vec<&OptionDef> = match () {
        () if first("SET") || first("RESET") => SETTINGS.iter().collect(),
        () if head.contains("MODEL") => model_options(before),
        () => table_options(before),
    };
    let before = before.trim_end();
    if let Some(key) = before.strip_suffix('=').map(str::trim_end).and_then(last_quoted) {
        return values(key, &options, word);
    }
    let mut names = starting(options.iter().map(|option| option.name), word);
    if first("SET") || first("RESET") {
        names.extend(starting(&vocabulary.settings, word));
    } else if !head.contains("MODEL") {
        names.extend(starting(["connector"], word));
    }
    names.sort();
    names.dedup();
    names
}

/// The text in the quotes that end here.
fn last_quoted(text: &str) -> Option<&str> {
    let inner = text.strip_suffix('\'')?;
    inner.rfind('\'').map(|open| &inner[open + 1..])
}

/// The values that an option takes, where they are a few words.
fn values(key: &str, options: &[&OptionDef], word: &str) -> Vec<String> {
    match key {
        "connector" => starting(CONNECTORS.iter().map(|connector| connector.name), word),
        "select" => starting(SELECTORS.iter().map(|way| way.name), word),
        "algorithm" => starting(LEARNERS.iter().map(|learner| learner.name), word),
        _ => match options.iter().find(|option| option.name == key).map(|option| option.kind) {
            Some(Kind::Choice(words)) => starting(words, word),
            Some(Kind::Bool) => starting(["true", "false"], word),
            _ => Vec::new(),
        },
    }
}

/// The value that was given to an option further up, in lower case.
fn given(before: &str, key: &str) -> Option<String> {
    let (_, rest) = before.rsplit_once(&format!("'{key}'"))?;
    let value = rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('\'')?;
    value.split('\'').next().map(str::to_lowercase)
}

fn table_options(before: &str) -> Vec<&'static OptionDef> {
    let connector = given(before, "connector");
    CONNECTORS
        .iter()
        .filter(|def| connector.as_deref().is_none_or(|name| name == def.name))
        .flat_map(|def| def.source_options.iter().chain(def.sink_options))
        .flat_map(|table| table.iter())
        .collect()
}

fn model_options(before: &str) -> Vec<&'static OptionDef> {
    let algorithm = given(before, "algorithm");
    let learners = LEARNERS
        .iter()
        .filter(|def| algorithm.as_deref().is_none_or(|name| name == def.name || name.starts_with("choice(")))
        .flat_map(|def| def.options.iter())
        .flat_map(|table| table.iter());
    MODEL_OPTIONS
        .iter()
        .chain(TRAINING_OPTIONS)
        .chain(TUNING_OPTIONS)
        .chain(SELECTION_OPTIONS)
        .chain(learners)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary() -> Vocabulary {
        let words = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        Vocabulary {
            tables: words(&["visits", "visitors"]),
            models: words(&["intent"]),
            functions: words(&["ML_PREDICT", "ML_TRAIN", "abs"]),
            settings: words(&["job.name"]),
        }
    }

    /// Completes where the bar stands.
    fn at(line: &str) -> (usize, Vec<String>) {
        let cursor = line.find('|').unwrap();
        complete(&vocabulary(), &line.replace('|', ""), cursor)
    }

    fn words(line: &str) -> Vec<String> {
        at(line).1
    }

    #[test]
    fn keywords_follow_the_case_of_the_writer() {
        assert_eq!(at("sel|"), (0, vec!["select".to_string()]));
        assert_eq!(at("SEL|"), (0, vec!["SELECT".to_string()]));
        assert_eq!(at("SELECT 1; EXPL|"), (10, vec!["EXPLAIN".to_string()]));
    }

    #[test]
    fn names_fit_their_place() {
        assert_eq!(words("SELECT * FROM vis|"), ["visits", "visitors"]);
        assert_eq!(words("SELECT * FROM ml_p|"), ["ML_PREDICT"]);
        assert_eq!(words("DESCRIBE MODEL |"), ["intent"]);
        assert_eq!(words("SELECT * FROM ML_PREDICT(TABLE |"), ["visits", "visitors"]);
        assert_eq!(words("SELECT zzz|"), Vec::<String>::new());
    }

    #[test]
    fn options_complete_inside_quotes() {
        assert_eq!(at("SET 'job.n|"), (5, vec!["job.name".to_string()]));
        assert_eq!(words("SET 'execution.runtime-mode' = 'str|"), ["streaming"]);
        assert_eq!(words("CREATE MODEL m WITH ('task' = 'cla|"), ["classification"]);
        assert_eq!(words("CREATE MODEL m WITH ('algorithm' = 'logistic|"), ["logistic_regression"]);
        assert!(words("CREATE TABLE t (a INT) WITH ('conn|").contains(&"connector".to_string()));
    }

    #[test]
    fn commands_of_the_shell() {
        assert_eq!(at(".q|"), (0, vec![".quit".to_string()]));
    }

    #[test]
    fn any_place_of_any_text_is_fine() {
        for text in ["é'ü", "SET '", "'''", "FROM ñandú", ";;;'", "日本 FROM 東"] {
            for (cursor, _) in text.char_indices().chain([(text.len(), ' ')]) {
                let (start, _) = complete(&vocabulary(), text, cursor);
                assert!(start <= cursor && text.is_char_boundary(start), "{text} at {cursor}");
            }
        }
    }

    #[test]
    fn the_keywords_are_in_order() {
        assert!(KEYWORDS.is_sorted());
    }
}
