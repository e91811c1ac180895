//! Reads files.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::compression::Compression;
use super::path::{self, Hash};
use super::{FileTable, Format};
use crate::format::ReadPlan;
use crate::format::csv::{self, CsvReader};
use crate::format::json::JsonReader;
use crate::format::parquet::{ParquetFile, ParquetReader, Part};
use crate::{Error, Fingerprint, Position, Reader, Result, Scan, ScanRequest};

/// Files about to be read. A part is a file or, of Parquet, some rows of a row group.
#[derive(Debug)]
pub(super) struct FileScan {
    table: String,
    plan: ReadPlan,
    format: Format,
    compression: Option<Compression>,
    files: Vec<SourceFile>,
    parts: Vec<(usize, Option<Part>)>,
}

#[derive(Debug)]
struct SourceFile {
    path: PathBuf,
    bytes: u64,
    /// A hash of the names and sizes of the files up to this one.
    listing: u64,
    parquet: Option<Arc<ParquetFile>>,
}

impl FileScan {
    /// The files that the table's path stands for.
    pub(super) fn new(table: &FileTable, request: &ScanRequest) -> Result<Self> {
        Self::over(table, request, path::list(&table.name, &table.path)?)
    }

    /// These files.
    pub(super) fn over(table: &FileTable, request: &ScanRequest, files: Vec<PathBuf>) -> Result<Self> {
        let columns = request.projection.clone().unwrap_or_else(|| (0..table.schema.fields().len()).collect());
        let schema = Arc::new(table.schema.project(&columns).map_err(Error::arrow("the columns of a scan"))?);
        let plan = ReadPlan {
            table: table.schema.clone(),
            columns,
            schema,
            batch_rows: request.batch_rows.max(1),
            limit: request.limit.unwrap_or(usize::MAX),
            on_error: table.on_error,
            base_dir: table.base_dir.clone(),
        };
        let mut scan = Self {
            table: table.name.clone(),
            plan,
            format: table.format.clone(),
            compression: table.compression,
            files: Vec::new(),
            parts: Vec::new(),
        };
        let mut listing = Hash::default();
        for file in files {
            let bytes = std::fs::metadata(&file).map_err(Error::io("open", &file))?.len();
            listing.add(scan.plan.label(&file).as_bytes());
            listing.add(&bytes.to_le_bytes());
            let index = scan.files.len();
            let parquet = match &scan.format {
                Format::Csv(dialect) => {
                    csv::check(&scan.plan, dialect, &file, scan.compression)?;
                    None
                }
                Format::Json { .. } => None,
                Format::Parquet(_) => Some(Arc::new(ParquetFile::open(&scan.plan, &file, &request.filters)?)),
            };
            match &parquet {
                Some(parquet) => scan.parts.extend(parquet.parts.iter().map(|part| (index, Some(part.clone())))),
                None => scan.parts.push((index, None)),
            }
            scan.files.push(SourceFile { path: file, bytes, listing: listing.0, parquet });
        }
        Ok(scan)
    }

    /// The start of a part, or the position given if it was taken in the same file.
    fn start(&self, part: usize, file: &SourceFile, from: Option<&Position>) -> Result<Position> {
        let fingerprint = Fingerprint { listing: file.listing, ..path::fingerprint(&file.path)? };
        let Some(from) = from else {
            return Ok(Position { part: part as u64, fingerprint, ..Position::default() });
        };
        let (was, now) = (from.fingerprint, fingerprint);
        let what = if from.part != part as u64 {
            format!("cannot continue: the position is of part {}, not of part {part}", from.part)
        } else if was.bytes != now.bytes {
            let (was, now) = (was.bytes, now.bytes);
            format!("cannot continue: the file had {was} bytes when the checkpoint was taken and now has {now}")
        } else if was.head != now.head {
            "cannot continue: the file's contents changed since the checkpoint was taken".to_string()
        } else if was.listing != now.listing {
            "cannot continue: the files before it in the table's path changed since the checkpoint was taken"
                .to_string()
        } else {
            return Ok(from.clone());
        };
        Err(Error::Changed { path: self.plan.label(&file.path), message: what })
    }
}

impl Scan for FileScan {
    fn fingerprint(&self) -> Result<u64> {
        let mut hash = Hash::default();
        for file in &self.files {
            let Fingerprint { bytes, head, .. } = path::fingerprint(&file.path)?;
            hash.add(&bytes.to_le_bytes());
            hash.add(&head.to_le_bytes());
        }
        Ok(hash.0)
    }

    fn schema(&self) -> SchemaRef {
        self.plan.schema.clone()
    }

    fn parts(&self) -> usize {
        self.parts.len()
    }

    fn open(&self, part: usize, from: Option<&Position>) -> Result<Box<dyn Reader>> {
        let Some((index, rows)) = self.parts.get(part) else {
            let message = format!("there is no part {part}: the scan has {}", self.parts.len());
            return Err(Error::declaration(&self.table, None, message));
        };
        let file = &self.files[*index];
        let start = self.start(part, file, from)?;
        Ok(match (&self.format, &file.parquet, rows) {
            (Format::Csv(dialect), _, _) => {
                Box::new(CsvReader::open(&self.plan, dialect, &file.path, self.compression, start, from.is_some())?)
            }
            (_, Some(parquet), Some(rows)) => {
                Box::new(ParquetReader::open(&self.plan, parquet.clone(), rows.clone(), start)?)
            }
            (Format::Json { record_bytes_max }, _, _) => {
                Box::new(JsonReader::open(&self.plan, *record_bytes_max, &file.path, self.compression, start)?)
            }
            (Format::Parquet(_), _, _) => {
                return Err(Error::corrupt(&file.path, "its footer was not read"));
            }
        })
    }

    fn total_bytes(&self) -> Option<u64> {
        let part_bytes = |(file, part): &(usize, Option<Part>)| match part {
            Some(part) if part.pruned => 0,
            Some(part) => part.bytes,
            None => self.files[*file].bytes,
        };
        Some(self.parts.iter().map(part_bytes).sum())
    }

    fn total_rows(&self) -> Option<u64> {
        self.parts.iter().map(|(_, part)| part.as_ref().map(|part| if part.pruned { 0 } else { part.rows })).sum()
    }
}
