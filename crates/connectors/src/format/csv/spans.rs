//! The places of the fields of many records.

/// A field's place in the window, without its quotes, and its form. From the lowest bit on: the start, the end, and two bits of
/// the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span(u64);

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is.
    Plain,
    /// Between quotes.
    Quoted,
    /// With doubled quotes or escape characters in it that have to come out, between quotes or not.
    Escaped { quoted: bool },
}

/// How many bits the start has, and the end; windows are shorter than 1 GiB, as `csv.max-record-bytes` is at most a quarter of it.
const BITS: u32 = 31;

impl Span {
    #[inline]
    pub(crate) fn new(start: usize, end: usize, form: Form) -> Self {
        let form = match form {
            Form::Plain => 0,
            Form::Quoted => 1,
            Form::Escaped { quoted: false } => 2,
            Form::Escaped { quoted: true } => 3,
        };
        Self(start as u64 | (end as u64) << BITS | form << (2 * BITS))
    }

    #[inline]
    pub(crate) fn start(self) -> usize {
        (self.0 & ((1 << BITS) - 1)) as usize
    }

    #[inline]
    pub(crate) fn end(self) -> usize {
        (self.0 >> BITS & ((1 << BITS) - 1)) as usize
    }

    #[inline]
    pub(crate) fn form(self) -> Form {
        match self.0 >> (2 * BITS) {
            0 => Form::Plain,
            1 => Form::Quoted,
            2 => Form::Escaped { quoted: false },
            _ => Form::Escaped { quoted: true },
        }
    }
}

/// The wanted fields of some records of a batch, record by record. They are few enough to stay near the processor until they
/// are read.
#[derive(Debug)]
pub(crate) struct Spans {
    /// A row a record. Rows are not taken away when records are, so that they need not be made again.
    rows: Vec<Span>,
    /// How long a row is: the wanted fields, and behind them a place for all those that are not.
    stride: usize,
    /// How many records of the batch are before these.
    first: usize,
    records: usize,
}

impl Spans {
    /// Without records, of so many wanted fields each.
    pub(crate) fn new(wanted: usize) -> Self {
        Self { rows: Vec::new(), stride: wanted + 1, first: 0, records: 0 }
    }

    /// The row for the next record, which does not count until it is added.
    pub(crate) fn row(&mut self) -> &mut [Span] {
        let start = self.records * self.stride;
        let end = start + self.stride;
        if self.rows.len() < end {
            self.rows.resize(end, Span::default());
        }
        &mut self.rows[start..end]
    }

    /// Adds the record whose fields were written to its row.
    pub(crate) fn add(&mut self) {
        self.records += 1;
    }

    /// How many records of the batch are before these.
    pub(crate) fn first(&self) -> usize {
        self.first
    }

    /// How many records these are.
    pub(crate) fn records(&self) -> usize {
        self.records
    }

    /// Keeps only the records before this one of the batch.
    pub(crate) fn truncate(&mut self, record: usize) {
        self.records = self.records.min(record.saturating_sub(self.first));
    }

    /// Makes room for the records after these.
    pub(crate) fn advance(&mut self) {
        self.first += self.records;
        self.records = 0;
    }

    /// Makes room for another batch.
    pub(crate) fn clear(&mut self) {
        self.first = 0;
        self.records = 0;
    }

    /// A field of one of these records.
    #[inline]
    pub(crate) fn get(&self, record: usize, slot: usize) -> Span {
        self.rows[record * self.stride + slot]
    }
}
