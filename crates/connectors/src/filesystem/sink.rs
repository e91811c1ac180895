//! Writes files so that each row is visible exactly once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::Format;
use super::carried::carry;
use super::commit::{CommitLog, Names, NewPart, next_part_number, remove};
use super::compression::{Compression, Packer};
use super::existing::{ends_with_newline, file_size};
use super::path::{folder_of, is_one_file, list, sync_folder};
use super::prepared::Prepared;
use super::segment::{Segment, SegmentWriter, encoder};
use crate::format::conform;
use crate::format::parquet::merge;
use crate::{CommitMode, Committed, Error, HandedOver, Result, Sink, SinkRequest};

/// Where a sink writes, and what.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) table: String,
    pub(super) base_dir: PathBuf,
    pub(super) path: PathBuf,
    pub(super) format: Format,
    /// `None`: by the extension of `path`.
    pub(super) compression: Option<Compression>,
    pub(super) schema: SchemaRef,
    pub(super) rolling_bytes: Option<u64>,
}

/// Writes into hidden files beside the target, which become it when the sink commits.
pub(super) struct FileSink {
    target: Target,
    names: Names,
    compression: Compression,
    one_file: bool,
    overwrite: bool,
    mode: CommitMode,
    state: Prepared,
    writer: Option<SegmentWriter>,
    /// A segment was created and its name is not durable yet.
    created: bool,
    /// The outcome is settled: by this process or, before a crash, by an earlier one.
    log: Option<CommitLog>,
    made_folder: bool,
}

impl FileSink {
    /// One that has looked at nothing yet, and touched nothing.
    pub(super) fn new(target: Target, request: &SinkRequest) -> Self {
        let one_file = is_one_file(&target.path);
        let names = Names::of(&request.job, &target);
        let by_name = || Compression::from_extension(&target.path).filter(|_| one_file);
        Self {
            compression: target.compression.or_else(by_name).unwrap_or(Compression::None),
            made_folder: !names.folder().exists(),
            names,
            one_file,
            overwrite: request.overwrite,
            mode: request.commit,
            state: Prepared::default(),
            target,
            writer: None,
            created: false,
            log: None,
        }
    }

    pub(super) fn open(target: Target, request: &SinkRequest) -> Result<Self> {
        if target.path.to_string_lossy().contains(['*', '?']) && !target.path.exists() {
            let message = format!(
                "'{}' is a pattern; to be written to, 'path' has to be a file or a folder",
                target.path.display()
            );
            return Err(Error::declaration(&target.table, Some("path"), message));
        }
        let mut sink = Self::new(target, request);
        if sink.one_file && sink.mode == CommitMode::EachCheckpoint && matches!(sink.target.format, Format::Parquet(_))
        {
            let message =
                "a job without an end cannot add to one parquet file at each checkpoint; let 'path' be a folder";
            return Err(Error::declaration(&sink.target.table, Some("path"), message));
        }
        fs::create_dir_all(sink.names.folder()).map_err(Error::io("create the folder", sink.names.folder()))?;
        if sink.made_folder {
            sync_folder(&folder_of(sink.names.folder()))?;
        }
        match &request.restore {
            Some(prepared) => sink.restore(prepared)?,
            None => sink.start()?,
        }
        Ok(sink)
    }

    /// A fresh start: what an earlier run of the same name left is of no use.
    fn start(&mut self) -> Result<()> {
        self.names.clean(|_| false)?;
        if self.one_file && !self.overwrite {
            self.check_existing()?;
        }
        if self.mode == CommitMode::EachCheckpoint {
            if self.one_file {
                self.state.offset = if self.overwrite { 0 } else { self.end_of_existing()? };
            } else {
                self.state.next_part = next_part_number(self.names.folder())?;
                self.state.remove = if self.overwrite { self.old_files()? } else { Vec::new() };
            }
        }
        Ok(())
    }

    /// Continues after a checkpoint.
    fn restore(&mut self, prepared: &[u8]) -> Result<()> {
        self.state = Prepared::decode(&self.target.path, prepared)?;
        self.log = CommitLog::load(&self.names)?;
        if self.log.is_some() {
            return Ok(());
        }
        let kept: Vec<PathBuf> = self.state.segments.iter().map(|segment| self.names.segment(segment.id)).collect();
        // What was handed over before is removed by whoever commits it.
        let handed_over = |path: &Path| {
            self.mode == CommitMode::EachCheckpoint
                && self.names.segment_id(path).is_some_and(|id| id < self.state.next_id)
        };
        self.names.clean(|path| kept.iter().any(|kept| kept == path) || handed_over(path))?;
        for (path, segment) in kept.iter().zip(&self.state.segments) {
            let found = match fs::metadata(path) {
                Ok(metadata) => metadata.len(),
                // It may have become visible already.
                Err(_) if self.mode == CommitMode::EachCheckpoint => continue,
                Err(source) => return Err(Error::io("continue with", path)(source)),
            };
            if found < segment.bytes {
                let wanted = segment.bytes;
                return Err(Error::changed(
                    path,
                    format!("it had {wanted} bytes at the checkpoint and now has {found}"),
                ));
            }
            if found > segment.bytes {
                let file = OpenOptions::new().write(true).open(path).map_err(Error::io("open", path))?;
                file.set_len(segment.bytes).map_err(Error::io("truncate", path))?;
            }
        }
        Ok(())
    }

