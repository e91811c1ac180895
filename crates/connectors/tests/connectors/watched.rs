//! Folders watched for new files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use tidegate_connectors::{PartEvent, PartOrder, Position, Scan, ScanRequest, open_table};

use super::{open, spec};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]))
}

fn scan(folder: &Path, path: &str, format: &str) -> Box<dyn Scan> {
    let options =
        [("connector", "filesystem"), ("path", path), ("format", format), ("source.monitor-interval", "10ms")];
    let table = open(folder, &schema(), &options);
    assert!(!table.is_bounded());
    table.scan(&ScanRequest { batch_rows: 2, ..ScanRequest::default() }).unwrap()
}

/// Puts a file there as a writer should: whole, by a rename.
fn appear(folder: &Path, name: &str, ids: &[i64]) {
    let hidden = folder.join(format!(".{name}"));
    let lines: Vec<String> = ids.iter().map(|id| format!("{{\"id\":{id}}}\n")).collect();
    fs::write(&hidden, lines.concat()).unwrap();
    fs::rename(&hidden, folder.join(name)).unwrap();
}

/// Reads until `rows` rows have come, and for how long positions say that they are done.
fn read(scan: &dyn Scan, positions: &mut BTreeMap<u64, Position>, rows: usize) -> Vec<i64> {
    let mut reader = scan.open_all(positions).unwrap();
    let (mut ids, began) = (Vec::new(), Instant::now());
    while ids.len() < rows {
        assert!(began.elapsed() < Duration::from_secs(60), "only {ids:?} came");
        if let PartEvent::Chunk(chunk) = reader.next(Duration::from_millis(20), &BTreeSet::new()).unwrap() {
            ids.extend(chunk.batch.column(0).as_primitive::<Int64Type>().values());
            positions.insert(chunk.position.part, chunk.position);
        }
    }
    ids
}

#[test]
fn files_are_read_once_each_as_they_appear_also_by_a_job_that_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = folder.path().join("inbox");
    fs::create_dir(&inbox).unwrap();
    appear(&inbox, "b.json", &[3, 4, 5]);
    appear(&inbox, "a.json", &[1, 2]);
    fs::write(inbox.join("_half.json"), "{\"id\":").unwrap();
    let scan = scan(folder.path(), "inbox", "json");
    assert_eq!(scan.order(), PartOrder::AsTheyAppear);
    let mut positions = BTreeMap::new();
    assert_eq!(read(scan.as_ref(), &mut positions, 4), [1, 2, 3, 4], "by name, and in the middle of b");
    appear(&inbox, "0.json", &[6]);
    let rest = read(scan.as_ref(), &mut positions, 2);
    assert_eq!(BTreeSet::from_iter(rest), BTreeSet::from([5, 6]));
    appear(&inbox, "1.json", &[7]);
    assert_eq!(read(scan.as_ref(), &mut positions, 1), [7], "nothing of the others comes again");
}

#[test]
fn a_file_that_changed_in_the_middle_of_being_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    appear(folder.path(), "a.json", &[1, 2, 3]);
    let scan = scan(folder.path(), "*.json", "json");
    let mut positions = BTreeMap::new();
    read(scan.as_ref(), &mut positions, 2);
    appear(folder.path(), "a.json", &[1, 2, 3, 4]);
    let mut reader = scan.open_all(&positions).unwrap();
    let error = reader.next(Duration::ZERO, &BTreeSet::new()).unwrap_err().to_string();
    assert!(error.contains("cannot continue"), "{error}");
}

#[test]
fn a_pattern_may_have_no_files_yet_and_a_single_file_cannot_be_watched() {
    let folder = tempfile::tempdir().unwrap();
    let scan = scan(folder.path(), "part-*.json", "json");
    let mut reader = scan.open_all(&BTreeMap::new()).unwrap();
    assert!(matches!(reader.next(Duration::ZERO, &BTreeSet::new()).unwrap(), PartEvent::Nothing));
    appear(folder.path(), "a.json", &[1]);
    let options =
        [("connector", "filesystem"), ("path", "a.json"), ("format", "json"), ("source.monitor-interval", "1 s")];
    let table = open_table(&spec(folder.path(), &schema(), &options)).unwrap();
    let error = table.scan(&ScanRequest::default()).unwrap_err().to_string();
    assert!(error.contains("name the folder that it is in"), "{error}");
}
