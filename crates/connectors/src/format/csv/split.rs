//! Where the records and fields of CSV text begin and end.

use super::Dialect;
use super::marks::Marks;
use super::spans::{Form, Span, Spans};

/// What was found at a place in the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A record: where the next one begins, where this one's last field ends, and how many lines break inside of it.
    Record { next: usize, end: usize, breaks: u32 },
    /// A blank line or a comment.
    Nothing { next: usize },
    /// The text ends before the record does.
    Incomplete,
    /// Not a record. Reading goes on after the line where it began.
    Bad(String),
}

/// Splits text into records and their wanted fields.
#[derive(Debug, Clone)]
pub(crate) struct Splitter {
    delimiter: u8,
    quote: Option<u8>,
    escape: Option<u8>,
    comments: bool,
    /// The bytes that may end a run of ordinary ones.
    special: [u8; 4],
    /// For each field of the file, its place in a row of spans: among the wanted ones, or behind them.
    slots: Vec<usize>,
}

impl Splitter {
    /// `slots` has an entry for each field of the file: its place among the `wanted` ones, if it is one of them.
    pub(crate) fn new(dialect: &Dialect, slots: Vec<Option<usize>>, wanted: usize) -> Self {
        Self {
            delimiter: dialect.delimiter,
            quote: dialect.quote,
            escape: dialect.escape,
            comments: dialect.comments,
            special: [dialect.delimiter, b'\n', dialect.quote.unwrap_or(b'\n'), dialect.escape.unwrap_or(b'\n')],
            slots: slots.into_iter().map(|slot| slot.unwrap_or(wanted)).collect(),
        }
    }

    /// Looks at the record that begins at `from`. If it is one, its wanted fields are added to `spans`; if not, nothing is.
    /// `kept` is empty at first and after each change of the text; from record to record it hands on the marks.
    pub(crate) fn split(
        &self,
        text: &[u8],
        from: usize,
        at_end: bool,
        kept: &mut Option<Marks>,
        spans: &mut Spans,
    ) -> Found {
        if let Some(found) = self.pass_over(text, from, at_end) {
            return found;
        }
        let row = spans.row();
        let mut count = 0;
        let found = self.fields(text, from, at_end, kept, |span| {
            if let Some(place) = self.slots.get(count).and_then(|slot| row.get_mut(*slot)) {
                *place = span;
            }
            count += 1;
        });
        match found {
            Found::Record { .. } if count == self.slots.len() => {
                spans.add();
                found
            }
            Found::Record { .. } => Found::Bad(format!("it has {count} fields; expected {}", self.slots.len())),
            _ => found,
        }
    }

    /// All fields of the record that begins at `from`, however many there are.
    pub(crate) fn split_all(&self, text: &[u8], from: usize, at_end: bool, fields: &mut Vec<Span>) -> Found {
        match self.pass_over(text, from, at_end) {
            Some(found) => found,
            None => self.fields(text, from, at_end, &mut None, |span| fields.push(span)),
        }
    }

