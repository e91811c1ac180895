//! Where the records and fields of CSV text begin and end.

use super::Dialect;

/// A field's place in the window, without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) form: Form,
}

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
    /// The bytes that end a run of ordinary ones outside of quotes.
    special: [u8; 3],
    /// For each field of the file, the place among the wanted ones.
    slots: Vec<Option<usize>>,
    wanted: usize,
}

impl Splitter {
    /// `slots` has an entry for each field of the file: its place among the `wanted` ones, if it is one of them.
    pub(crate) fn new(dialect: &Dialect, slots: Vec<Option<usize>>, wanted: usize) -> Self {
        Self {
            delimiter: dialect.delimiter,
            quote: dialect.quote,
            escape: dialect.escape,
            comments: dialect.comments,
            special: [dialect.delimiter, b'\n', dialect.escape.unwrap_or(b'\n')],
            slots,
            wanted,
        }
    }

    /// Looks at the record that begins at `from`. If it is one, its wanted fields are added to `fields`; if not, nothing is.
    pub(crate) fn split(&self, text: &[u8], from: usize, at_end: bool, fields: &mut Vec<Span>) -> Found {
        if let Some(found) = self.pass_over(text, from, at_end) {
            return found;
        }
        let base = fields.len();
        fields.resize(base + self.wanted, Span { start: 0, end: 0, form: Form::Plain });
        let mut count = 0;
        let found = self.fields(text, from, at_end, |span| {
            if let Some(Some(slot)) = self.slots.get(count) {
                fields[base + slot] = span;
            }
            count += 1;
        });
        match found {
            Found::Record { .. } if count == self.slots.len() => found,
            Found::Record { .. } => {
                fields.truncate(base);
                Found::Bad(format!("it has {count} fields; expected {}", self.slots.len()))
            }
            _ => {
                fields.truncate(base);
                found
            }
        }
    }

