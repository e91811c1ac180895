//! Reads files of JSON lines.

use std::ops::Range;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;

use crate::filesystem::compression::Compression;
use crate::filesystem::input::Input;
use crate::format::{ReadPlan, halves, stop_at, zone};
use crate::{BadRecord, Chunk, Error, OnError, Position, Reader, Result};

/// A batch ends after this much text even if it has few rows.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// A line of the window that is not blank.
#[derive(Debug, Clone, Copy)]
struct Line {
    start: usize,
    end: usize,
    /// How many lines of the window are before it.
    line: u64,
}

/// Reads one file of JSON lines.
pub(crate) struct JsonReader {
    plan: ReadPlan,
    record_bytes_max: usize,
    label: String,
    input: Input,
    position: Position,
    /// What to stop with at the next call: the rows before it went out first.
    failure: Option<Error>,
    lines: Vec<Line>,
}

impl JsonReader {
    /// Opens a file at its start or at a position in it. `start` has the part and the fingerprint.
    pub(crate) fn open(
        plan: &ReadPlan,
        record_bytes_max: usize,
        path: &Path,
        compression: Option<Compression>,
        start: Position,
    ) -> Result<Self> {
        let mut input = Input::open_at(path, compression, start.offset)?;
        if start.offset == 0 {
            input.skip_byte_order_mark()?;
        }
        Ok(Self {
            plan: plan.clone(),
            record_bytes_max,
            label: plan.label(path),
            input,
            position: start,
            failure: None,
            lines: Vec::new(),
        })
    }

    /// Finds lines until there are enough for a batch. Returns how much of the window and how many lines they take.
    fn find_lines(&mut self, rows_max: usize, bad: &mut Vec<(usize, BadRecord)>) -> Result<(usize, u64)> {
        self.lines.clear();
        let (mut at, mut line, mut searched) = (0, 0, 0);
        while self.lines.len() + bad.len() < rows_max && at < BATCH_BYTES_MAX {
            let window = self.input.window();
            let (end, next) = match window[searched..].iter().position(|byte| *byte == b'\n') {
                Some(length) => (searched + length, searched + length + 1),
                None if self.input.at_end() && at == window.len() => break,
                None if self.input.at_end() => (window.len(), window.len()),
                None if window.len() - at <= self.record_bytes_max => {
                    searched = window.len();
                    self.input.grow()?;
                    continue;
                }
                None => (window.len(), window.len()),
            };
            if end - at > self.record_bytes_max {
                let reason = format!("it is longer than 'json.max-record-bytes' = {}", self.record_bytes_max);
                let raw = self.input.window()[at..end].to_vec();
                bad.push((self.lines.len(), BadRecord::new(self.location(line), &raw, reason)));
                if self.plan.on_error == OnError::Fail {
                    break;
                }
                at = self.input.line_end(at, BadRecord::RAW_BYTES_MAX)?;
            } else {
                if !window[at..end].trim_ascii().is_empty() {
                    self.lines.push(Line { start: at, end, line });
                }
                at = next;
            }
            searched = at;
            line += 1;
        }
        Ok((at, line))
    }

    /// The place of a record, for messages; `line` counts from the start of the window.
    fn location(&self, line: u64) -> String {
        format!("{} line {}", self.label, self.position.lines + line + 1)
    }

    /// The rows of the lines found, and the lines that are not of the table's types.
    fn decode(&self, bad: &mut Vec<(usize, BadRecord)>) -> Result<Vec<RecordBatch>> {
        let whole = self.lines.first().zip(self.lines.last()).map(|(first, last)| first.start..last.end);
        let Some(whole) = whole else { return Ok(Vec::new()) };
        // Lines that begin and end as objects do cannot be parts of a longer one, so as many rows as lines means one a line.
        let objects = self.lines.iter().all(|line| is_object(self.text(line)));
        let skipped_between = !bad.is_empty();
        if objects
            && !skipped_between
            && let Ok(Some(batch)) = self.decode_text(&self.input.window()[whole], self.lines.len())
            && batch.num_rows() == self.lines.len()
        {
            return Ok(vec![batch]);
        }
        let stop = self.plan.on_error == OnError::Fail;
        let mut found = Vec::new();
        let batches = halves::decode(0..self.lines.len(), stop, &mut |range| self.decode_lines(range), &mut found);
        bad.extend(found.into_iter().map(|(row, reason)| {
            let line = self.lines[row];
            (row, BadRecord::new(self.location(line.line), self.text(&line), reason))
        }));
        Ok(batches)
    }

