//! Names and values, one a line, and texts that are wrapped.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::paint::Paint;

/// Writes `name  value` lines with the values under one another. Lines of a value after its first are indented as well.
pub(crate) fn write(out: &mut dyn Write, paint: Paint, facts: &[(String, String)]) -> io::Result<()> {
    let width = facts.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    for (name, value) in facts {
        let gap = " ".repeat(width - name.width());
        let mut lines = value.lines();
        writeln!(out, "{}{gap}  {}", paint.bold(name), lines.next().unwrap_or_default())?;
        for line in lines {
            writeln!(out, "{}  {line}", " ".repeat(width))?;
        }
    }
    Ok(())
}

/// The text in lines of at most `width` columns, broken at spaces; a word that is wider has its own line.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_line_up() {
        let mut out = Vec::new();
        let facts = [("model", "intent"), ("rows learned", "7"), ("spec", "a\nb")];
        let facts = facts.map(|(name, value)| (name.to_string(), value.to_string()));
        write(&mut out, Paint::default(), &facts).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "model         intent\nrows learned  7\nspec          a\n              b\n");
    }

    #[test]
    fn words_are_wrapped() {
        assert_eq!(wrap("Step size of the  optimizer.", 12), ["Step size of", "the", "optimizer."]);
        assert_eq!(wrap("", 12), Vec::<String>::new());
    }
}
