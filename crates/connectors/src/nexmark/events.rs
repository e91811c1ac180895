//! Which events there are, and what they are about.
//!
//! ```text
//!  event    0        1        2        3        4       5    …    49       50       51   …
//!  kind     person   auction  auction  auction  bid     bid  …    bid      person   auction
//!  epoch    0        0        0        0        0       0    …    0        1        1
//! ```

use arrow::array::{ArrayRef, Int64Array, TimestampMillisecondArray};
use arrow::datatypes::{DataType, TimeUnit};
use std::sync::Arc;

use super::channel::Channels;
use super::random::{Draws, Field, Letters, Prices, below, below_low};
use crate::Result;

/// Numbers of persons and of auctions begin here.
pub(super) const FIRST_ID: u64 = 1000;
/// A person or an auction may be spoken of before it is there, by so many.
const LEAD: u64 = 10;
/// Persons that bid and sell: so many of the latest.
const ACTIVE_PERSONS: u64 = 1000;
/// Auctions that are open at once.
const OPEN_AUCTIONS: u64 = 100;
/// Of so many persons or auctions after each other one is hot.
const HOT_OF: u64 = 100;

/// A kind of event; the value is its `event_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventKind {
    Person = 0,
    Auction = 1,
    Bid = 2,
}

pub(super) const KINDS: [EventKind; 3] = [EventKind::Person, EventKind::Auction, EventKind::Bid];

/// A column of the events of one kind.
pub(super) struct ColumnDef {
    pub(super) name: &'static str,
    pub(super) data_type: DataType,
    pub(super) make: fn(&Rules, &Rows) -> Result<ArrayRef>,
}

/// TIMESTAMP(3).
pub(super) const TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

/// What the options say, and what is made of the seed beforehand.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) seed: u64,
    /// How many events of each kind an epoch has.
    pub(super) proportions: [u64; 3],
    /// One of so many bids is on any auction, the others on a hot one; likewise bidders and sellers.
    pub(super) auctions_hot_ratio: u64,
    pub(super) bidders_hot_ratio: u64,
    pub(super) sellers_hot_ratio: u64,
    /// About how large an event of each kind is, in bytes.
    pub(super) event_bytes: [usize; 3],
    pub(super) events_per_second: u64,
    pub(super) base_ms: i64,
    pub(super) letters: Letters,
    pub(super) prices: Prices,
    pub(super) channels: Channels,
}

/// Some events of one kind, one after the other.
pub(super) struct Rows {
    /// How many of the kind come before.
    pub(super) first: u64,
    /// The numbers of the events, among those of all kinds.
    pub(super) events: Vec<u64>,
    /// The epoch of each.
    pub(super) epochs: Vec<u64>,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }
}

impl Rules {
    fn epoch_events(&self) -> u64 {
        self.proportions.iter().sum()
    }

    /// Where in an epoch the events of a kind begin, and how many there are.
    fn place(&self, kind: EventKind) -> (u64, u64) {
        let [persons, auctions, bids] = self.proportions;
        match kind {
            EventKind::Person => (0, persons),
            EventKind::Auction => (persons, auctions),
            EventKind::Bid => (persons + auctions, bids),
        }
    }

    /// How many events of a kind there are before an event.
    pub(super) fn rows_before(&self, kind: EventKind, event: u64) -> u64 {
        let (begin, count) = self.place(kind);
        let (epoch, within) = (event / self.epoch_events(), event % self.epoch_events());
        epoch * count + within.saturating_sub(begin).min(count)
    }

    /// Some events of a kind.
    pub(super) fn rows(&self, kind: EventKind, first: u64, count: usize) -> Rows {
        let (begin, per_epoch) = self.place(kind);
        let (mut epoch, mut within) = (first / per_epoch, first % per_epoch);
        let (mut events, mut epochs) = (Vec::with_capacity(count), Vec::with_capacity(count));
        while events.len() < count {
            let here = (per_epoch - within).min((count - events.len()) as u64);
            let event = epoch * self.epoch_events() + begin + within;
            events.extend(event..event + here);
            epochs.resize(events.len(), epoch);
            (epoch, within) = (epoch + 1, 0);
        }
        Rows { first, events, epochs }
    }

