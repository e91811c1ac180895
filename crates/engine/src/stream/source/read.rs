//! The threads that read ahead of the rounds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Weak;
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use tidegate_connectors::{BadRecord, Chunk, PartEvent, PartOrder, Scan};

use super::alignment::{Aligned, Alignment, PartPlace};
use super::{Arrival, Input, Message, Moved, Pace, Place};
use crate::Result;
use crate::catalog::monitor::storage;
use crate::queue::Sender;
use crate::stream::spill::SpillReader;

/// How long a reader waits for rows before it looks whether anybody still wants them.
const PATIENCE: Duration = Duration::from_millis(100);

/// Reads the input to its end, in order. Ends early without an error when nobody listens: `wanted` is gone then.
pub(super) fn read(
    input: &Input,
    place: &Place,
    pace: &Pace,
    sender: &Sender<Result<Message>>,
    wanted: &Weak<()>,
) -> Result<()> {
    match input {
        Input::Table { scan, .. } => match scan.order() {
            PartOrder::OneByOne => one_by_one(scan.as_ref(), place, pace, sender),
            PartOrder::SideBySide if pace.time.is_some() => side_by_side(scan.as_ref(), place, pace, sender, wanted),
            PartOrder::SideBySide | PartOrder::AsTheyAppear => as_they_come(scan.as_ref(), place, pace, sender, wanted),
        },
        Input::Stage { path } => {
            let offset = match place {
                Place::Stage { offset } => *offset,
                _ => 0,
            };
            let mut reader = SpillReader::open(path, offset)?;
            while let Some((batch, offset)) = reader.next()? {
                let arrival = pace.arrival(Some(batch), Moved::Stage { offset }, 0, Vec::new())?;
                if sender.send(Ok(Message::Rows(arrival))).is_err() {
                    return Ok(());
                }
            }
            Ok(())
        }
    }
}