    /// Refuses to add to a file that rows of this table do not fit to, before anything is written.
    fn check_existing(&self) -> Result<()> {
        let path = &self.target.path;
        let Some(encoder) = encoder(&self.target.table, &self.target.format, &self.target.schema) else {
            return Ok(());
        };
        if file_size(path)? == 0 {
            return Ok(());
        }
        let mut first_line = Vec::new();
        let file = File::open(path).map_err(Error::io("open", path))?;
        let plain = self.compression.decoder(file).map_err(Error::io("decompress", path))?;
        BufReader::new(plain.take(1 << 20))
            .read_until(b'\n', &mut first_line)
            .map_err(|source| Error::corrupt(path, format!("rows cannot be added to it: {source}")))?;
        encoder.accepts_header(&first_line).map_err(|reason| {
            let message = format!("rows cannot be added to it: {reason}; INSERT OVERWRITE replaces the file");
            Error::Column { path: self.shown(path), message }
        })
    }

    /// Where rows are added to a file of text, whose last line is ended if it is not.
    fn end_of_existing(&self) -> Result<u64> {
        let path = &self.target.path;
        let size = file_size(path)?;
        if size > 0 && !ends_with_newline(path, self.compression)? {
            let file = OpenOptions::new().append(true).open(path).map_err(Error::io("open", path))?;
            let mut packer = Packer::new(self.compression, file);
            packer.write_all(b"\n").map_err(Error::io("write", path))?;
            packer.flush_member().and_then(|file| file.sync_all()).map_err(Error::io("write", path))?;
        }
        file_size(path)
    }