    /// The kind of an event.
    pub(super) fn kind(&self, event: u64) -> EventKind {
        let [persons, auctions, _] = self.proportions;
        match event % self.epoch_events() {
            within if within < persons => EventKind::Person,
            within if within < persons + auctions => EventKind::Auction,
            _ => EventKind::Bid,
        }
    }

    pub(super) fn draws(&self, field: Field) -> Draws {
        Draws::new(self.seed, field)
    }

    /// When events happen, in milliseconds since 1970: they are spread evenly. The events ascend.
    pub(super) fn times_ms(&self, events: impl Iterator<Item = u64> + Clone) -> Vec<i64> {
        let first = events.clone().next().unwrap_or_default();
        // Exact for the first; the others are a small number of events away.
        let thousandths = u128::from(first) * 1000;
        let rate = u128::from(self.events_per_second);
        let (whole, rest) = (thousandths / rate, (thousandths % rate) as u64);
        let start = self.base_ms.saturating_add(i64::try_from(whole).unwrap_or(i64::MAX));
        events
            .map(|event| {
                let after = ((event - first).saturating_mul(1000).saturating_add(rest)) / self.events_per_second;
                start.saturating_add_unsigned(after)
            })
            .collect()
    }

    /// The column of when events happen.
    pub(super) fn times(&self, rows: &Rows) -> ArrayRef {
        times(self.times_ms(rows.events.iter().copied()))
    }

    /// How many events pass until all auctions that are open are others.
    pub(super) fn open_events(&self) -> u64 {
        OPEN_AUCTIONS * self.epoch_events() / self.proportions[EventKind::Auction as usize]
    }

    /// Whom bids or auctions are by: mostly a hot person, else any of the active ones. `hot` is the place of the hot one.
    pub(super) fn persons(&self, rows: &Rows, field: Field, ratio: u64, hot: u64) -> ArrayRef {
        let draws = self.draws(field);
        let per_epoch = self.proportions[EventKind::Person as usize];
        ids(rows.events.iter().zip(&rows.epochs).map(|(event, epoch)| {
            let bits = draws.at(*event);
            let persons = (epoch + 1) * per_epoch;
            let active = persons.min(ACTIVE_PERSONS);
            let any = persons - active + below(bits, active + LEAD);
            let hot = (persons - 1) / HOT_OF * HOT_OF + hot;
            if below_low(bits, ratio) > 0 { hot } else { any }
        }))
    }

    /// Which auctions bids are on: mostly a hot one, else any that may be open.
    pub(super) fn auctions(&self, rows: &Rows) -> ArrayRef {
        let draws = self.draws(Field::Auction);
        let per_epoch = self.proportions[EventKind::Auction as usize];
        let ratio = self.auctions_hot_ratio;
        ids(rows.events.iter().zip(&rows.epochs).map(|(event, epoch)| {
            let bits = draws.at(*event);
            let last = (epoch + 1) * per_epoch - 1;
            let earliest = last.saturating_sub(OPEN_AUCTIONS);
            let any = earliest + below(bits, last - earliest + 1 + LEAD);
            let hot = last / HOT_OF * HOT_OF;
            if below_low(bits, ratio) > 0 { hot } else { any }
        }))
    }

    /// Prices in cents.
    pub(super) fn prices(&self, rows: &Rows, field: Field) -> Vec<i64> {
        let draws = self.draws(field);
        rows.events.iter().map(|event| self.prices.of(draws.at(*event)) as i64).collect()
    }
}

/// Numbers of persons or auctions, counted from 0, as a column.
pub(super) fn ids(from_zero: impl Iterator<Item = u64>) -> ArrayRef {
    longs(from_zero.map(|id| (id + FIRST_ID) as i64).collect())
}

pub(super) fn longs(values: Vec<i64>) -> ArrayRef {
    Arc::new(Int64Array::new(values.into(), None))
}

pub(super) fn times(values: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::new(values.into(), None))
}
