//! Reads a table, a batch of rows after the other.

use serde::{Deserialize, Serialize};
use tidegate_connectors::{Chunk, OnError, PartOrder, Position, Reader, Scan, ScanRequest};

use super::Declared;
use crate::batch;
use crate::exception::Failure;

/// What is wanted of a table.
pub(crate) struct ScanOf {
    /// The columns, as indexes into the declaration.
    pub(crate) projection: Vec<usize>,
    /// No more rows than this are wanted.
    pub(crate) limit: Option<usize>,
    /// The most rows in a batch.
    pub(crate) batch_rows: usize,
}

/// A table that is read, part after part, as far as Java has asked for rows.
pub(crate) struct Reading {
    scan: Box<dyn Scan>,
    is_bounded: bool,
    place: Place,
    reader: Option<Box<dyn Reader>>,
    texts: Vec<u8>,
    bad: usize,
}

/// Where to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    version: u8,
    /// The part that is read next.
    part: u64,
    /// Where in it; `None`: at its start.
    position: Option<Position>,
}

const PLACE_VERSION: u8 = 1;

impl Reading {
    /// Begins, or goes on where [`Reading::place`] said; an empty one is the beginning.
    pub(crate) fn open(table: &Declared, wanted: &ScanOf, place: &[u8]) -> Result<Self, Failure> {
        let refuse = |what: &str| Err(Failure::Contract(format!("table '{}': {what}", table.name)));
        if table.table.on_error() == OnError::DeadLetter {
            return refuse(
                "'on-error' = 'dead-letter' does not work in Flink yet: use 'skip', which counts them, or 'fail'",
            );
        }
        let request = ScanRequest {
            projection: Some(wanted.projection.clone()),
            batch_rows: wanted.batch_rows,
            limit: wanted.limit,
            ..ScanRequest::default()
        };
        let scan = table.table.scan(&request)?;
        if scan.order() != PartOrder::OneByOne {
            return refuse(
                "what is read while it goes on growing, such as a folder with 'source.monitor-interval', does not work in Flink yet",
            );
        }
        let place = match place {
            [] => Place { version: PLACE_VERSION, ..Place::default() },
            place => match postcard::from_bytes::<Place>(place) {
                Ok(place) if place.version == PLACE_VERSION => place,
                _ => return refuse("the checkpoint's state of this source is not of this version of Tidegate"),
            },
        };
        let is_bounded = table.table.is_bounded();
        Ok(Self { scan, is_bounded, place, reader: None, texts: Vec::new(), bad: 0 })
    }

    /// Whether there is an end of it.
    pub(crate) fn is_bounded(&self) -> bool {
        self.is_bounded
    }

    /// Writes the next rows for Java, which may be none, and returns how many they are; `None` at the end.
    pub(crate) fn next(&mut self, memory: &mut [u8], capacity: usize) -> Result<Option<usize>, Failure> {
        self.bad = 0;
        let Some(Chunk { batch, position, bad, .. }) = self.chunk()? else { return Ok(None) };
        self.texts = batch::write(&batch, memory, capacity)?;
        self.place.position = Some(position);
        self.bad = bad.len();
        Ok(Some(batch.num_rows()))
    }

    fn chunk(&mut self) -> Result<Option<Chunk>, Failure> {
        loop {
            let part = self.place.part as usize;
            if part >= self.scan.parts() {
                return Ok(None);
            }
            let reader = match &mut self.reader {
                Some(reader) => reader,
                none => none.insert(self.scan.open(part, self.place.position.as_ref())?),
            };
            match reader.next()? {
                Some(chunk) => return Ok(Some(chunk)),
                None => {
                    self.reader = None;
                    self.place.part += 1;
                    self.place.position = None;
                }
            }
        }
    }

    /// The bytes of the texts of the last rows.
    pub(crate) fn texts(&self) -> &[u8] {
        &self.texts
    }

    /// How many records among the last rows could not be read.
    pub(crate) fn bad(&self) -> usize {
        self.bad
    }

    /// Where to go on after the last rows.
    pub(crate) fn place(&self) -> Result<Vec<u8>, Failure> {
        postcard::to_stdvec(&self.place)
            .map_err(|error| Failure::Contract(format!("a position cannot be kept: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Rows;
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use std::path::Path;

    fn declared(folder: &Path, more: &[&str]) -> Declared {
        let folder = folder.display().to_string();
        let table = ["t", &folder, "2", "id", "BIGINT", "x", "DOUBLE", "connector", "filesystem", "format", "csv"];
        let texts: Vec<String> = [&table[..], more].concat().iter().map(ToString::to_string).collect();
        Declared::open(&texts).unwrap()
    }

    /// The numbers of the rows that come, and of the records that do not.
    fn ids(table: &Declared, reading: &mut Reading, batches: usize) -> (Vec<i64>, usize) {
        let (mut ids, mut bad) = (Vec::new(), 0);
        let mut memory = vec![0; batch::bytes(1, 3).unwrap()];
        for _ in 0..batches {
            let Some(rows) = reading.next(&mut memory, 3).unwrap() else { break };
            bad += reading.bad();
            let rows = Rows { cells: &memory, texts: reading.texts(), capacity: 3, rows };
            let schema = std::sync::Arc::new(table.schema.project(&[0]).unwrap());
            ids.extend(batch::read(&schema, &rows).unwrap().column(0).as_primitive::<Int64Type>().values());
        }
        (ids, bad)
    }

    #[test]
    fn reading_goes_on_after_every_batch() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        file("a.csv", "id,x\n1,1\n2,2\n3,3\n4,4\n");
        file("b.csv", "id,x\n");
        file("c.csv", "id,x\n5,5\nsix,6\n7,7\n8,8\n");
        let table = declared(folder.path(), &["path", ".", "on-error", "skip"]);
        let wanted = ScanOf { projection: vec![0], limit: None, batch_rows: 3 };
        let all = (vec![1, 2, 3, 4, 5, 7, 8], 1);
        assert_eq!(ids(&table, &mut Reading::open(&table, &wanted, &[]).unwrap(), 100), all);
        for stop in 0..6 {
            let mut first = Reading::open(&table, &wanted, &[]).unwrap();
            let (mut read, mut bad) = ids(&table, &mut first, stop);
            let place = first.place().unwrap();
            drop(first);
            let (rest, more) = ids(&table, &mut Reading::open(&table, &wanted, &place).unwrap(), 100);
            read.extend(rest);
            bad += more;
            assert_eq!((read, bad), all, "stopped after {stop} batches");
        }
        // Of another file it does not.
        let mut first = Reading::open(&table, &wanted, &[]).unwrap();
        ids(&table, &mut first, 1);
        file("a.csv", "id,x\n9,1\n");
        let mut other = Reading::open(&table, &wanted, &first.place().unwrap()).unwrap();
        let error = other.next(&mut [0; 27], 3).unwrap_err().to_string();
        assert!(error.contains("a.csv: cannot continue"), "{error}");
        assert!(Reading::open(&table, &wanted, b"damaged").is_err());
    }

    #[test]
    fn what_does_not_work_yet_is_said_at_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.csv"), "id,x\n").unwrap();
        let wanted = ScanOf { projection: vec![0], limit: None, batch_rows: 3 };
        for (options, says) in [
            (&["path", ".", "source.monitor-interval", "1 s"][..], "source.monitor-interval"),
            (&["path", "a.csv", "on-error", "dead-letter", "dead-letter.path", "bad.jsonl"], "dead-letter"),
            (&["path", "b.csv"], "did you mean"),
        ] {
            let error = Reading::open(&declared(folder.path(), options), &wanted, &[]).err().unwrap().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