    /// The rows of some lines, if each is one object of the table's types.
    fn decode_lines(&self, range: Range<usize>) -> Result<RecordBatch, String> {
        let lines = &self.lines[range];
        if !lines.iter().all(|line| is_object(self.text(line))) {
            return Err("it is not a JSON object".to_string());
        }
        let mut text = Vec::new();
        for line in lines {
            text.extend_from_slice(self.text(line));
            text.push(b'\n');
        }
        match self.decode_text(&text, lines.len()) {
            Ok(Some(batch)) if batch.num_rows() == lines.len() => Ok(batch),
            Ok(_) => Err("it has more than one JSON object, or not a whole one".to_string()),
            Err(source) => Err(message(&source)),
        }
    }

    fn text(&self, line: &Line) -> &[u8] {
        self.input.window()[line.start..line.end].trim_ascii()
    }

    fn decode_text(&self, text: &[u8], rows_max: usize) -> Result<Option<RecordBatch>, ArrowError> {
        let builder = ReaderBuilder::new(zone::with_offsets(&self.plan.schema)).with_coerce_primitive(true);
        let mut decoder = builder.with_batch_size(rows_max + 1).build_decoder()?;
        decoder.decode(text)?;
        decoder.flush()?.map(|batch| zone::with_zones_of(&batch, &self.plan.schema)).transpose()
    }
}

pub(super) fn is_object(line: &[u8]) -> bool {
    line.first() == Some(&b'{') && line.last() == Some(&b'}')
}

/// Arrow's words without the kind of error in front.
pub(super) fn message(source: &ArrowError) -> String {
    match source {
        ArrowError::JsonError(text) | ArrowError::ParseError(text) | ArrowError::CastError(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Reader for JsonReader {
    fn next(&mut self) -> Result<Option<Chunk>> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let left = self.plan.limit.saturating_sub(usize::try_from(self.position.rows).unwrap_or(usize::MAX));
        let mut bad = Vec::new();
        let (mut end, mut lines) = self.find_lines(self.plan.batch_rows.min(left), &mut bad)?;
        if self.lines.is_empty() && bad.is_empty() {
            // Blank lines at the end of the file are no chunk.
            return Ok(None);
        }
        let mut records = self.lines.len() + bad.len();
        let batches = self.decode(&mut bad)?;
        bad.sort_by_key(|(row, _)| *row);
        let mut batch = match &batches[..] {
            [one] => one.clone(),
            _ => concat_batches(&self.plan.schema, &batches).map_err(Error::arrow("joining batches of JSON lines"))?,
        };
        if let Some((row, failure)) = stop_at(self.plan.on_error, &mut bad) {
            // The rows before the bad record go out first, so that what comes out does not depend on the size of batches.
            if row == 0 {
                return Err(failure);
            }
            self.failure = Some(failure);
            batch = batch.slice(0, row.min(batch.num_rows()));
            records = row;
            if let Some(line) = self.lines.get(row) {
                (end, lines) = (line.start, line.line);
            }
        }
        let rows = batch.num_rows();
        let batch = self.plan.batch(batch.columns().to_vec(), rows)?;
        self.input.consume(end);
        self.position.offset = self.input.offset();
        self.position.lines += lines;
        self.position.records += records as u64;
        self.position.rows += rows as u64;
        let bad = bad.into_iter().map(|(_, record)| record).collect();
        Ok(Some(Chunk { batch, position: self.position.clone(), bytes: self.input.taken(), bad }))
    }
}
