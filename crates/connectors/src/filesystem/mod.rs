//! Files on this machine.

pub(crate) mod carried;
pub(crate) mod commit;
pub(crate) mod compression;
mod existing;
mod handed_over;
pub(crate) mod input;
pub(crate) mod on_error;
pub(crate) mod path;
mod prepared;
mod segment;
mod sink;
mod source;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use parquet::file::properties::WriterProperties;
use tidegate_options::{Kind, OptionDef, Options, resolve};

use self::compression::Compression;
pub(crate) use self::path::Hash;
use self::sink::{FileSink, Target};
use self::source::FileScan;
use self::watch::WatchedScan;
use crate::format::{csv, json, parquet as parquet_format};
use crate::lookup;
use crate::{
    CONNECTOR_OPTION, ColumnFilter, Committed, ConnectorDef, Error, OnError, Reload, Result, Scan, ScanRequest, Sink,
    SinkRequest, Table, TableSpec, dead_letter_schema,
};

const OPTIONS: &[OptionDef] = &[
    OptionDef::required("path", Kind::Text, "A file, a folder (all files in it and below), or a pattern with * and ?."),
    OptionDef::required("format", Kind::Choice(&["csv", "json", "parquet"]), "The format of the files."),
    OptionDef::optional(
        "compression",
        Kind::Choice(Compression::NAMES),
        "How csv and json files are compressed; when absent, the name (.gz, .zst) and the first bytes of each file say so.",
    ),
];

const SOURCE_OPTIONS: &[OptionDef] = &[OptionDef::optional(
    "source.monitor-interval",
    Kind::Duration,
    "How often the folder or pattern is looked at for new files. The table is unbounded then. If not set, it is what is there at \
     the start.",
)];

const SINK_OPTIONS: &[OptionDef] = &[OptionDef::optional(
    "sink.rolling-policy.file-size",
    Kind::Bytes,
    "When 'path' is a folder: a file is ended when it reaches this size.",
)];

/// A folder is not looked at more often than this.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

/// Files on this machine.
pub(crate) static FILESYSTEM: ConnectorDef = ConnectorDef {
    name: "filesystem",
    doc: "Reads and writes csv, json and parquet files.",
    source_options: &[
        CONNECTOR_OPTION,
        OPTIONS,
        on_error::OPTIONS,
        SOURCE_OPTIONS,
        lookup::OPTIONS,
        csv::FILE_OPTIONS,
        csv::OPTIONS,
        json::OPTIONS,
    ],
    sink_options: &[CONNECTOR_OPTION, OPTIONS, SINK_OPTIONS, csv::FILE_OPTIONS, csv::OPTIONS, parquet_format::OPTIONS],
    make: |spec| Ok(Arc::new(FileTable::new(spec)?)),
};

/// A format with its options read.
#[derive(Debug, Clone)]
pub(crate) enum Format {
    Csv(csv::Dialect),
    Json { record_bytes_max: usize },
    Parquet(Arc<WriterProperties>),
}

impl Format {
    /// What files of it are called at the end.
    fn extension(&self) -> &'static str {
        match self {
            Self::Csv(_) => ".csv",
            Self::Json { .. } => ".json",
            Self::Parquet(_) => ".parquet",
        }
    }
}

/// A table of files.
#[derive(Debug, Clone)]
struct FileTable {
    name: String,
    schema: SchemaRef,
    base_dir: PathBuf,
    path: PathBuf,
    format: Format,
    compression: Option<Compression>,
    on_error: OnError,
    dead_letters: Option<PathBuf>,
    rolling_bytes: Option<u64>,
    /// How often to look for new files; `None`: never.
    monitor_interval: Option<Duration>,
    reload: Option<Reload>,
}

impl FileTable {
    fn new(spec: &TableSpec) -> Result<Self> {
        let tables = [
            CONNECTOR_OPTION,
            OPTIONS,
            on_error::OPTIONS,
            SOURCE_OPTIONS,
            SINK_OPTIONS,
            csv::FILE_OPTIONS,
            lookup::OPTIONS,
            csv::OPTIONS,
            json::OPTIONS,
            parquet_format::OPTIONS,
        ];
        let given = spec.options.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let table = spec.name.as_str();
        let options = resolve(&tables, given).map_err(|source| Error::Option { table: table.to_string(), source })?;
        refuse_other_formats(table, &options, &spec.options)?;
        let format = match options.text("format") {
            "csv" => {
                csv::check_types(table, &spec.schema)?;
                Format::Csv(csv::Dialect::new(table, &options)?)
            }
            "json" => {
                let record_bytes_max = usize::try_from(options.int("json.max-record-bytes")).unwrap_or(1 << 24);
                Format::Json { record_bytes_max }
            }
            _ => {
                parquet_format::check_types(table, &spec.schema)?;
                Format::Parquet(Arc::new(parquet_format::writer_properties(&options)))
            }
        };
        let (on_error, dead_letters) = on_error::resolve(spec, &options, &options)?;
        Ok(Self {
            name: spec.name.clone(),
            schema: spec.schema.clone(),
            base_dir: spec.base_dir.clone(),
            path: path::resolve(table, options.text("path"), &spec.base_dir)?,
            format,
            compression: options.text_opt("compression").and_then(Compression::from_name),
            on_error,
            dead_letters,
            rolling_bytes: options.bytes("sink.rolling-policy.file-size"),
            monitor_interval: options.duration("source.monitor-interval").map(|interval| interval.max(INTERVAL_MIN)),
            reload: Reload::of(&options),
        })
    }
}