    /// The visible files of the folder, relative to it.
    fn old_files(&self) -> Result<Vec<PathBuf>> {
        let folder = self.names.folder();
        let files = list(&self.target.table, folder)?;
        Ok(files.iter().map(|file| file.strip_prefix(folder).unwrap_or(file).to_path_buf()).collect())
    }

    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.target.base_dir).unwrap_or(path).display().to_string()
    }

    fn extension(&self) -> String {
        format!("{}{}", self.target.format.extension(), self.compression.extension())
    }

    /// The segment that rows are written to, begun or opened again if need be.
    fn writer(&mut self) -> Result<&mut SegmentWriter> {
        if self.writer.is_none() {
            let reopened = match (self.state.last_is_open, self.state.segments.last()) {
                (true, Some(last)) => encoder(&self.target.table, &self.target.format, &self.target.schema)
                    .map(|encoder| {
                        SegmentWriter::reopen(&self.names.segment(last.id), last.bytes, encoder, self.compression)
                    })
                    .transpose()?,
                _ => None,
            };
            self.writer = Some(match reopened {
                Some(writer) => writer,
                None => self.begin_segment()?,
            });
        }
        self.writer.as_mut().ok_or_else(|| Error::declaration(&self.target.table, None, "the sink has no open file"))
    }

    fn begin_segment(&mut self) -> Result<SegmentWriter> {
        let Target { table, format, schema, .. } = &self.target;
        let id = self.state.next_id;
        let path = self.names.segment(id);
        let (writer, header_bytes) = SegmentWriter::create(table, &path, format, self.compression, schema)?;
        self.state.next_id += 1;
        self.state.segments.push(Segment { id, rows: 0, bytes: header_bytes, header_bytes });
        self.state.last_is_open = true;
        self.created = true;
        Ok(writer)
    }

    /// Makes the open segment durable, and ends it if `end` says so or the format needs it.
    fn sync_segment(&mut self, end: bool) -> Result<()> {
        if let Some(writer) = &mut self.writer {
            let bytes = writer.sync()?;
            if let Some(last) = self.state.segments.last_mut() {
                last.bytes = bytes;
            }
            if end || !writer.continues() {
                self.writer = None;
                self.state.last_is_open = false;
            }
        } else if end {
            self.state.last_is_open = false;
        }
        if std::mem::take(&mut self.created) {
            sync_folder(self.names.folder())?;
        }
        Ok(())
    }

    /// Settles what becomes visible when the sink finishes.
    fn settle(&mut self) -> Result<CommitLog> {
        self.sync_segment(true)?;
        let has_old = self.one_file && !self.overwrite && file_size(&self.target.path)? > 0;
        if self.one_file && self.state.segments.is_empty() && !has_old {
            // No rows: still a file, with its header or schema.
            let mut writer = self.begin_segment()?;
            let bytes = writer.sync()?;
            if let Some(last) = self.state.segments.last_mut() {
                last.bytes = bytes;
            }
            self.state.last_is_open = false;
        }
        let segments = &self.state.segments;
        let (rows, bytes) = (segments.iter().map(|s| s.rows).sum(), segments.iter().map(|s| s.bytes).sum());
        let mut log = CommitLog::new(rows, bytes);
        let file_name = |path: PathBuf| path.file_name().map(PathBuf::from).unwrap_or_default();
        if self.one_file {
            let from = match &segments[..] {
                [] => None,
                [one] if !has_old => Some(self.names.segment(one.id)),
                _ => Some(self.join_segments(has_old)?),
            };
            log.replace = from.map(|from| (file_name(from), file_name(self.target.path.clone())));
        } else {
            let first = next_part_number(self.names.folder())?;
            log.remove = if self.overwrite { self.old_files()? } else { Vec::new() };
            log.publish = self.new_parts(segments, first);
        }
        log.save(&self.names)?;
        Ok(log)
    }

    fn new_parts(&self, segments: &[Segment], first: u64) -> Vec<NewPart> {
        let part = |(segment, number): (&Segment, u64)| NewPart {
            from: self.names.segment(segment.id).file_name().map(PathBuf::from).unwrap_or_default(),
            number,
            extension: self.extension(),
        };
        segments.iter().zip(first..).map(part).collect()
    }

    /// Puts what the target has (if that is kept) and the segments together in one hidden file.
    fn join_segments(&self, has_old: bool) -> Result<PathBuf> {
        let path = self.names.joined();
        let mut file = File::create(&path).map_err(Error::io("create", &path))?;
        if let Format::Parquet(properties) = &self.target.format {
            let old = has_old.then(|| self.target.path.clone());
            let new = self.state.segments.iter().map(|segment| self.names.segment(segment.id));
            let inputs: Vec<PathBuf> = old.into_iter().chain(new).collect();
            let file = merge(&inputs, file, &path, properties)?;
            file.sync_all().map_err(Error::io("sync", &path))?;
            return Ok(path);
        }
        if has_old {
            let old = &self.target.path;
            let mut from = File::open(old).map_err(Error::io("open", old))?;
            io::copy(&mut from, &mut file).map_err(Error::io("write", &path))?;
            if !ends_with_newline(old, self.compression)? {
                let mut packer = Packer::new(self.compression, file);
                packer.write_all(b"\n").map_err(Error::io("write", &path))?;
                packer.flush_member().map_err(Error::io("write", &path))?;
                file = OpenOptions::new().append(true).open(&path).map_err(Error::io("open", &path))?;
            }
        }
        for (i, segment) in self.state.segments.iter().enumerate() {
            let skip = if has_old || i > 0 { segment.header_bytes } else { 0 };
            self.append_segment(segment, skip, &mut file, &path)?;
        }
        file.sync_all().map_err(Error::io("sync", &path))?;
        Ok(path)
    }

    /// Adds a segment of text, without its first `skip` bytes, where `to` stands.
    fn append_segment(&self, segment: &Segment, skip: u64, to: &mut File, to_path: &Path) -> Result<()> {
        let path = self.names.segment(segment.id);
        let mut from = File::open(&path).map_err(Error::io("open", &path))?;
        from.seek(SeekFrom::Start(skip)).map_err(Error::io("read", &path))?;
        let wanted = segment.bytes.saturating_sub(skip);
        let copied = io::copy(&mut from.take(wanted), to).map_err(Error::io("write", to_path))?;
        if copied < wanted {
            return Err(Error::changed(&path, format!("it ends {} bytes early", wanted - copied)));
        }
        Ok(())
    }

    /// Adds the prepared segments to the one file, as far as that is not done yet. Returns where they end.
    fn commit_into_file(&self, prepared: &Prepared) -> Result<u64> {
        let path = &self.target.path;
        let mut end = prepared.offset;
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(false).open(path).map_err(Error::io("open", path))?;
        if prepared.is_first && self.overwrite && prepared.segments.is_empty() {
            file.set_len(0).map_err(Error::io("truncate", path))?;
        }
        let mut done = Vec::new();
        for segment in &prepared.segments {
            let skip = if end > 0 { segment.header_bytes } else { 0 };
            let from = self.names.segment(segment.id);
            let segment_end = end + segment.bytes - skip;
            if from.exists() {
                // Whatever follows is of a commit that did not get through.
                file.set_len(end).map_err(Error::io("truncate", path))?;
                file.seek(SeekFrom::Start(end)).map_err(Error::io("write", path))?;
                self.append_segment(segment, skip, &mut file, path)?;
                done.push(from);
            } else if file.metadata().map_err(Error::io("read", path))?.len() < segment_end {
                return Err(Error::changed(path, "rows that were added to it are gone"));
            }
            end = segment_end;
        }
        file.flush().and_then(|()| file.sync_all()).map_err(Error::io("sync", path))?;
        sync_folder(self.names.folder())?;
        for from in done {
            remove(&from)?;
        }
        Ok(end)
    }

    fn committed(&self, log: &CommitLog, files: &[PathBuf]) -> Committed {
        let files = files.iter().map(|file| self.shown(file)).collect();
        Committed { files, rows: log.rows, bytes: log.bytes, log: None }
    }
}

