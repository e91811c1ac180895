//! Every block of SQL in the READMEs parses.

use std::path::Path;

use tidegate_sql::{Parameters, parse_script};
use tidegate_tests::data::repository;

/// The blocks between "```sql" and "```", each with the number of its first line.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (at, line) in text.lines().enumerate() {
        match (&mut open, line.trim()) {
            (None, "```sql") => open = Some((at + 2, String::new())),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some((_, block)), _) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// The parameters that a text names: in a README nobody gives them values.
fn parameters(text: &str) -> Parameters {
    let mut parameters = Parameters::default();
    for after in text.split("${").skip(1) {
        if let Some((name, _)) = after.split_once('}') {
            parameters.give(name, "1").expect("a name");
        }
    }
    parameters
}

#[test]
fn every_block_of_sql_parses() {
    let root = repository();
    let pattern = root.join("examples/**/README.md");
    let examples = glob::glob(pattern.to_str().expect("UTF-8")).expect("a pattern").map(|path| path.expect("a path"));
    let mut found = 0;
    for path in std::iter::once(root.join("README.md")).chain(examples) {
        let text = std::fs::read_to_string(&path).expect("a README");
        let name = path.strip_prefix(&root).unwrap_or(Path::new("README.md")).display().to_string();
        for (line, block) in blocks(&text) {
            found += 1;
            // Empty lines in front, so that an error names the line of the README.
            let text = "\n".repeat(line - 1) + &block;
            if let Err(error) = parse_script(&name, &text, &parameters(&block)) {
                panic!("{error}");
            }
        }
    }
    assert!(found > 0, "README.md has a tour in SQL");
}

#[test]
fn blocks_are_found() {
    let text = "a\n```sql\nSELECT 1;\n```\n```sh\nls\n```\n  ```sql\nSELECT\n2;\n  ```\n";
    assert_eq!(blocks(text), [(3, "SELECT 1;\n".to_string()), (9, "SELECT\n2;\n".to_string())]);
}
