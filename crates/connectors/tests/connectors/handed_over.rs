//! A sink that hands its rows over to be made visible by others, as in a job that runs in several processes: it goes on writing
//! before they do, commits are repeated, and it is made again from a checkpoint.

use std::fs;

use tidegate_connectors::{CommitMode, HandedOver, SinkRequest};

use super::*;

/// The forms of a target, and whether a job without an end can add to it.
const FORMS: &[(&str, &str, bool)] = &[
    ("csv", "t.csv", true),
    ("csv", "t.csv.gz", true),
    ("json", "t.json", true),
    ("parquet", "t.parquet", false),
    ("csv", "d", true),
    ("parquet", "d", true),
];

fn target(
    format: &str,
    path: &str,
    commit: CommitMode,
    overwrite: bool,
) -> (tempfile::TempDir, Arc<dyn Table>, SinkRequest) {
    let schema = numbered(0, 1).schema();
    let folder = tempfile::tempdir().unwrap();
    let table = files(folder.path(), &schema, path, format, &[]);
    write(&*table, &[numbered(-5, 5)]);
    (folder, table, SinkRequest { overwrite, commit, job: "handing".to_string(), ..sink_request(&schema) })
}

/// Checks that the target has the five rows of before, unless they were replaced, and those up to `rows`; and nothing hidden.
fn check(table: &dyn Table, folder: &Path, path: &str, overwrite: bool, rows: i64, what: &str) {
    let from = if overwrite { 0 } else { -5 };
    assert_eq!(read(table).unwrap(), numbered(from, rows - from), "{what}");
    let folder = if path == "d" { folder.join("d") } else { folder.to_path_buf() };
    assert!(names(&folder).iter().all(|name| !name.starts_with('.')), "{what}: {:?}", names(&folder));
}

#[test]
fn at_its_end_a_job_shows_all_rows_once() {
    for ((format, path, _), overwrite) in FORMS.iter().flat_map(|form| [(form, false), (form, true)]) {
        let (folder, table, request) = target(format, path, CommitMode::AtEnd, overwrite);
        let mut sink = table.sink(&request).unwrap();
        sink.write(&numbered(0, 10)).unwrap();
        let HandedOver { commit: None, restore } = sink.hand_over(false).unwrap() else {
            panic!("nothing is done yet")
        };
        // The process dies after some more rows, and another goes on.
        sink.write(&numbered(10, 10)).unwrap();
        drop(sink);
        let mut sink = table.sink(&SinkRequest { restore: Some(restore), ..request.clone() }).unwrap();
        sink.write(&numbered(10, 10)).unwrap();
        let last = sink.hand_over(true).unwrap().commit.unwrap();
        drop(sink);
        assert_eq!(read(&*table).unwrap(), numbered(-5, 5), "nothing is visible yet");
        assert_eq!(table.commit(&request, &last, false).unwrap().rows, 20);
        check(&*table, folder.path(), path, overwrite, 20, path);
        // Again, as after a crash before that was noted.
        table.commit(&request, &last, true).unwrap();
        check(&*table, folder.path(), path, overwrite, 20, path);
        assert!(table.commit(&request, &last, false).is_err(), "for the first time its rows have to be there");
    }
}

#[test]
fn a_job_without_an_end_shows_rows_at_each_checkpoint() {
    for ((format, path, _), overwrite) in
        FORMS.iter().filter(|form| form.2).flat_map(|form| [(form, false), (form, true)])
    {
        let (folder, table, request) = target(format, path, CommitMode::EachCheckpoint, overwrite);
        let mut sink = table.sink(&request).unwrap();
        sink.write(&numbered(0, 10)).unwrap();
        let first = sink.hand_over(false).unwrap();
        sink.write(&numbered(10, 10)).unwrap();
        let second = sink.hand_over(false).unwrap();
        // It has written on when the first two are committed, in two other places.
        sink.write(&numbered(20, 10)).unwrap();
        table.commit(&request, &first.commit.clone().unwrap(), false).unwrap();
        assert_eq!(read(&*table).unwrap().num_rows(), if overwrite { 10 } else { 15 });
        drop(sink);
        // All dies, and begins again at the second checkpoint: the sink first, then those who commit.
        let request = SinkRequest { restore: Some(second.restore), ..request };
        let mut sink = table.sink(&request).unwrap();
        for handed_over in [&first.commit, &second.commit] {
            table.commit(&request, handed_over.as_ref().unwrap(), true).unwrap();
        }
        check(&*table, folder.path(), path, overwrite, 20, path);
        assert_eq!(sink.hand_over(false).unwrap().commit, None, "nothing is new");
        sink.write(&numbered(20, 5)).unwrap();
        let third = sink.hand_over(true).unwrap().commit.unwrap();
        table.commit(&request, &third, false).unwrap();
        table.commit(&request, &third, true).unwrap();
        check(&*table, folder.path(), path, overwrite, 25, path);
    }
}

#[test]
fn an_empty_overwrite_empties_the_target() {
    for commit in [CommitMode::AtEnd, CommitMode::EachCheckpoint] {
        let (folder, table, request) = target("csv", "t.csv", commit, true);
        let last = table.sink(&request).unwrap().hand_over(true).unwrap().commit.unwrap();
        assert_eq!(read(&*table).unwrap().num_rows(), 5);
        table.commit(&request, &last, false).unwrap();
        table.commit(&request, &last, true).unwrap();
        assert!(fs::read_to_string(folder.path().join("t.csv")).unwrap().lines().count() <= 1);
    }
}
