//! A sink whose process dies (it is dropped without finishing) and that is made again from a checkpoint ends as if nothing had
//! happened.

use std::fs;

use tidegate_connectors::{CommitMode, Error, SinkRequest, forget};

use super::*;

const FORMS: &[(&str, &str)] = &[
    ("csv", "t.csv"),
    ("csv", "t.csv.gz"),
    ("csv", "t.csv.zst"),
    ("json", "t.json"),
    ("json", "t.json.gz"),
    ("parquet", "t.parquet"),
    ("csv", "d"),
    ("parquet", "d"),
];

/// Eight batches, with a checkpoint after every second one.
fn batches() -> Vec<RecordBatch> {
    (0..8).map(|i| numbered(i * 10, 10)).collect()
}

/// The visible bytes of a text target, or its rows.
fn outcome(folder: &Path, table: &dyn Table, path: &str) -> (RecordBatch, Option<Vec<u8>>) {
    let plain = [".csv", ".json"].iter().any(|end| path.ends_with(end));
    (read(table).unwrap(), plain.then(|| fs::read(folder.join(path)).unwrap()))
}

#[test]
fn at_every_checkpoint_and_everywhere_after_it() {
    for ((format, path), overwrite) in FORMS.iter().flat_map(|form| [(form, false), (form, true)]) {
        let schema = numbered(0, 1).schema();
        let rolling = [("sink.rolling-policy.file-size", "500")];
        let request = SinkRequest { overwrite, job: "crashing".to_string(), ..sink_request(&schema) };
        let start = |folder: &Path| {
            let table = files(folder, &schema, path, format, &rolling);
            write(&*table, &[numbered(-5, 5)]);
            table
        };

        // A process that is not disturbed.
        let straight = tempfile::tempdir().unwrap();
        let table = start(straight.path());
        let mut sink = table.sink(&request).unwrap();
        batches().iter().for_each(|batch| sink.write(batch).unwrap());
        sink.finish().unwrap();
        let expected = outcome(straight.path(), &*table, path);

        // Crashes: before and after the first checkpoint, in the middle, before and after finishing.
        for (crash_after, finishing) in [(1, false), (2, false), (5, false), (8, false), (8, true)] {
            let folder = tempfile::tempdir().unwrap();
            let table = start(folder.path());
            let (mut prepared, mut done) = (None, 0);
            {
                let mut sink = table.sink(&request).unwrap();
                for (i, batch) in batches().iter().take(crash_after).enumerate() {
                    sink.write(batch).unwrap();
                    if i % 2 == 1 {
                        prepared = Some(sink.prepare().unwrap());
                        done = i + 1;
                    }
                }
                if finishing {
                    sink.finish().unwrap();
                }
            }
            let mut sink = table.sink(&SinkRequest { restore: prepared, ..request.clone() }).unwrap();
            batches()[done..].iter().for_each(|batch| sink.write(batch).unwrap());
            let committed = sink.finish().unwrap();
            assert_eq!(sink.finish().unwrap(), committed, "finishing again changes nothing");
            forget(committed.log.as_deref().unwrap()).unwrap();
            assert_eq!(committed.rows, 80, "{format} {path} crashed after {crash_after}");
            assert_eq!(outcome(folder.path(), &*table, path), expected, "{format} {path} crashed after {crash_after}");
            assert_eq!(names(folder.path()), [*path]);
            if *path == "d" {
                assert!(names(&folder.path().join("d")).iter().all(|name| name.starts_with("part-")));
            }
        }
    }
}

#[test]
fn an_uncompressed_text_is_the_same_byte_for_byte_however_often_it_is_checkpointed() {
    for (format, path) in [("csv", "t.csv"), ("json", "t.json")] {
        let schema = numbered(0, 1).schema();
        let bytes = |every: usize| {
            let folder = tempfile::tempdir().unwrap();
            let table = files(folder.path(), &schema, path, format, &[]);
            let mut sink = sink(&*table, &schema);
            for (i, batch) in batches().iter().enumerate() {
                sink.write(batch).unwrap();
                if (i + 1) % every == 0 {
                    let restore = Some(sink.prepare().unwrap());
                    sink.write(&numbered(1000, 9)).unwrap();
                    drop(sink);
                    sink = table.sink(&SinkRequest { restore, ..sink_request(&schema) }).unwrap();
                }
            }
            sink.finish().unwrap();
            fs::read(folder.path().join(path)).unwrap()
        };
        assert_eq!(bytes(1), bytes(100));
        assert_eq!(bytes(3), bytes(100));
    }
}