impl Sink for FileSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.log.is_some() || batch.num_rows() == 0 {
            // All rows of the job are in the settled outcome already.
            return Ok(());
        }
        let batch = conform(&self.target.table, &self.target.schema, batch)?;
        let writer = self.writer()?;
        writer.write(&batch)?;
        let size = writer.size();
        if let Some(last) = self.state.segments.last_mut() {
            last.rows += batch.num_rows() as u64;
        }
        if self.target.rolling_bytes.is_some_and(|limit| !self.one_file && size >= limit) {
            self.sync_segment(true)?;
        }
        Ok(())
    }

    fn prepare(&mut self) -> Result<Vec<u8>> {
        if self.log.is_none() {
            self.sync_segment(self.mode == CommitMode::EachCheckpoint)?;
        }
        self.state.encode(&self.target.path)
    }

    fn commit(&mut self, prepared: &[u8]) -> Result<Committed> {
        if self.mode == CommitMode::AtEnd {
            return Ok(Committed::default());
        }
        let prepared = Prepared::decode(&self.target.path, prepared)?;
        let (rows, bytes) =
            (prepared.segments.iter().map(|s| s.rows).sum(), prepared.segments.iter().map(|s| s.bytes).sum());
        let mut log = CommitLog::new(rows, bytes);
        let files = if self.one_file {
            self.state.offset = self.commit_into_file(&prepared)?;
            vec![self.target.path.clone()]
        } else {
            log.remove = if prepared.is_first { prepared.remove.clone() } else { Vec::new() };
            log.publish = self.new_parts(&prepared.segments, prepared.next_part);
            self.state.next_part = prepared.next_part + log.publish.len() as u64;
            log.apply(self.names.folder())?
        };
        self.state.segments.retain(|segment| !prepared.segments.iter().any(|done| done.id == segment.id));
        self.state.is_first = false;
        self.state.rows = prepared.rows + rows;
        self.state.bytes = prepared.bytes + bytes;
        Ok(self.committed(&log, &files))
    }

    fn finish(&mut self) -> Result<Committed> {
        if self.mode == CommitMode::EachCheckpoint {
            let prepared = self.prepare()?;
            let last = self.commit(&prepared)?;
            self.names.clean(|_| false)?;
            return Ok(Committed { rows: self.state.rows, bytes: self.state.bytes, ..last });
        }
        let log = match self.log.take() {
            Some(log) => log,
            None => self.settle()?,
        };
        let files = log.apply(self.names.folder());
        let log = self.log.insert(log).clone();
        let files = files?;
        let kept = self.names.log();
        self.names.clean(|path| path == kept)?;
        Ok(Committed { log: Some(kept), ..self.committed(&log, &files) })
    }

    fn hand_over(&mut self, last: bool) -> Result<HandedOver> {
        let prepared = self.prepare()?;
        if self.mode == CommitMode::AtEnd {
            return Ok(HandedOver { commit: last.then(|| prepared.clone()), restore: prepared });
        }
        let anything = self.state.is_first || !self.state.segments.is_empty();
        self.state.let_go(self.one_file);
        Ok(HandedOver { commit: anything.then_some(prepared), restore: self.state.encode(&self.target.path)? })
    }

    fn carry(&mut self, prepared: &[u8], folder: &Path) -> Result<bool> {
        carry(&self.names, &self.target.path, prepared, folder)?;
        Ok(true)
    }

    fn abort(&mut self) -> Result<()> {
        self.writer = None;
        self.state.segments.clear();
        self.names.clean(|_| false)?;
        if self.made_folder {
            // Fails, as it should, if anything is in it.
            let _ = fs::remove_dir(self.names.folder());
        }
        Ok(())
    }
}
