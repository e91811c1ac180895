//! Result tables.
//!
//! ```text
//!  month   │ accuracy
//! ─────────┼──────────
//!  2017-01 │   0.8123
//!  2017-02 │   0.8097
//! ```

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::cell::Column;
use super::number;
use super::paint::Paint;

/// No column is wider than this, whatever room there is.
const WIDTH_MAX: usize = 1000;
/// Text columns are not made narrower than this to fit; columns are left out instead.
const WIDTH_MIN: usize = 12;

/// Rows to show, and how many more there are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: usize,
    more_rows: usize,
}

/// What a table is drawn on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Canvas {
    /// Columns of the terminal; `None`: as wide as need be.
    pub(crate) width: Option<usize>,
    pub(crate) paint: Paint,
}

impl Table {
    /// The first `rows_max` rows of a result; 0 for all.
    pub(crate) fn from_batches(schema: &SchemaRef, batches: &[RecordBatch], rows_max: usize) -> Self {
        let total: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let rows = if rows_max == 0 { total } else { total.min(rows_max) };
        let columns = schema
            .fields()
            .iter()
            .enumerate()
            .map(|(i, field)| {
                let parts: Vec<_> = batches.iter().filter_map(|batch| batch.columns().get(i).cloned()).collect();
                Column::from_arrow(field, &parts, rows)
            })
            .collect();
        Self { columns, rows, more_rows: total - rows }
    }

    /// A table of columns of the same length.
    pub(crate) fn from_columns(columns: Vec<Column>) -> Self {
        let rows = columns.iter().map(|column| column.cells.len()).min().unwrap_or(0);
        Self { columns, rows, more_rows: 0 }
    }

    /// Draws the table.
    pub(crate) fn write(&self, out: &mut dyn Write, canvas: Canvas) -> io::Result<()> {
        let natural: Vec<Width> = self.columns.iter().map(|column| Width::of(column, self.rows)).collect();
        let layout = Layout::fit(&natural, canvas.width);
        let paint = canvas.paint;
        let mut line = Line::default();

        for (slot, width) in layout.slots() {
            match slot {
                Some(i) => {
                    line.cell(&self.columns[i].name, width, self.columns[i].right, |text| paint.bold(text).to_string())
                }
                None => line.cell("…", width, false, |text| paint.dim(text).to_string()),
            }
            line.separator(&paint.dim("│").to_string());
        }
        line.end(out)?;

        let rule: Vec<String> = layout.slots().map(|(_, width)| "─".repeat(width + 2)).collect();
        writeln!(out, "{}", paint.dim(rule.join("┼")))?;

        for row in 0..self.rows {
            for (slot, width) in layout.slots() {
                match slot.map(|i| (&self.columns[i].cells[row], self.columns[i].right)) {
                    Some((Some(text), right)) => line.cell(text, width, right, str::to_string),
                    Some((None, right)) => line.cell("NULL", width, right, |text| paint.dim(text).to_string()),
                    None => line.cell("…", width, false, |text| paint.dim(text).to_string()),
                }
                line.separator(&paint.dim("│").to_string());
            }
            line.end(out)?;
        }

        if self.rows == 0 {
            writeln!(out, "{}", paint.dim(" (no rows)"))?;
        }
        if self.more_rows > 0 {
            let more = number::counted(self.more_rows as u64, "more row");
            writeln!(out, "{}", paint.dim(format!("… {more}; --max-rows 0 shows all")))?;
        }
        if !layout.hidden.is_empty() {
            let names: Vec<&str> = layout.hidden.iter().map(|i| self.columns[*i].name.as_str()).collect();
            let more = number::counted(names.len() as u64, "more column");
            let said = format!("… {more} ({}); a wider terminal or --json shows all", names.join(", "));
            writeln!(out, "{}", paint.dim(said))?;
        }
        Ok(())
    }
}

/// How wide a column would be, and how narrow it may get.
#[derive(Debug, Clone, Copy)]
struct Width {
    natural: usize,
    least: usize,
}

