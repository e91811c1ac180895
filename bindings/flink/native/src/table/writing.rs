//! Writes a table: rows come from one place, and another makes them visible.

use std::path::PathBuf;

use arrow::datatypes::SchemaRef;
use tidegate_connectors::{CommitMode, HandedOver, Sink, SinkRequest};

use super::Declared;
use crate::batch::{self, Rows};
use crate::exception::Failure;

/// What is wanted of a sink.
pub(crate) struct SinkOf {
    /// Its name: the same after a restart, different from every other's.
    pub(crate) job: String,
    /// Whether what the table holds is replaced.
    pub(crate) overwrite: bool,
    /// Whether all rows become visible at the end, or some at each checkpoint.
    pub(crate) at_end: bool,
}

impl SinkOf {
    fn request(&self, table: &Declared, restore: Option<Vec<u8>>) -> SinkRequest {
        SinkRequest {
            schema: SchemaRef::clone(&table.schema),
            overwrite: self.overwrite,
            job: self.job.clone(),
            folder: PathBuf::from(&table.folder),
            commit: if self.at_end { CommitMode::AtEnd } else { CommitMode::EachCheckpoint },
            restore,
        }
    }
}

/// A table that is written.
pub(crate) struct Writing {
    schema: SchemaRef,
    sink: Box<dyn Sink>,
    restore: Vec<u8>,
}

impl Writing {
    /// Begins, or goes on where [`Writing::restore`] said; an empty one is the beginning.
    pub(crate) fn open(table: &Declared, wanted: &SinkOf, restore: &[u8]) -> Result<Self, Failure> {
        let given = (!restore.is_empty()).then(|| restore.to_vec());
        let sink = table.table.sink(&wanted.request(table, given))?;
        Ok(Self { schema: SchemaRef::clone(&table.schema), sink, restore: restore.to_vec() })
    }

    /// Takes rows that Java has written.
    pub(crate) fn write(&mut self, rows: &Rows<'_>) -> Result<(), Failure> {
        Ok(self.sink.write(&batch::read(&self.schema, rows)?)?)
    }

    /// Makes all rows so far durable and gives what has to be committed for them to be visible, if anything.
    pub(crate) fn hand_over(&mut self, last: bool) -> Result<Option<Vec<u8>>, Failure> {
        let HandedOver { commit, restore } = self.sink.hand_over(last)?;
        self.restore = restore;
        Ok(commit)
    }

    /// Where to go on after what was handed over.
    pub(crate) fn restore(&self) -> &[u8] {
        &self.restore
    }
}

/// Makes rows visible that were handed over; `again`: that may have been done before.
pub(crate) fn commit(table: &Declared, wanted: &SinkOf, handed_over: &[u8], again: bool) -> Result<(), Failure> {
    table.table.commit(&wanted.request(table, None), handed_over, again)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use std::sync::Arc;

    #[test]
    fn rows_of_java_are_visible_when_they_are_committed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        let texts = ["t", &path, "1", "id", "BIGINT", "connector", "filesystem", "format", "csv", "path", "t.csv"];
        let table = Declared::open(&texts.map(String::from)).unwrap();
        let wanted = SinkOf { job: "one".into(), overwrite: false, at_end: true };
        let write = |writing: &mut Writing, ids: [i64; 2]| {
            let ids: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
            let mut memory = vec![0; batch::bytes(1, 2).unwrap()];
            batch::write(&RecordBatch::try_from_iter([("id", ids)]).unwrap(), &mut memory, 2).unwrap();
            writing.write(&Rows { cells: &memory, texts: &[], capacity: 2, rows: 2 }).unwrap();
        };
        let mut first = Writing::open(&table, &wanted, &[]).unwrap();
        write(&mut first, [1, 2]);
        assert_eq!(first.hand_over(false).unwrap(), None);
        let restore = first.restore().to_vec();
        write(&mut first, [8, 9]);
        drop(first);
        let mut second = Writing::open(&table, &wanted, &restore).unwrap();
        write(&mut second, [3, 4]);
        let last = second.hand_over(true).unwrap().unwrap();
        assert!(!folder.path().join("t.csv").exists());
        for again in [false, true] {
            commit(&table, &wanted, &last, again).unwrap();
            assert_eq!(std::fs::read_to_string(folder.path().join("t.csv")).unwrap(), "id\n1\n2\n3\n4\n");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing hidden is left");
    }
}
