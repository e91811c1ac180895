//! Reads CSV files.

use std::path::Path;

use arrow::array::ArrayRef;
use arrow::compute::filter;

use super::Dialect;
use super::column::{Column, Fields, column};
use super::spans::Spans;
use super::split::{Found, Splitter};
use crate::filesystem::compression::Compression;
use crate::filesystem::input::Input;
use crate::format::{BadRows, ReadPlan, find_column, missing_column, stop_at};
use crate::{BadRecord, Chunk, Error, OnError, Position, Reader, Result};

/// A batch ends after this much text even if it has few rows.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// So many records are found before their fields are read: of 50 fields each, they take 40 KB with their places, which stay near
/// the processor.
pub(super) const ROWS_AT_ONCE: usize = 64;

/// A record in the window.
#[derive(Debug, Clone, Copy)]
struct Record {
    start: usize,
    end: usize,
    /// How many lines of the window are before it.
    line: u64,
}

/// Reads one CSV file.
pub(crate) struct CsvReader {
    plan: ReadPlan,
    dialect: Dialect,
    label: String,
    input: Input,
    splitter: Splitter,
    position: Position,
    /// What to stop with at the next call: the rows before it went out first.
    failure: Option<Error>,
    spans: Spans,
    records: Vec<Record>,
}

/// Looks at a file's header before the job starts.
pub(crate) fn check(plan: &ReadPlan, dialect: &Dialect, path: &Path, compression: Option<Compression>) -> Result<()> {
    let mut input = Input::open(path, compression)?;
    splitter(plan, dialect, &mut input).map(|_| ())
}

/// Reads the header, if there is one, and finds out where the wanted columns are. Returns also the lines that it took.
fn splitter(plan: &ReadPlan, dialect: &Dialect, input: &mut Input) -> Result<(Splitter, u64)> {
    let wanted = plan.columns.len();
    if !dialect.header {
        let mut slots = vec![None; plan.table.fields().len()];
        for (slot, column) in plan.columns.iter().enumerate() {
            slots[*column] = Some(slot);
        }
        return Ok((Splitter::new(dialect, slots, wanted), 0));
    }
    let label = plan.label(input.path());
    let Some((names, lines)) = read_header(dialect, input, &label)? else {
        // An empty file has no rows; it does not matter where they are not.
        return Ok((Splitter::new(dialect, vec![None; wanted], wanted), 0));
    };
    let shown: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut slots = vec![None; names.len()];
    for field in plan.table.fields() {
        let Some(at) = find_column(field.name(), shown.iter().copied()) else {
            return Err(missing_column(&label, field.name(), &shown));
        };
        if shown.iter().filter(|name| **name == shown[at]).count() > 1 {
            let message = format!("its header names the column '{}' more than once", shown[at]);
            return Err(Error::Column { path: label, message });
        }
    }
    for (slot, column) in plan.columns.iter().enumerate() {
        if let Some(at) = find_column(plan.table.field(*column).name(), shown.iter().copied()) {
            slots[at] = Some(slot);
        }
    }
    Ok((Splitter::new(dialect, slots, wanted), lines))
}

/// The names in the header and the lines up to its end, which is where the window begins afterwards. `None`: the file is empty.
fn read_header(dialect: &Dialect, input: &mut Input, label: &str) -> Result<Option<(Vec<String>, u64)>> {
    let splitter = Splitter::new(dialect, Vec::new(), 0);
    let corrupt = |reason: String| Error::Corrupt { path: label.to_string(), message: format!("its header: {reason}") };
    input.skip_byte_order_mark()?;
    let mut lines = 0;
    loop {
        let mut fields = Vec::new();
        match splitter.split_all(input.window(), 0, input.at_end(), &mut fields) {
            Found::Record { next, breaks, .. } => {
                let mut names = Vec::with_capacity(fields.len());
                for span in fields {
                    let mut name = Vec::new();
                    splitter.unescape(input.window(), span, &mut name);
                    let name = String::from_utf8(name).map_err(|_| corrupt("it is not UTF-8".to_string()))?;
                    names.push(name.trim().to_string());
                }
                input.consume(next);
                return Ok(Some((names, lines + 1 + u64::from(breaks))));
            }
            Found::Nothing { next } => {
                input.consume(next);
                lines += 1;
            }
            Found::Incomplete if input.at_end() => return Ok(None),
            Found::Incomplete if input.window().len() > dialect.record_bytes_max => {
                return Err(corrupt(format!("the line is longer than {} bytes", dialect.record_bytes_max)));
            }
            Found::Incomplete => input.grow()?,
            Found::Bad(reason) => return Err(corrupt(reason)),
        }
    }
}

impl CsvReader {
    /// Opens a file at its start or at a position in it. `start` has the part and the fingerprint.
    pub(crate) fn open(
        plan: &ReadPlan,
        dialect: &Dialect,
        path: &Path,
        compression: Option<Compression>,
        start: Position,
        resume: bool,
    ) -> Result<Self> {
        let mut input = Input::open(path, compression)?;
        if !dialect.header {
            input.skip_byte_order_mark()?;
        }
        let (splitter, lines) = splitter(plan, dialect, &mut input)?;
        let mut position = start;
        if resume {
            input = Input::open_at(path, compression, position.offset)?;
        } else {
            position.lines = lines;
            position.offset = input.offset();
        }
        Ok(Self {
            label: plan.label(path),
            plan: plan.clone(),
            dialect: dialect.clone(),
            input,
            splitter,
            position,
            failure: None,
            spans: Spans::new(plan.columns.len()),
            records: Vec::new(),
        })
    }