impl Width {
    fn of(column: &Column, rows: usize) -> Self {
        let cells =
            column.cells.iter().take(rows).map(|cell| cell.as_deref().unwrap_or("NULL").width()).max().unwrap_or(0);
        let natural = cells.max(column.name.width()).clamp(1, WIDTH_MAX);
        // A number that is cut is a wrong number. Its heading may be cut.
        let least = if column.right { cells.max(4) } else { WIDTH_MIN };
        Self { natural, least: least.min(natural) }
    }
}

/// Which columns are shown, in which width.
#[derive(Debug)]
struct Layout {
    shown: Vec<(usize, usize)>,
    /// Where among `shown` the columns left out would stand.
    gap: Option<usize>,
    hidden: Vec<usize>,
}

impl Layout {
    fn fit(columns: &[Width], room: Option<usize>) -> Self {
        let mut widths: Vec<usize> = columns.iter().map(|column| column.natural).collect();
        let all: Vec<usize> = (0..columns.len()).collect();
        let Some(room) = room else {
            return Self { shown: all.into_iter().zip(widths).collect(), gap: None, hidden: Vec::new() };
        };
        // Columns are left out before the last one, which often matters most, until the rest fits at its narrowest.
        let mut shown = all;
        let mut hidden = Vec::new();
        let taken = |widths: &mut dyn Iterator<Item = usize>, hidden: usize| {
            let widths: Vec<usize> = widths.chain((hidden > 0).then_some(1)).collect();
            widths.iter().map(|width| width + 3).sum::<usize>().saturating_sub(1)
        };
        while shown.len() > 1 && taken(&mut shown.iter().map(|i| columns[*i].least), hidden.len()) > room {
            hidden.insert(0, shown.remove(shown.len().saturating_sub(2)));
        }
        // The widest column gives way first.
        while taken(&mut shown.iter().map(|i| widths[*i]), hidden.len()) > room {
            let widest = shown.iter().copied().filter(|i| widths[*i] > columns[*i].least).max_by_key(|i| widths[*i]);
            match widest {
                Some(i) => widths[i] -= 1,
                None => break,
            }
        }
        let gap = (!hidden.is_empty()).then(|| shown.len().saturating_sub(1));
        Self { shown: shown.into_iter().map(|i| (i, widths[i])).collect(), gap, hidden }
    }

    /// Column and width of each place from left to right; no column where some were left out.
    fn slots(&self) -> impl Iterator<Item = (Option<usize>, usize)> + '_ {
        let split = self.gap.unwrap_or(self.shown.len());
        let place = |(i, width): &(usize, usize)| (Some(*i), *width);
        let gap = self.gap.map(|_| (None, 1));
        self.shown[..split].iter().map(place).chain(gap).chain(self.shown[split..].iter().map(place))
    }
}

/// A line being put together. Spaces at its end are not written.
#[derive(Default)]
struct Line {
    text: String,
    /// Spaces and separators not yet known to be followed by something.
    pending: String,
}

impl Line {
    fn cell(&mut self, text: &str, width: usize, right: bool, style: impl FnOnce(&str) -> String) {
        let fitted = cut(text, width);
        let padding = " ".repeat(width.saturating_sub(fitted.width()));
        self.text.push_str(&std::mem::take(&mut self.pending));
        self.text.push(' ');
        if right {
            self.text.push_str(&padding);
        }
        self.text.push_str(&style(&fitted));
        self.pending.push_str(if right { "" } else { &padding });
    }

    fn separator(&mut self, separator: &str) {
        self.pending.push(' ');
        self.pending.push_str(separator);
    }

    /// Writes the line without the separator at its end.
    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.pending.clear();
        writeln!(out, "{}", self.text.trim_end_matches(' '))?;
        self.text.clear();
        Ok(())
    }
}

