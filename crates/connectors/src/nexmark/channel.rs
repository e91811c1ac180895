//! The channels that bids come through, with their addresses.

use arrow::array::{ArrayRef, StringArray, UInt32Array};
use arrow::compute::take;

use super::random::{Draws, Field, Letters, below, below_low};
use crate::{Error, Result};

const HOT: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const OTHERS: u64 = 10_000;

/// All channels: the hot ones, then `channel-0` and those after it.
#[derive(Debug)]
pub(super) struct Channels {
    names: StringArray,
    urls: StringArray,
}

impl Channels {
    pub(super) fn new(seed: u64, letters: &Letters) -> Self {
        let draws = Draws::new(seed, Field::Url);
        let url = |channel: u64| {
            // Three words of five letters.
            let word = |i| String::from_utf8_lossy(letters.text(draws.at(3 * channel + i), 5));
            let url = format!("https://www.nexmark.com/{}/{}/{}/item.htm?query=1", word(0), word(1), word(2));
            match channel.checked_sub(HOT.len() as u64) {
                Some(channel) => format!("{url}&channel_id={channel}"),
                None => url,
            }
        };
        let names = HOT.iter().map(|name| name.to_string()).chain((0..OTHERS).map(|i| format!("channel-{i}")));
        Self {
            names: StringArray::from_iter_values(names),
            urls: StringArray::from_iter_values((0..HOT.len() as u64 + OTHERS).map(url)),
        }
    }

    pub(super) fn names(&self, draws: Draws, events: &[u64]) -> Result<ArrayRef> {
        chosen(&self.names, draws, events)
    }

    pub(super) fn urls(&self, draws: Draws, events: &[u64]) -> Result<ArrayRef> {
        chosen(&self.urls, draws, events)
    }
}

/// Half of the bids come through a hot channel.
fn chosen(texts: &StringArray, draws: Draws, events: &[u64]) -> Result<ArrayRef> {
    let channel = |event: &u64| {
        let bits = draws.at(*event);
        let (hot, other) = (below(bits, HOT.len() as u64), HOT.len() as u64 + below(bits, OTHERS));
        (if below_low(bits, 2) > 0 { hot } else { other }) as u32
    };
    let channels: UInt32Array = events.iter().map(channel).collect::<Vec<_>>().into();
    take(texts, &channels, None).map_err(Error::arrow("channels of nexmark"))
}