fn one_by_one(scan: &dyn Scan, place: &Place, pace: &Pace, sender: &Sender<Result<Message>>) -> Result<()> {
    let (first, mut position) = match place {
        Place::Table { part, position } => (*part as usize, position.clone()),
        _ => (0, None),
    };
    for part in first..scan.parts() {
        let mut reader = scan.open(part, position.as_ref()).map_err(storage)?;
        position = None;
        let mut bytes_before = None;
        while let Some(chunk) = reader.next().map_err(storage)? {
            let bytes = chunk.bytes.saturating_sub(bytes_before.unwrap_or_default());
            bytes_before = Some(chunk.bytes);
            let moved = Moved::Table { part: part as u64, position: chunk.position };
            let arrival = pace.arrival(Some(chunk.batch), moved, bytes, chunk.bad)?;
            if sender.send(Ok(Message::Rows(arrival))).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Parts that are put into the order of their event times.
fn side_by_side(
    scan: &dyn Scan,
    place: &Place,
    pace: &Pace,
    sender: &Sender<Result<Message>>,
    wanted: &Weak<()>,
) -> Result<()> {
    let places = place.parts();
    let positions = places.iter().map(|(part, place)| (*part, place.position.clone())).collect();
    let mut reader = scan.open_all(&positions).map_err(storage)?;
    let mut alignment = Alignment::new(pace.batch_rows, pace.idle_after);
    places.into_iter().for_each(|(part, place)| alignment.begin(part, place));
    let mut told_idle = false;
    while wanted.strong_count() > 0 {
        let held = alignment.held();
        let mut ready = !held.is_empty();
        match reader.next(PATIENCE, &held).map_err(storage)? {
            PartEvent::Found(position) => alignment.begin(position.part, PartPlace::at(position)),
            PartEvent::Chunk(chunk) => {
                told_idle = false;
                let times = pace.times(&chunk.batch)?;
                alignment.add(chunk, times.into_iter());
            }
            PartEvent::CaughtUp(part) => {
                alignment.caught_up(part, Instant::now());
                ready = true;
            }
            PartEvent::Ended(part) => {
                alignment.ended(part);
                ready = true;
            }
            PartEvent::Nothing => {
                alignment.silent(Instant::now());
                ready = true;
            }
            PartEvent::End => {
                send_aligned(&mut alignment, pace, sender)?;
                return Ok(());
            }
        }
        if ready && !send_aligned(&mut alignment, pace, sender)? {
            return Ok(());
        }
        if ready && !told_idle && alignment.is_idle() {
            told_idle = true;
            if sender.send(Ok(Message::Idle)).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Sends all that may come out. Whether anybody still wants more.
fn send_aligned(alignment: &mut Alignment, pace: &Pace, sender: &Sender<Result<Message>>) -> Result<bool> {
    while let Some(Aligned { batch, moved, bytes, bad }) = alignment.take()? {
        let arrival = pace.arrival(batch, Moved::Parts(moved), bytes, bad)?;
        if sender.send(Ok(Message::Rows(arrival))).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Parts that are one stream, in the order in which their rows come.
fn as_they_come(
    scan: &dyn Scan,
    place: &Place,
    pace: &Pace,
    sender: &Sender<Result<Message>>,
    wanted: &Weak<()>,
) -> Result<()> {
    let places = place.parts();
    let positions = places.iter().map(|(part, place)| (*part, place.position.clone())).collect();
    // Rows taken after a position come again: a checkpoint of a plan that did put them into order may have left some.
    let mut again: BTreeMap<u64, u64> = places.iter().map(|(part, place)| (*part, place.rows_after)).collect();
    let mut reader = scan.open_all(&positions).map_err(storage)?;
    let mut bytes_read: BTreeMap<u64, u64> = BTreeMap::new();
    let (held, mut silent_since, mut told_idle) = (BTreeSet::new(), None, false);
    while wanted.strong_count() > 0 {
        match reader.next(PATIENCE, &held).map_err(storage)? {
            PartEvent::Found(_) | PartEvent::CaughtUp(_) | PartEvent::Ended(_) => {}
            PartEvent::Chunk(Chunk { mut batch, position, bytes, bad }) => {
                (silent_since, told_idle) = (None, false);
                if let Some(left) = again.get_mut(&position.part) {
                    let skipped = (*left).min(batch.num_rows() as u64);
                    *left -= skipped;
                    batch = batch.slice(skipped as usize, batch.num_rows() - skipped as usize);
                }
                let before = bytes_read.insert(position.part, bytes).unwrap_or_default();
                let rows_after = again.get(&position.part).copied().unwrap_or_default();
                let part = position.part;
                let place = PartPlace { rows_after, ..PartPlace::at(position) };
                let moved = Moved::Parts(vec![(part, place)]);
                let arrival = pace.arrival(Some(batch), moved, bytes.saturating_sub(before), bad)?;
                if sender.send(Ok(Message::Rows(arrival))).is_err() {
                    return Ok(());
                }
            }
            PartEvent::Nothing => {
                let since = *silent_since.get_or_insert_with(Instant::now);
                if !told_idle && pace.idle_after.is_some_and(|idle_after| since.elapsed() >= idle_after) {
                    told_idle = true;
                    if sender.send(Ok(Message::Idle)).is_err() {
                        return Ok(());
                    }
                }
            }
            PartEvent::End => return Ok(()),
        }
    }
    Ok(())
}

impl Pace {
    fn arrival(&self, batch: Option<RecordBatch>, moved: Moved, bytes: u64, bad: Vec<BadRecord>) -> Result<Arrival> {
        let latest_ms = match (&self.time, &batch) {
            (Some(time), Some(batch)) => time.latest_ms(batch)?,
            _ => None,
        };
        Ok(Arrival { batch, latest_ms, moved, bytes, bad })
    }

    /// The event times of a batch, in a unit that is the same for all.
    fn times(&self, batch: &RecordBatch) -> Result<Vec<Option<i64>>> {
        let Some(time) = &self.time else { return Ok(vec![None; batch.num_rows()]) };
        let times = cast(&time.of(batch)?, &DataType::Int64)?;
        Ok(times.as_primitive::<Int64Type>().iter().collect())
    }
}