    /// All fields of the record that begins at `from`, however many there are.
    pub(crate) fn split_all(&self, text: &[u8], from: usize, at_end: bool, fields: &mut Vec<Span>) -> Found {
        match self.pass_over(text, from, at_end) {
            Some(found) => found,
            None => self.fields(text, from, at_end, |span| fields.push(span)),
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

    fn fields(&self, text: &[u8], from: usize, at_end: bool, mut add: impl FnMut(Span)) -> Found {
        let mut at = from;
        let mut breaks = 0;
        let mut ordinal = 0;
        loop {
            ordinal += 1;
            let (span, stop) = match self.quote {
                Some(quote) if text.get(at) == Some(&quote) => {
                    match self.quoted(text, at + 1, quote, at_end, ordinal, &mut breaks) {
                        Ok(found) => found,
                        Err(found) => return found,
                    }
                }
                _ => match self.plain(text, at, at_end, &mut breaks) {
                    Some(found) => found,
                    None => return Found::Incomplete,
                },
            };
            match text.get(stop) {
                Some(byte) if *byte == self.delimiter => {
                    add(span);
                    at = stop + 1;
                }
                _ => {
                    // The end of the line or of the text.
                    let mut span = span;
                    let ends_plain = stop == span.end as usize;
                    if ends_plain && span.end > span.start && text[span.end as usize - 1] == b'\r' {
                        span.end -= 1;
                    }
                    add(span);
                    let end = if ends_plain { span.end as usize } else { stop };
                    return Found::Record { next: (stop + 1).min(text.len()), end, breaks };
                }
            }
        }
    }

    /// A field outside of quotes, and where the delimiter or the line's end after it stands.
    #[inline]
    fn plain(&self, text: &[u8], start: usize, at_end: bool, breaks: &mut u32) -> Option<(Span, usize)> {
        let mut at = start;
        let mut form = Form::Plain;
        loop {
            match self.next_special(text, at) {
                None if at_end => return Some((span(start, text.len(), form), text.len())),
                None => return None,
                Some(found) => at = found,
            }
            if Some(text[at]) != self.escape {
                return Some((span(start, at, form), at));
            }
            form = Form::Escaped { quoted: false };
            *breaks += u32::from(text.get(at + 1) == Some(&b'\n'));
            at = (at + 2).min(text.len());
        }
    }

    /// Where the next special byte is. Looks at eight bytes at a time: fields are short, and a loop over bytes would often be
    /// left where the processor does not expect it.
    #[inline]
    fn next_special(&self, text: &[u8], from: usize) -> Option<usize> {
        let [a, b, c] = self.special.map(|byte| u64::from(byte) * ONES);
        let mut at = from;
        while let Some(eight) = text.get(at..at + 8).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()) {
            let word = u64::from_le_bytes(eight);
            let hits = zero_bytes(word ^ a) | zero_bytes(word ^ b) | zero_bytes(word ^ c);
            if hits != 0 {
                return Some(at + hits.trailing_zeros() as usize / 8);
            }
            at += 8;
        }
        text[at..].iter().position(|byte| self.special.contains(byte)).map(|run| at + run)
    }

    /// A field that begins after an opening quote, and where the delimiter or the line's end after it stands.
    fn quoted(
        &self,
        text: &[u8],
        start: usize,
        quote: u8,
        at_end: bool,
        ordinal: usize,
        breaks: &mut u32,
    ) -> Result<(Span, usize), Found> {
        let mut form = Form::Quoted;
        let mut at = start;
        loop {
            let Some(byte) = text.get(at) else {
                let reason = || format!("the quote that opens field {ordinal} is never closed");
                return Err(if at_end { Found::Bad(reason()) } else { Found::Incomplete });
            };
            if Some(*byte) == self.escape {
                form = Form::Escaped { quoted: true };
                *breaks += u32::from(text.get(at + 1) == Some(&b'\n'));
                at += 2;
                continue;
            }
            if *byte == b'\n' {
                *breaks += 1;
            }
            if *byte != quote {
                at += 1;
                continue;
            }
            let after = &text[at + 1..];
            match after {
                [] if !at_end => return Err(Found::Incomplete),
                [next, ..] if *next == quote => {
                    form = Form::Escaped { quoted: true };
                    at += 2;
                }
                [] | [b'\n', ..] => return Ok((span(start, at, form), at + 1)),
                [next, ..] if *next == self.delimiter => return Ok((span(start, at, form), at + 1)),
                [b'\r'] if !at_end => return Err(Found::Incomplete),
                [b'\r'] | [b'\r', b'\n', ..] => return Ok((span(start, at, form), at + 2)),
                _ => {
                    return Err(Found::Bad(format!(
                        "in field {ordinal} there is text after the closing quote; a quote inside quotes has to be doubled"
                    )));
                }
            }
        }
    }

    /// Adds the text of a field, as it was before it was written with quotes and escapes.
    pub(crate) fn unescape(&self, text: &[u8], span: Span, out: &mut Vec<u8>) {
        let raw = &text[span.start as usize..span.end as usize];
        let Form::Escaped { quoted } = span.form else {
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

const ONES: u64 = 0x0101_0101_0101_0101;

/// The high bit of each byte that is zero; bytes above the first such one may be marked too (Mycroft 1987).
#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// Windows are far shorter than 4 GiB.
fn span(start: usize, end: usize, form: Form) -> Span {
    Span { start: start as u32, end: end as u32, form }
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
            let mut fields = Vec::new();
            assert_eq!(splitter.split(text.as_bytes(), 0, false, &mut fields), Found::Incomplete, "{text:?}");
            assert!(fields.is_empty());
        }
        let mut fields = Vec::new();
        assert_eq!(splitter.split(b"a,b\r\nc", 0, false, &mut fields), Found::Record { next: 5, end: 3, breaks: 0 });
        assert_eq!(fields, vec![Span { start: 0, end: 1, form: Form::Plain }]);
        assert_eq!(splitter.split(b"a,b,c\n", 0, false, &mut fields), Found::Bad("it has 3 fields; expected 2".into()));
        assert_eq!(fields.len(), 1);
    }
}
