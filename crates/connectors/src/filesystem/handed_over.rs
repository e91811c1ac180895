//! Makes rows visible that a sink handed over, perhaps in another process.

use super::commit::{CommitLog, Names, forget};
use super::prepared::Prepared;
use super::sink::{FileSink, Target};
use crate::{CommitMode, Committed, Result, Sink, SinkRequest};

/// Makes the segments that a sink of this request handed over visible, as far as that is not done yet.
pub(super) fn commit(target: Target, request: &SinkRequest, handed_over: &[u8], again: bool) -> Result<Committed> {
    // The sink goes on writing meanwhile, so that nothing but what it handed over may be touched.
    if request.commit == CommitMode::EachCheckpoint {
        return FileSink::new(target, request).commit(handed_over);
    }
    // The log of the commit, which would tell that it is done, is the last hidden file to go.
    let names = Names::of(&request.job, &target);
    let prepared = Prepared::decode(&target.path, handed_over)?;
    let gone = prepared.segments.iter().any(|segment| !names.segment(segment.id).exists());
    if again && gone && CommitLog::load(&names)?.is_none() {
        return Ok(Committed::default());
    }
    let request = SinkRequest { restore: Some(handed_over.to_vec()), ..request.clone() };
    let committed = FileSink::open(target, &request)?.finish()?;
    committed.log.as_deref().map_or(Ok(()), forget)?;
    Ok(Committed { log: None, ..committed })
}