/// The text cut to `width` columns of a terminal, with `…` in place of what is missing.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_string();
    }
    let mut short = String::new();
    let mut taken = 1;
    for c in text.chars() {
        taken += c.width().unwrap_or(0);
        if taken > width {
            break;
        }
        short.push(c);
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn drawn(table: &Table, width: Option<usize>) -> String {
        let mut out = Vec::new();
        table.write(&mut out, Canvas { width, paint: Paint::default() }).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn result(rows: i64) -> (SchemaRef, RecordBatch) {
        let schema = Arc::new(Schema::new(vec![
            Field::new("month", DataType::Utf8, true),
            Field::new("rows", DataType::Int64, true),
            Field::new("accuracy", DataType::Float64, true),
        ]));
        let months: ArrayRef =
            Arc::new((0..rows).map(|i| (i != 1).then(|| format!("2017-{:02}", i + 1))).collect::<StringArray>());
        let counts: ArrayRef = Arc::new((0..rows).map(|i| 10_i64.pow(i as u32 % 6)).collect::<Int64Array>());
        let accuracies: ArrayRef =
            Arc::new((0..rows).map(|i| (i != 2).then_some(0.1 + 0.2 * i as f64)).collect::<Float64Array>());
        let batch = RecordBatch::try_new(schema.clone(), vec![months, counts, accuracies]).unwrap();
        (schema, batch)
    }

    #[test]
    fn a_small_table() {
        let (schema, batch) = result(3);
        assert_eq!(
            drawn(&Table::from_batches(&schema, &[batch], 40), None),
            "\
\x20month   │ rows │ accuracy
─────────┼──────┼──────────
 2017-01 │    1 │      0.1
 NULL    │   10 │      0.3
 2017-03 │  100 │     NULL
"
        );
    }

    #[test]
    fn a_long_table_is_cut() {
        let (schema, batch) = result(2);
        let table = Table::from_batches(&schema, &vec![batch; 2000], 3);
        assert_eq!(
            drawn(&table, None),
            "\
\x20month   │ rows │ accuracy
─────────┼──────┼──────────
 2017-01 │    1 │      0.1
 NULL    │   10 │      0.3
 2017-01 │    1 │      0.1
… 3,997 more rows; --max-rows 0 shows all
"
        );
        let all = Table::from_batches(&schema, &[result(2).1], 0);
        assert_eq!(all.rows, 2);
    }

    #[test]
    fn no_rows() {
        let (schema, batch) = result(0);
        assert_eq!(
            drawn(&Table::from_batches(&schema, &[batch], 40), None),
            " month │ rows │ accuracy\n───────┼──────┼──────────\n (no rows)\n"
        );
    }

    #[test]
    fn text_gives_way_before_numbers() {
        let table = Table::from_columns(vec![
            Column::texts("name", ["a text that is rather longer than the room"]),
            Column::texts("count", ["1234567"]).right_aligned(),
        ]);
        assert_eq!(
            drawn(&table, Some(30)),
            "\
\x20name               │   count
────────────────────┼─────────
 a text that is ra… │ 1234567
"
        );
    }

    #[test]
    fn columns_are_left_out_where_nothing_else_helps() {
        let columns = (0..8).map(|i| Column::texts(&format!("column_{i}"), ["123456789"]).right_aligned()).collect();
        assert_eq!(
            drawn(&Table::from_columns(columns), Some(40)),
            "\
\x20\x20column_0 │  column_1 │ … │  column_7
───────────┼───────────┼───┼───────────
 123456789 │ 123456789 │ … │ 123456789
… 5 more columns (column_2, column_3, column_4, column_5, column_6); a wider terminal or --json shows all
"
        );
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let table = Table::from_columns(vec![Column::texts("名前", ["東京", "é"]), Column::texts("x", ["1", "2"])]);
        assert_eq!(drawn(&table, None), " 名前 │ x\n──────┼───\n 東京 │ 1\n é    │ 2\n");
        assert_eq!(cut("東京都", 5), "東京…");
        assert_eq!(cut("東京都", 4), "東…");
    }

    #[test]
    fn null_is_dim() {
        let (schema, batch) = result(2);
        let mut out = Vec::new();
        let canvas = Canvas { width: None, paint: Paint { enabled: true } };
        Table::from_batches(&schema, &[batch], 40).write(&mut out, canvas).unwrap();
        assert!(String::from_utf8(out).unwrap().contains(" \x1b[2mNULL\x1b[0m    \x1b[2m│\x1b[0m   10"));
    }

    #[test]
    fn any_width_draws_something() {
        let (schema, batch) = result(3);
        let table = Table::from_batches(&schema, &[batch], 40);
        for width in 0..40 {
            let text = drawn(&table, Some(width));
            assert!(text.lines().count() >= 5, "{width}");
            if width >= 30 {
                assert!(text.lines().all(|line| line.width() <= width), "{width}:\n{text}");
            }
        }
    }
}
