//! One Parquet file: what its footer says, and the parts it is read in.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};

use super::columns::ColumnSource;
use super::{guarded, prune};
use crate::format::{ReadPlan, find_column, missing_column};
use crate::{ColumnFilter, Error, Result};

/// A part has at most this many rows, so that a long row group can be read by several readers at once. To get to its rows
/// a reader only has to look at the headers of the pages before them.
const PART_ROWS_MAX: u64 = 1 << 18;

/// An opened file.
#[derive(Debug)]
pub(crate) struct ParquetFile {
    pub(crate) path: PathBuf,
    pub(crate) label: String,
    pub(crate) metadata: ArrowReaderMetadata,
    /// For each wanted column, where it comes from.
    pub(crate) columns: Vec<ColumnSource>,
    pub(crate) mask: ProjectionMask,
    pub(crate) parts: Vec<Part>,
}

/// Some rows of a row group.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) row_group: usize,
    /// Where the rows begin in the row group.
    pub(crate) first_row: u64,
    pub(crate) rows: u64,
    /// The size of the wanted columns' pages, as far as they are this part's.
    pub(crate) bytes: u64,
    /// Whether the statistics show that no row passes the filters.
    pub(crate) pruned: bool,
}

impl ParquetFile {
    /// Reads the footer and holds the columns against the declared ones.
    pub(crate) fn open(plan: &ReadPlan, path: &Path, filters: &[ColumnFilter]) -> Result<Self> {
        let label = plan.label(path);
        let file = File::open(path).map_err(Error::io("open", path))?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = guarded(&label, || ArrowReaderMetadata::load(&file, options))?;
        let schema = metadata.schema().clone();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let mut roots = Vec::with_capacity(plan.table.fields().len());
        for field in plan.table.fields() {
            let root = find_column(field.name(), names.iter().copied())
                .ok_or_else(|| missing_column(&label, field.name(), &names))?;
            roots.push((root, ColumnSource::check(&label, schema.field(root), field)?));
        }
        let mask = ProjectionMask::roots(metadata.parquet_schema(), plan.columns.iter().map(|column| roots[*column].0));
        let mut read: Vec<usize> = plan.columns.iter().map(|column| roots[*column].0).collect();
        read.sort_unstable();
        read.dedup();
        let columns = plan.columns.iter().map(|column| {
            let (root, source) = &roots[*column];
            let at = read.binary_search(root).unwrap_or_default();
            ColumnSource { at, ..source.clone() }
        });
        let mut file =
            Self { columns: columns.collect(), path: path.to_path_buf(), label, mask, metadata, parts: Vec::new() };
        let pruned = prune::row_groups(&file, plan, filters, &roots.iter().map(|(root, _)| *root).collect::<Vec<_>>())?;
        file.parts = file.cut_into_parts(&pruned)?;
        Ok(file)
    }

    fn cut_into_parts(&self, pruned: &[bool]) -> Result<Vec<Part>> {
        let corrupt = |what: &str| Error::Corrupt { path: self.label.clone(), message: format!("{what} is negative") };
        let mut parts = Vec::new();
        for (row_group, metadata) in self.metadata.metadata().row_groups().iter().enumerate() {
            let rows = u64::try_from(metadata.num_rows()).map_err(|_| corrupt("the number of rows of a row group"))?;
            let bytes: u64 = metadata
                .columns()
                .iter()
                .enumerate()
                .filter(|(leaf, _)| self.mask.leaf_included(*leaf))
                .map(|(_, column)| u64::try_from(column.compressed_size()).unwrap_or(0))
                .sum();
            let pruned = pruned[row_group];
            let count = rows.div_ceil(PART_ROWS_MAX).max(1);
            for part in 0..count {
                let first_row = part * PART_ROWS_MAX;
                let part_rows = PART_ROWS_MAX.min(rows - first_row);
                let share = |rows: u64| (bytes as f64 * rows as f64 / rows_or_one(metadata.num_rows())) as u64;
                let part_bytes = share(first_row + part_rows).saturating_sub(share(first_row));
                parts.push(Part { row_group, first_row, rows: part_rows, bytes: part_bytes, pruned });
                if parts.len() > 10_000_000 {
                    return Err(corrupt("the number of rows left over after ten million parts"));
                }
            }
        }
        Ok(parts)
    }
}

fn rows_or_one(rows: i64) -> f64 {
    rows.max(1) as f64
}
