//! The events of Nexmark: an auction house, where persons open auctions and bid.
//!
//! A benchmark for streams, by Tucker, Tufte, Papadimos and Maier (2008), as Apache Beam and nexmark-flink know it: of 50 events one
//! is a new person, three are new auctions and 46 are bids; bids go mostly to hot auctions, from hot bidders; auctions are open for
//! some time. Columns, ratios and sizes are theirs; the random numbers are not, and the letters of a text are cut from one long random
//! text.
//!
//! Every value is a function of the seed and the number of its event, so that reading can begin at any event, and a table of one
//! kind of events makes only these.

mod auction;
mod bid;
mod channel;
mod events;
mod layout;
mod person;
mod random;
mod reader;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{SchemaRef, TimeUnit};
use tidegate_options::{Kind, OptionDef, resolve};

use self::channel::Channels;
use self::events::{EventKind, Rules};
use self::layout::Layout;
use self::random::{Letters, Prices};
use self::reader::NexmarkScan;
use crate::filesystem::Hash;
use crate::format::time::parse_timestamp;
use crate::{CONNECTOR_OPTION, ConnectorDef, Error, Result, Scan, ScanRequest, Sink, SinkRequest, Table, TableSpec};

/// How many events of a kind an epoch may have, so that the events of a batch can be counted.
const PROPORTION: Kind = Kind::Int { min: 1, max: 1_000_000 };
const RATIO: Kind = Kind::Int { min: 1, max: 1_000_000 };
/// The greatest size of an event, from which a text may differ by a fifth.
const EVENT_BYTES_MAX: u64 = (random::TEXT_BYTES_MAX / 2) as u64;

const OPTIONS: &[OptionDef] = &[
    OptionDef::new(
        "table",
        Kind::Choice(&["events", "person", "auction", "bid"]),
        "events",
        "Which events are rows: those of one kind, with its columns; or all, with the columns event_type INT (0, 1, 2), person, \
         auction and bid, each a ROW of the columns of that kind, and dateTime TIMESTAMP(3).",
    ),
    OptionDef::optional(
        "events.num",
        Kind::Int { min: 0, max: i64::MAX },
        "How many events there are, of all kinds; without it, or with 0, there is no end.",
    ),
    OptionDef::new("seed", Kind::Int { min: 0, max: i64::MAX }, "0", "The same seed gives the same events."),
    OptionDef::new("base-time", Kind::Text, "2015-07-15 00:00:00", "When the first event happens."),
    OptionDef::new(
        "first-event.rate",
        Kind::Int { min: 1, max: 1_000_000_000 },
        "10000",
        "How many events happen in a second of event time.",
    ),
    OptionDef::new("rate.limited", Kind::Bool, "false", "Whether events come no faster than they happen."),
    OptionDef::new("person.proportion", PROPORTION, "1", "How many events of an epoch are new persons."),
    OptionDef::new("auction.proportion", PROPORTION, "3", "How many events of an epoch are new auctions."),
    OptionDef::new("bid.proportion", PROPORTION, "46", "How many events of an epoch are bids."),
    OptionDef::new("bid.hot-ratio.auctions", RATIO, "2", "One of so many bids is not on a hot auction."),
    OptionDef::new("bid.hot-ratio.bidders", RATIO, "4", "One of so many bids is not by a hot bidder."),
    OptionDef::new("auction.hot-ratio.sellers", RATIO, "4", "One of so many auctions is not by a hot seller."),
    OptionDef::new(
        "person.avg-size",
        Kind::Bytes,
        "200 b",
        "About how large a person is; the column extra fills it up.",
    ),
    OptionDef::new("auction.avg-size", Kind::Bytes, "500 b", "About how large an auction is."),
    OptionDef::new("bid.avg-size", Kind::Bytes, "100 b", "About how large a bid is."),
];

/// The events of Nexmark.
pub(crate) static NEXMARK: ConnectorDef = ConnectorDef {
    name: "nexmark",
    doc: "Makes up the events of the Nexmark benchmark: persons, auctions and bids.",
    source_options: &[CONNECTOR_OPTION, OPTIONS],
    sink_options: &[],
    make: |spec| Ok(Arc::new(Nexmark(Arc::new(Source::new(spec)?)))),
};

