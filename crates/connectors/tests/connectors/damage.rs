//! Damaged and hostile files give errors that name them, never a panic.

use std::fs;

use arrow::datatypes::DataType;
use proptest::prelude::*;
use tidegate_connectors::Error;

use super::*;

/// Reads everything there is; what matters is that it comes to an end.
fn try_read(folder: &Path, path: &str, format: &str, schema: &SchemaRef) -> Result<usize> {
    let table = files(folder, schema, path, format, &[("on-error", "skip")]);
    Ok(chunks(&*table, &ScanRequest { batch_rows: 3, ..ScanRequest::default() })?.len())
}

fn written(path: &str, format: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let batch = samples();
    write(&*files(folder.path(), &batch.schema(), path, format, &[]), &[batch]);
    fs::read(folder.path().join(path)).unwrap()
}

#[test]
fn cut_off_files_are_named() {
    for (format, path) in [("csv", "t.csv.gz"), ("json", "t.json.zst"), ("parquet", "t.parquet")] {
        let bytes = written(path, format);
        let folder = tempfile::tempdir().unwrap();
        for keep in [1, 10, bytes.len() / 2, bytes.len() - 1] {
            fs::write(folder.path().join(path), &bytes[..keep]).unwrap();
            match try_read(folder.path(), path, format, &samples().schema()) {
                Err(Error::Corrupt { path: named, .. }) => assert!(named.ends_with(path), "{named}"),
                other => panic!("{path} cut off after {keep} of {} bytes: {other:?}", bytes.len()),
            }
        }
    }
}

#[test]
fn an_empty_file_has_no_rows_or_is_not_parquet() {
    let folder = tempfile::tempdir().unwrap();
    for (format, path) in [("csv", "t.csv"), ("csv", "t.csv.gz"), ("json", "t.json.zst")] {
        fs::write(folder.path().join(path), b"").unwrap();
        assert_eq!(try_read(folder.path(), path, format, &samples().schema()).unwrap(), 0);
    }
    fs::write(folder.path().join("t.parquet"), b"").unwrap();
    assert!(matches!(try_read(folder.path(), "t.parquet", "parquet", &samples().schema()), Err(Error::Corrupt { .. })));
}

#[test]
fn a_file_with_the_wrong_extension_is_said_to_be_damaged() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv.gz"), b"id,text\n1,a\n").unwrap();
    let failure = try_read(folder.path(), "t.csv.gz", "csv", &schema(&[("id", DataType::Int64)])).unwrap_err();
    assert!(matches!(failure, Error::Corrupt { .. }), "{failure}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0..5usize) {
        let (format, path) =
            [("csv", "t.csv"), ("csv", "t.csv.gz"), ("json", "t.json"), ("json", "t.json.zst"), ("parquet", "t.parquet")][kind];
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(path), bytes).unwrap();
        let _ = try_read(folder.path(), path, format, &samples().schema());
    }

    #[test]
    fn text_of_special_characters(text in "[a,\"\n\r0\\\\#{}:\\[ ]{0,200}", kind in 0..2usize) {
        let (format, path, prefix) = [("csv", "t.csv", "a,b\n"), ("json", "t.json", "")][kind];
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(path), format!("{prefix}{text}")).unwrap();
        let schema = schema(&[("a", DataType::Utf8), ("b", DataType::Float64)]);
        prop_assert!(try_read(folder.path(), path, format, &schema).is_ok());
        // The same records, good and bad, in whatever batches.
        let table = files(folder.path(), &schema, path, format, &[("on-error", "skip")]);
        let all = |batch_rows| {
            let chunks = chunks(&*table, &ScanRequest { batch_rows, ..ScanRequest::default() }).unwrap();
            let rows: usize = chunks.iter().map(|chunk| chunk.batch.num_rows()).sum();
            (rows, chunks.iter().flat_map(|chunk| chunk.bad.clone()).collect::<Vec<_>>())
        };
        prop_assert_eq!(all(1), all(1000));
    }

    #[test]
    fn changed_bytes(changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6), kind in 0..4usize) {
        let (format, path) = [("csv", "t.csv.gz"), ("csv", "t.csv"), ("json", "t.json.zst"), ("parquet", "t.parquet")][kind];
        let mut bytes = written(path, format);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(path), bytes).unwrap();
        let _ = try_read(folder.path(), path, format, &samples().schema());
    }

    #[test]
    fn any_text_comes_back_from_csv(texts in proptest::collection::vec(proptest::option::of("\\PC{0,8}|[,\"'\n\r#\\\\]{0,6}"), 1..20), form in 0..3usize) {
        let options = [
            &[][..],
            &[("csv.null-literal", "a"), ("csv.allow-comments", "true")],
            &[("csv.escape-character", "\\"), ("csv.quote-character", "'"), ("csv.field-delimiter", "\\t")],
        ][form];
        let folder = tempfile::tempdir().unwrap();
        let ids = Arc::new(Int64Array::from_iter_values(0..texts.len() as i64)) as ArrayRef;
        let column = Arc::new(StringArray::from(texts)) as ArrayRef;
        let batch = RecordBatch::try_from_iter_with_nullable([("text", column, true), ("id", ids, true)]).unwrap();
        let table = files(folder.path(), &batch.schema(), "t.csv", "csv", options);
        write(&*table, std::slice::from_ref(&batch));
        prop_assert_eq!(read(&*table).unwrap(), batch);
    }
}