    /// A blank line or a comment at `from`, or no text at all.
    fn pass_over(&self, text: &[u8], from: usize, at_end: bool) -> Option<Found> {
        let rest = &text[from..];
        match rest {
            [] => Some(Found::Incomplete),
            [b'\n', ..] if self.slots.len() != 1 => Some(Found::Nothing { next: from + 1 }),
            [b'\r', b'\n', ..] if self.slots.len() != 1 => Some(Found::Nothing { next: from + 2 }),
            [b'\r'] if !at_end => Some(Found::Incomplete),
            [b'\r'] if self.slots.len() != 1 => Some(Found::Nothing { next: from + 1 }),
            [b'#', ..] if self.comments => match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) => Some(Found::Nothing { next: from + end + 1 }),
                None if at_end => Some(Found::Nothing { next: text.len() }),
                None => Some(Found::Incomplete),
            },
            _ => None,
        }
    }

    /// Finds the fields of a record by its special bytes. Where there is no whole record, no marks are kept.
    #[inline]
    fn fields(
        &self,
        text: &[u8],
        from: usize,
        at_end: bool,
        kept: &mut Option<Marks>,
        mut add: impl FnMut(Span),
    ) -> Found {
        let kept_here = kept.take().filter(|marks| marks.place() == from);
        let mut marks = kept_here.unwrap_or_else(|| Marks::new(self.special, text, from));
        let mut start = from;
        let mut form = Form::Plain;
        let mut breaks = 0;
        let mut ordinal = 1;
        let (last, stop) = loop {
            let mut mark = marks.next(text);
            // Behind most fields there is a delimiter, and nothing special in them.
            while let Some(at) = mark
                && text[at] == self.delimiter
            {
                add(Span::new(start, at, form));
                start = at + 1;
                form = Form::Plain;
                ordinal += 1;
                mark = marks.next(text);
            }
            match mark {
                Some(at) if Some(text[at]) == self.escape => {
                    form = Form::Escaped { quoted: false };
                    breaks += u32::from(text.get(at + 1) == Some(&b'\n'));
                    marks.skip_to(text, at + 2);
                }
                Some(at) if Some(text[at]) == self.quote => {
                    if at > start {
                        // A quote inside of a field is as good as any other character.
                        continue;
                    }
                    let (span, stop) = match self.quoted(text, at, at_end, ordinal, &mut marks, &mut breaks) {
                        Ok(found) => found,
                        Err(found) => return found,
                    };
                    if text.get(stop) != Some(&self.delimiter) {
                        break (span, stop);
                    }
                    add(span);
                    start = stop + 1;
                    ordinal += 1;
                }
                Some(at) => break (Span::new(start, at, form), at),
                None if at_end => break (Span::new(start, text.len(), form), text.len()),
                None => return Found::Incomplete,
            }
        };
        // The end of the line or of the text.
        let mut end = stop;
        if stop == last.end() && stop > last.start() && text[stop - 1] == b'\r' {
            end -= 1;
            add(Span::new(last.start(), end, last.form()));
        } else {
            add(last);
        }
        *kept = Some(marks);
        Found::Record { next: (stop + 1).min(text.len()), end, breaks }
    }

    /// A field whose opening quote stands at `open`, and where the delimiter or the line's end after it stands. It is
    /// inlined for the marks to stay in registers: that takes a fifth off the time of files where all is in quotes.
    #[inline(always)]
    fn quoted(
        &self,
        text: &[u8],
        open: usize,
        at_end: bool,
        ordinal: usize,
        marks: &mut Marks,
        breaks: &mut u32,
    ) -> Result<(Span, usize), Found> {
        let start = open + 1;
        let mut form = Form::Quoted;
        loop {
            let Some(at) = marks.next(text) else {
                let reason = || format!("the quote that opens field {ordinal} is never closed");
                return Err(if at_end { Found::Bad(reason()) } else { Found::Incomplete });
            };
            if Some(text[at]) == self.escape {
                form = Form::Escaped { quoted: true };
                *breaks += u32::from(text.get(at + 1) == Some(&b'\n'));
                marks.skip_to(text, at + 2);
                continue;
            }
            if Some(text[at]) != self.quote {
                *breaks += u32::from(text[at] == b'\n');
                continue;
            }
            let stop = match &text[at + 1..] {
                [] if !at_end => return Err(Found::Incomplete),
                [next, ..] if Some(*next) == self.quote => {
                    form = Form::Escaped { quoted: true };
                    marks.skip_to(text, at + 2);
                    continue;
                }
                [] | [b'\n', ..] => at + 1,
                [next, ..] if *next == self.delimiter => at + 1,
                [b'\r'] if !at_end => return Err(Found::Incomplete),
                [b'\r'] | [b'\r', b'\n', ..] => at + 2,
                _ => {
                    return Err(Found::Bad(format!(
                        "in field {ordinal} there is text after the closing quote; a quote inside quotes has to be doubled"
                    )));
                }
            };
            marks.skip_to(text, stop + 1);
            return Ok((Span::new(start, at, form), stop));
        }
    }

    /// Adds the text of a field, as it was before it was written with quotes and escapes.
    pub(crate) fn unescape(&self, text: &[u8], span: Span, out: &mut Vec<u8>) {
        let raw = &text[span.start()..span.end()];
        let Form::Escaped { quoted } = span.form() else {
            out.extend_from_slice(raw);
            return;
        };
        let mut bytes = raw.iter();
        while let Some(byte) = bytes.next() {
            let doubled = quoted && Some(*byte) == self.quote;
            match (Some(*byte) == self.escape || doubled, bytes.clone().next()) {
                (true, Some(next)) if !doubled || Some(*next) == self.quote => {
                    out.push(*next);
                    bytes.next();
                }
                _ => out.push(*byte),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect() -> Dialect {
        Dialect {
            header: false,
            delimiter: b',',
            quote: Some(b'"'),
            escape: None,
            comments: false,
            null: Vec::new(),
            record_bytes_max: 1 << 20,
        }
    }

    /// The records of a text, each field unescaped, or the reason why there is none.
    fn records(dialect: &Dialect, text: &str) -> Vec<Result<Vec<String>, String>> {
        let splitter = Splitter::new(dialect, vec![None; 2], 0);
        let (mut at, mut found) = (0, Vec::new());
        while at < text.len() {
            let mut fields = Vec::new();
            match splitter.split_all(text.as_bytes(), at, true, &mut fields) {
                Found::Record { next, .. } => {
                    let unescaped = fields.iter().map(|field| {
                        let mut out = Vec::new();
                        splitter.unescape(text.as_bytes(), *field, &mut out);
                        String::from_utf8(out).unwrap()
                    });
                    found.push(Ok(unescaped.collect()));
                    at = next;
                }
                Found::Nothing { next } => at = next,
                Found::Incomplete => break,
                Found::Bad(reason) => {
                    found.push(Err(reason));
                    at = text[at..].find('\n').map_or(text.len(), |line| at + line + 1);
                }
            }
        }
        found
    }

    fn row(fields: &[&str]) -> Result<Vec<String>, String> {
        Ok(fields.iter().map(|field| field.to_string()).collect())
    }

    #[test]
    fn quotes_and_line_ends() {
        let text = "a,b\r\n\"x,\"\"y\"\"\",\"two\nlines\"\n\n,\nlast,\"\"";
        let expected = vec![row(&["a", "b"]), row(&["x,\"y\"", "two\nlines"]), row(&["", ""]), row(&["last", ""])];
        assert_eq!(records(&dialect(), text), expected);
        assert_eq!(records(&dialect(), "a\"b,c\"\"d\r"), vec![row(&["a\"b", "c\"\"d"])]);
    }

    #[test]
    fn broken_quotes_cost_one_line() {
        let found = records(&dialect(), "\"a\"b,1\nc,2\n\"d,3\ne,4\n");
        let reasons: Vec<_> =
            found.iter().map(|r| r.as_ref().map_err(|e| e.split(';').next().unwrap().to_string())).collect();
        assert_eq!(reasons[0].clone().unwrap_err(), "in field 1 there is text after the closing quote");
        assert_eq!(found[1], row(&["c", "2"]));
        assert_eq!(reasons[2].clone().unwrap_err(), "the quote that opens field 1 is never closed");
        assert_eq!(found[3], row(&["e", "4"]));
    }

    #[test]
    fn escapes_and_comments() {
        let dialect = Dialect { escape: Some(b'\\'), comments: true, ..dialect() };
        let text = "# a comment, here\na\\,b,\"c\\\"d\"\n#end";
        assert_eq!(records(&dialect, text), vec![row(&["a,b", "c\"d"])]);
    }

    #[test]
    fn a_record_is_incomplete_until_its_line_ends() {
        let splitter = Splitter::new(&dialect(), vec![Some(0), None], 1);
        for text in ["", "a", "a,b", "a,b\r", "\"a\"", "\"a\",\"b\"", "\"a\n"] {
            let mut spans = Spans::new(1);
            assert_eq!(splitter.split(text.as_bytes(), 0, false, &mut None, &mut spans), Found::Incomplete, "{text:?}");
            assert_eq!(spans.records(), 0);
        }
        let mut spans = Spans::new(1);
        let found = splitter.split(b"a,b\r\nc", 0, false, &mut None, &mut spans);
        assert_eq!(found, Found::Record { next: 5, end: 3, breaks: 0 });
        assert_eq!((spans.records(), spans.get(0, 0)), (1, Span::new(0, 1, Form::Plain)));
        let found = splitter.split(b"a,b,c\n", 0, false, &mut None, &mut spans);
        assert_eq!(found, Found::Bad("it has 3 fields; expected 2".into()));
        assert_eq!(spans.records(), 1);
    }
}