/// What a table makes.
struct Source {
    table: String,
    schema: SchemaRef,
    layout: Layout,
    rules: Rules,
    /// How many rows there are, if there is an end.
    rows: Option<u64>,
    /// How many rows may come in a second, if that is limited.
    rows_per_second: Option<u64>,
    /// A hash of all settings that the rows depend on.
    settings: u64,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("table", &self.table).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Source {
    fn new(spec: &TableSpec) -> Result<Self> {
        let given = spec.options.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let options = resolve(&[CONNECTOR_OPTION, OPTIONS], given)
            .map_err(|source| Error::Option { table: spec.name.clone(), source })?;
        let number = |name: &str| options.int(name).unsigned_abs();
        let kind = match options.text("table") {
            "person" => Some(EventKind::Person),
            "auction" => Some(EventKind::Auction),
            "bid" => Some(EventKind::Bid),
            _ => None,
        };
        let base_time = options.text("base-time");
        let Some(base_ms) = parse_timestamp(base_time.trim().as_bytes(), TimeUnit::Millisecond) else {
            let message = format!("option 'base-time': '{base_time}' is not a timestamp such as '2015-07-15 00:00:00'");
            return Err(Error::declaration(&spec.name, Some("base-time"), message));
        };
        let mut event_bytes = [0; 3];
        for (bytes, name) in event_bytes.iter_mut().zip(["person.avg-size", "auction.avg-size", "bid.avg-size"]) {
            let given = options.bytes(name).unwrap_or_default();
            if given > EVENT_BYTES_MAX {
                let message = format!("option '{name}': an event has at most {EVENT_BYTES_MAX} bytes");
                return Err(Error::declaration(&spec.name, Some(name), message));
            }
            *bytes = given as usize;
        }
        let seed = number("seed");
        let letters = Letters::new(seed);
        let rules = Rules {
            seed,
            proportions: ["person.proportion", "auction.proportion", "bid.proportion"].map(number),
            auctions_hot_ratio: number("bid.hot-ratio.auctions"),
            bidders_hot_ratio: number("bid.hot-ratio.bidders"),
            sellers_hot_ratio: number("auction.hot-ratio.sellers"),
            event_bytes,
            events_per_second: number("first-event.rate"),
            base_ms,
            prices: Prices::new(),
            channels: Channels::new(seed, &letters),
            letters,
        };
        let rows_of = |events| kind.map_or(events, |kind| rules.rows_before(kind, events));
        let limited = options.bool("rate.limited").then(|| rows_of(rules.events_per_second).max(1));
        let rows = options.int_opt("events.num").filter(|events| *events > 0).map(|events| rows_of(events as u64));
        let mut settings = Hash::default();
        let Rules { proportions, auctions_hot_ratio, bidders_hot_ratio, sellers_hot_ratio, .. } = &rules;
        let ratios = [auctions_hot_ratio, bidders_hot_ratio, sellers_hot_ratio];
        let (rate, table) = (rules.events_per_second, options.text("table"));
        settings.add(format!("{table} {seed} {base_ms} {rate} {proportions:?} {ratios:?} {event_bytes:?}").as_bytes());
        Ok(Self {
            table: spec.name.clone(),
            layout: Layout::new(&spec.name, kind, &spec.schema)?,
            schema: Arc::clone(&spec.schema),
            rules,
            rows,
            rows_per_second: limited,
            settings: settings.0,
        })
    }
}

/// A table of events.
#[derive(Debug)]
struct Nexmark(Arc<Source>);

impl Table for Nexmark {
    fn is_bounded(&self) -> bool {
        self.0.rows.is_some()
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan>> {
        Ok(Box::new(NexmarkScan::new(Arc::clone(&self.0), request)?))
    }

    fn sink(&self, _request: &SinkRequest) -> Result<Box<dyn Sink>> {
        let what = "can only be read".to_string();
        Err(Error::Unsupported { table: self.0.table.clone(), connector: "nexmark", what })
    }
}