impl FileTable {
    /// Where rows go.
    fn target(&self) -> Target {
        let compression = match &self.format {
            Format::Parquet(_) => Some(Compression::None),
            _ => self.compression,
        };
        Target {
            table: self.name.clone(),
            base_dir: self.base_dir.clone(),
            path: self.path.clone(),
            format: self.format.clone(),
            compression,
            schema: self.schema.clone(),
            rolling_bytes: self.rolling_bytes,
        }
    }
}

/// An option of a format that the table does not have is a mistake.
fn refuse_other_formats(table: &str, options: &Options, given: &[(String, String)]) -> Result<()> {
    let format = options.text("format");
    for (key, _) in given {
        let owner = ["csv", "json", "parquet"].into_iter().find(|name| key.split('.').next() == Some(name));
        if let Some(owner) = owner.filter(|owner| *owner != format) {
            let message = format!("option '{key}' is for the format {owner}, but 'format' is '{format}'");
            return Err(Error::declaration(table, Some(key), message));
        }
    }
    if format == "parquet" && options.is_given("compression") {
        let message = "'compression' is for csv and json; for parquet it is 'parquet.compression'";
        return Err(Error::declaration(table, Some("compression"), message));
    }
    Ok(())
}

impl Table for FileTable {
    fn is_bounded(&self) -> bool {
        self.monitor_interval.is_none()
    }

    fn on_error(&self) -> OnError {
        self.on_error
    }

    fn reload(&self) -> Option<Reload> {
        self.reload
    }

    fn uses_filter(&self, filter: &ColumnFilter) -> bool {
        let column = self.schema.fields().get(filter.column);
        matches!(self.format, Format::Parquet(_))
            && column.is_some_and(|field| parquet_format::prunes(field.data_type(), filter.op))
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan>> {
        Ok(match self.monitor_interval {
            None => Box::new(FileScan::new(self, request)?),
            Some(interval) => Box::new(WatchedScan::new(self, request, interval)?),
        })
    }

    fn sink(&self, request: &SinkRequest) -> Result<Box<dyn Sink>> {
        Ok(Box::new(FileSink::open(self.target(), request)?))
    }

    fn commit(&self, request: &SinkRequest, handed_over: &[u8], again: bool) -> Result<Committed> {
        handed_over::commit(self.target(), request, handed_over, again)
    }

    fn adopt(&self, request: &SinkRequest, folder: &Path) -> Result<()> {
        carried::adopt(&self.target(), request, folder)
    }

    fn dead_letter_sink(&self, request: &SinkRequest) -> Result<Option<Box<dyn Sink>>> {
        dead_letter_sink(&self.name, &self.base_dir, self.dead_letters.as_deref(), request)
    }

    fn adopt_dead_letters(&self, request: &SinkRequest, folder: &Path) -> Result<()> {
        adopt_dead_letters(&self.name, &self.base_dir, self.dead_letters.as_deref(), request, folder)
    }
}

/// Where a table's bad records go, if a path is given.
fn dead_letter_target(table: &str, base_dir: &Path, path: Option<&Path>) -> Option<Target> {
    Some(Target {
        table: format!("{table} (dead letters)"),
        base_dir: base_dir.to_path_buf(),
        path: path?.to_path_buf(),
        format: Format::Json { record_bytes_max: usize::MAX },
        compression: None,
        schema: dead_letter_schema(),
        rolling_bytes: None,
    })
}

/// A sink of a table's bad records at a path, if one is given.
pub(crate) fn dead_letter_sink(
    table: &str,
    base_dir: &Path,
    path: Option<&Path>,
    request: &SinkRequest,
) -> Result<Option<Box<dyn Sink>>> {
    let Some(target) = dead_letter_target(table, base_dir, path) else { return Ok(None) };
    Ok(Some(Box::new(FileSink::open(target, request)?)))
}

/// Puts carried bad records where such a sink looks for them.
pub(crate) fn adopt_dead_letters(
    table: &str,
    base_dir: &Path,
    path: Option<&Path>,
    request: &SinkRequest,
    folder: &Path,
) -> Result<()> {
    dead_letter_target(table, base_dir, path).map_or(Ok(()), |target| carried::adopt(&target, request, folder))
}