/// Stops a commit between its steps: the log is written, and some of what it says is done.
#[test]
fn a_commit_that_was_interrupted_is_gone_through_with() {
    for (format, path) in FORMS {
        for renamed in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let schema = numbered(0, 1).schema();
            let table = files(folder.path(), &schema, path, format, &[]);
            write(&*table, &[numbered(-5, 5)]);
            let mut sink = sink(&*table, &schema);
            sink.write(&numbered(0, 10)).unwrap();
            let prepared = sink.prepare().unwrap();
            let visible = read(&*table).unwrap();
            // What is on disk when the log has been written but nothing renamed: the state before, with the log of after.
            let before = tempfile::tempdir().unwrap();
            copy_folder(folder.path(), before.path());
            sink.finish().unwrap();
            drop(sink);
            let target = folder.path().join(path);
            if !renamed {
                let log_folder = if *path == "d" { target.clone() } else { folder.path().to_path_buf() };
                let log = names(&log_folder).into_iter().find(|name| name.ends_with(".commit")).unwrap();
                let joined = log.replace(".commit", ".joined");
                let log_bytes = fs::read(log_folder.join(&log)).unwrap();
                if *path == "d" {
                    fs::remove_dir_all(folder.path().join("d")).unwrap();
                } else {
                    // The file put together is what the target now is.
                    fs::rename(&target, before.path().join(&joined)).unwrap();
                }
                copy_folder(before.path(), folder.path());
                fs::write(log_folder.join(&log), log_bytes).unwrap();
                assert_eq!(read(&*table).unwrap(), visible, "{format} {path}");
            }
            let mut sink = table.sink(&SinkRequest { restore: Some(prepared), ..sink_request(&schema) }).unwrap();
            sink.write(&numbered(10, 3)).unwrap();
            let committed = sink.finish().unwrap();
            assert_eq!(committed.rows, 10, "{format} {path}");
            forget(committed.log.as_deref().unwrap()).unwrap();
            assert_eq!(read(&*table).unwrap(), numbered(-5, 15), "{format} {path} {renamed}");
            assert_eq!(names(folder.path()), [*path]);
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy_folder(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

#[test]
fn an_aborted_job_leaves_nothing() {
    for (format, path) in FORMS {
        let folder = tempfile::tempdir().unwrap();
        let schema = numbered(0, 1).schema();
        let table = files(folder.path(), &schema, &format!("new/{path}"), format, &[]);
        let mut sink = sink(&*table, &schema);
        sink.write(&numbered(0, 10)).unwrap();
        sink.prepare().unwrap();
        sink.abort().unwrap();
        let left = names(folder.path());
        assert!(left.is_empty() || names(&folder.path().join("new")).is_empty(), "{format} {path}: {left:?}");
    }
}

#[test]
fn a_fresh_start_drops_what_an_earlier_one_of_the_same_name_left() {
    let folder = tempfile::tempdir().unwrap();
    let schema = numbered(0, 1).schema();
    let table = files(folder.path(), &schema, "t.csv", "csv", &[]);
    let mut first = sink(&*table, &schema);
    first.write(&numbered(50, 10)).unwrap();
    first.prepare().unwrap();
    drop(first);
    let other = table.sink(&SinkRequest { job: "job-10".to_string(), ..sink_request(&schema) }).unwrap();
    drop(other);
    write(&*table, &[numbered(0, 3)]);
    assert_eq!(read(&*table).unwrap(), numbered(0, 3));
    assert_eq!(names(folder.path()), ["t.csv"]);
}

#[test]
fn lost_segments_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let schema = numbered(0, 1).schema();
    let table = files(folder.path(), &schema, "t.csv", "csv", &[]);
    let mut first = sink(&*table, &schema);
    first.write(&numbered(0, 10)).unwrap();
    let prepared = first.prepare().unwrap();
    drop(first);
    let segment = folder.path().join(&names(folder.path())[0]);
    let request = SinkRequest { restore: Some(prepared), ..sink_request(&schema) };
    fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(20).unwrap();
    assert!(matches!(table.sink(&request).err().unwrap(), Error::Changed { .. }));
    fs::remove_file(&segment).unwrap();
    assert!(matches!(table.sink(&request).err().unwrap(), Error::Io { .. }));
    for garbage in [vec![], vec![1], vec![9; 40]] {
        let request = SinkRequest { restore: Some(garbage), ..sink_request(&schema) };
        assert!(matches!(table.sink(&request).err().unwrap(), Error::Changed { .. }));
    }
}

#[test]
fn a_job_without_an_end_commits_at_each_checkpoint() {
    for (format, path) in FORMS.iter().filter(|(_, path)| *path != "t.parquet") {
        for overwrite in [false, true] {
            // Where the process dies: before or after the commit of the checkpoint, or with rows after it.
            for crash in 0..3 {
                let folder = tempfile::tempdir().unwrap();
                let schema = numbered(0, 1).schema();
                let table = files(folder.path(), &schema, path, format, &[]);
                write(&*table, &[numbered(-5, 5)]);
                let request = SinkRequest { overwrite, commit: CommitMode::EachCheckpoint, ..sink_request(&schema) };
                let mut sink = table.sink(&request).unwrap();
                for (i, batch) in batches().iter().enumerate() {
                    sink.write(batch).unwrap();
                    let prepared = sink.prepare().unwrap();
                    if crash > 0 {
                        assert_eq!(sink.commit(&prepared).unwrap().rows, 10);
                        let first = if overwrite { 0 } else { -5 };
                        let visible = numbered(first, 10 * (i as i64 + 1) - first);
                        assert_eq!(read(&*table).unwrap(), visible, "{format} {path} {overwrite} {crash} {i}");
                    }
                    if crash == 2 {
                        sink.write(&numbered(1000, 3)).unwrap();
                    }
                    drop(sink);
                    sink = table.sink(&SinkRequest { restore: Some(prepared.clone()), ..request.clone() }).unwrap();
                    sink.commit(&prepared).unwrap();
                }
                let committed = sink.finish().unwrap();
                let first = if overwrite { 0 } else { -5 };
                assert_eq!(committed.rows, 80, "{format} {path}");
                assert_eq!(read(&*table).unwrap(), numbered(first, 80 - first), "{format} {path} {overwrite} {crash}");
                assert_eq!(names(folder.path()), [*path]);
            }
        }
    }
}

#[test]
fn one_parquet_file_cannot_grow() {
    let folder = tempfile::tempdir().unwrap();
    let schema = numbered(0, 1).schema();
    let table = files(folder.path(), &schema, "t.parquet", "parquet", &[]);
    let request = SinkRequest { commit: CommitMode::EachCheckpoint, ..sink_request(&schema) };
    let said = table.sink(&request).err().unwrap().to_string();
    assert!(said.contains("let 'path' be a folder"), "{said}");
}

#[test]
fn another_jobs_part_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let schema = numbered(0, 1).schema();
    let table = files(folder.path(), &schema, "d", "csv", &[]);
    let request =
        |job: &str| SinkRequest { job: job.to_string(), commit: CommitMode::EachCheckpoint, ..sink_request(&schema) };
    let mut a = table.sink(&request("a")).unwrap();
    let mut b = table.sink(&request("b")).unwrap();
    a.write(&numbered(0, 5)).unwrap();
    b.write(&numbered(5, 5)).unwrap();
    let (prepared_a, prepared_b) = (a.prepare().unwrap(), b.prepare().unwrap());
    a.commit(&prepared_a).unwrap();
    b.commit(&prepared_b).unwrap();
    assert_eq!(names(&folder.path().join("d")), ["part-0.csv", "part-1.csv"]);
    assert_eq!(read(&*table).unwrap(), numbered(0, 10));
}
