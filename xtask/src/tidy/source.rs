//! Rules about Rust code: its size, and the words that do not belong in some folders.

use super::{File, Finding};

const LINES_MAX: usize = 600;
const LIBRARY_LINES_MAX: usize = 150;

/// Words that must not stand in the code under a folder, and why. Tests and comments are not looked at.
struct Rule {
    folder: &'static str,
    but_not: &'static str,
    words: &'static [&'static str],
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        folder: "crates/ml/src/",
        but_not: "",
        words: &["datafusion", "jni", "sqlparser", "std::fs", "std::net", "std::env", "std::process", "tokio"],
        why: "the core moves record batches: it knows no SQL, engine, file or process",
    },
    Rule {
        folder: "crates/ml/src/",
        but_not: "",
        words: &["Instant", "SystemTime"],
        why: "the core reads no clock: what it computes depends on its rows alone",
    },
    Rule {
        folder: "crates/engine/src/stream/",
        but_not: "crates/engine/src/stream/source/",
        words: &["SystemTime::now", "Instant::now", "rand::rng", "thread_rng", "from_os_rng"],
        why: "an operator reads neither a clock nor random numbers, so that a run can be repeated; only the threads of sources may",
    },
    Rule {
        folder: "crates/sql/src/",
        but_not: "",
        words: &["std::process", "std::net", "std::thread", "tokio", "datafusion"],
        why: "the dialect parses and checks; it runs nothing",
    },
    Rule {
        folder: "crates/",
        but_not: "",
        words: &["mpsc::channel", "unbounded_channel", "channel::unbounded"],
        why: "every queue is bounded: use sync_channel, or a channel with a capacity",
    },
    Rule { folder: "", but_not: "bindings/", words: &["unsafe"], why: "only bindings/ may be unsafe" },
];

pub fn check(file: &File) -> Vec<Finding> {
    if !file.path.ends_with(".rs") {
        return Vec::new();
    }
    let mut findings: Vec<Finding> = size(file).into_iter().collect();
    for (number, line) in code(&file.text) {
        for rule in RULES {
            let applies =
                file.path.starts_with(rule.folder) && (rule.but_not.is_empty() || !file.path.starts_with(rule.but_not));
            let word = rule.words.iter().find(|word| applies && has_word(line, word));
            if let Some(word) = word {
                findings.push(Finding::new(format!("{}:{number}", file.path), format!("'{word}': {}", rule.why)));
            }
        }
    }
    findings
}

fn size(file: &File) -> Option<Finding> {
    let is_generated = file.text.lines().take(5).any(|line| line.contains("@generated"));
    let is_library = file.path.ends_with("src/lib.rs");
    let limit = if is_library { LIBRARY_LINES_MAX } else { LINES_MAX };
    let lines = file.text.lines().count();
    let advice = if is_library { "move what it defines into modules" } else { "a file holds one idea: split it" };
    (lines > limit && !is_generated)
        .then(|| Finding::new(&file.path, format!("{lines} lines, at most {limit}; {advice}")))
}

/// The lines of code with their numbers: without comments, without what stands between quotes on one line, and without the
/// module of tests at the end.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_test_module = |line: &str| line.starts_with("mod tests {") || line.starts_with("mod tests;");
    text.lines()
        .take_while(move |line| !is_test_module(line))
        .enumerate()
        .map(|(at, line)| (at + 1, line.split("//").next().unwrap_or(line)))
}

/// Whether the line has the word on its own and not inside quotes.
fn has_word(line: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        let quoted = before.matches('"').count() % 2 == 1;
        !quoted && !before.ends_with(part_of_word) && !after.starts_with(part_of_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        check(&file).into_iter().map(|finding| format!("{}: {}", finding.place, finding.what)).collect()
    }

    #[test]
    fn words_are_found_in_code_alone() {
        let text = "//! No std::fs here.\nuse std::fs;\n\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
        assert_eq!(
            findings("crates/ml/src/model.rs", text),
            [
                "crates/ml/src/model.rs:2: 'std::fs': the core moves record batches: it knows no SQL, engine, file or process"
            ]
        );
        assert!(findings("crates/engine/src/run.rs", text).is_empty());
    }

    #[test]
    fn a_word_is_a_whole_word() {
        assert!(findings("crates/ml/src/a.rs", "#![deny(unsafe_code)]\nlet jnink = \"jni\";\n").is_empty());
        assert_eq!(findings("crates/ml/src/a.rs", "let t = Instant::now();\n").len(), 1);
        assert_eq!(findings("crates/cli/src/a.rs", "pub unsafe fn f() {}\n").len(), 1);
        assert!(findings("bindings/flink/native/src/a.rs", "pub unsafe fn f() {}\n").is_empty());
        assert_eq!(findings("crates/engine/src/a.rs", "let (s, r) = mpsc::channel();\n").len(), 1);
        assert!(findings("crates/engine/src/a.rs", "let (s, r) = mpsc::sync_channel(2);\n").is_empty());
    }

    #[test]
    fn files_are_small() {
        let long = "\n".repeat(601);
        assert!(findings("crates/ml/src/a.rs", &long)[0].contains("601 lines, at most 600"));
        assert!(findings("crates/ml/src/lib.rs", &"\n".repeat(151))[0].contains("at most 150"));
        assert!(findings("crates/ml/src/a.rs", &format!("// @generated by a program\n{long}")).is_empty());
    }
}