    /// Finds records until there are enough for a batch, and reads their fields. Returns how much of the window and how many
    /// lines they take.
    fn read_records(
        &mut self,
        rows_max: usize,
        bad: &mut Vec<(usize, BadRecord)>,
        columns: &mut [Box<dyn Column>],
        bad_rows: &mut BadRows,
    ) -> Result<(usize, u64)> {
        let length_max = self.dialect.record_bytes_max;
        self.spans.clear();
        self.records.clear();
        let (mut at, mut line) = (0, 0);
        let mut marks = None;
        while self.records.len() + bad.len() < rows_max && at < BATCH_BYTES_MAX {
            let (text, at_end) = (self.input.window(), self.input.at_end());
            let found = self.splitter.split(text, at, at_end, &mut marks, &mut self.spans);
            let reason = match found {
                Found::Record { next, end, breaks } if end - at <= length_max => {
                    self.records.push(Record { start: at, end, line });
                    if self.spans.records() == ROWS_AT_ONCE {
                        self.read_fields(columns, bad_rows);
                    }
                    at = next;
                    line += 1 + u64::from(breaks);
                    continue;
                }
                Found::Nothing { next } => {
                    at = next;
                    line += 1;
                    continue;
                }
                Found::Incomplete if self.input.at_end() => break,
                Found::Incomplete if self.input.window().len() - at <= length_max => {
                    self.input.grow()?;
                    marks = None;
                    continue;
                }
                Found::Bad(reason) => reason,
                Found::Record { .. } | Found::Incomplete => {
                    self.spans.truncate(self.records.len());
                    format!("it is longer than 'csv.max-record-bytes' = {length_max}")
                }
            };
            let stop = self.plan.on_error == OnError::Fail;
            let end =
                if stop { self.input.window().len() } else { self.input.line_end(at, BadRecord::RAW_BYTES_MAX)? };
            let raw = &self.input.window()[at..end];
            let raw = raw.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
            bad.push((self.records.len(), BadRecord::new(self.location(line), raw, reason)));
            if stop {
                break;
            }
            at = end;
            line += 1;
            marks = None;
        }
        self.read_fields(columns, bad_rows);
        Ok((at, line))
    }

    /// The place of a record, for messages; `line` counts from the start of the window.
    fn location(&self, line: u64) -> String {
        format!("{} line {}", self.label, self.position.lines + line + 1)
    }

    /// Reads the fields that were found, and makes room for the next ones.
    fn read_fields(&mut self, columns: &mut [Box<dyn Column>], bad: &mut BadRows) {
        for (slot, (column, field)) in columns.iter_mut().zip(self.plan.schema.fields()).enumerate() {
            let fields = Fields {
                text: self.input.window(),
                spans: &self.spans,
                slot,
                splitter: &self.splitter,
                null: &self.dialect.null,
                field,
            };
            column.append(&fields, bad);
        }
        self.spans.advance();
    }
}

impl Reader for CsvReader {
    fn next(&mut self) -> Result<Option<Chunk>> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let left = self.plan.limit.saturating_sub(usize::try_from(self.position.rows).unwrap_or(usize::MAX));
        let rows_max = self.plan.batch_rows.min(left).min(BATCH_BYTES_MAX);
        let mut bad = Vec::new();
        let mut bad_rows = BadRows::new(rows_max);
        // Batches are mostly as long as the one before.
        let room = self.records.len().min(rows_max);
        let fields = self.plan.schema.fields();
        let mut columns: Vec<_> = fields.iter().map(|field| column(field.data_type(), room)).collect();
        let (mut end, mut lines) = self.read_records(rows_max, &mut bad, &mut columns, &mut bad_rows)?;
        if self.records.is_empty() && bad.is_empty() {
            return Ok(None);
        }
        let mut records = self.records.len() + bad.len();

        let finished = columns.into_iter().zip(self.plan.schema.fields());
        let columns: Vec<ArrayRef> = finished.map(|(column, field)| column.finish(field.data_type())).collect();
        let good = (!bad_rows.is_empty()).then(|| bad_rows.good().slice(0, self.records.len()));
        for (row, reason) in bad_rows.into_reasons() {
            let record = self.records[row];
            let raw = &self.input.window()[record.start..record.end];
            bad.push((row, BadRecord::new(self.location(record.line), raw, reason)));
        }
        bad.sort_by_key(|(row, _)| *row);

        let (columns, rows) = match (stop_at(self.plan.on_error, &mut bad), good) {
            (Some((0, failure)), _) => return Err(failure),
            (Some((row, failure)), _) => {
                // The rows before the bad record go out first, so that what comes out does not depend on the size of batches.
                self.failure = Some(failure);
                records = row;
                if let Some(record) = self.records.get(row) {
                    (end, lines) = (record.start, record.line);
                }
                (columns.iter().map(|column| column.slice(0, row)).collect(), row)
            }
            (None, Some(good)) => {
                let kept: Result<Vec<_>, _> = columns.iter().map(|column| filter(column, &good)).collect();
                (kept.map_err(Error::arrow("dropping bad rows"))?, good.true_count())
            }
            (None, None) => (columns, self.records.len()),
        };
        let batch = self.plan.batch(columns, rows)?;

        self.input.consume(end);
        self.position.offset = self.input.offset();
        self.position.lines += lines;
        self.position.records += records as u64;
        self.position.rows += rows as u64;
        let bad = bad.into_iter().map(|(_, record)| record).collect();
        Ok(Some(Chunk { batch, position: self.position.clone(), bytes: self.input.taken(), bad }))
    }
}
