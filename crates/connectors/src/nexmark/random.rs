//! Random numbers by place, and what is made of them.
//!
//! A value is a function of the seed, the field and the number of its event, so that reading can begin anywhere. The functions
//! use nothing but whole numbers of 64 bits: another program can make the same events.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::buffer::OffsetBuffer;

use crate::{Error, Result};

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// What is drawn for an event; each has random numbers of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    Name,
    Email,
    CreditCard,
    City,
    State,
    PersonExtra,
    ItemName,
    Description,
    InitialBid,
    Reserve,
    Expires,
    Seller,
    Category,
    AuctionExtra,
    Auction,
    Bidder,
    Price,
    Channel,
    BidExtra,
    Letters,
    Url,
}

/// The mixing function of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// The random numbers of a field: SplitMix64's sequence, entered at any place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draws(u64);

impl Draws {
    pub(super) fn new(seed: u64, field: Field) -> Self {
        Self(mix(seed.wrapping_add((field as u64 + 1).wrapping_mul(GAMMA))))
    }

    /// 64 random bits for an event.
    #[inline]
    pub(super) fn at(self, event: u64) -> u64 {
        mix(self.0.wrapping_add(event.wrapping_mul(GAMMA)))
    }
}

/// A number from 0 to below `count`, of the upper 32 bits; `count` counts for no more than 32 bits of itself.
#[inline]
pub(super) fn below(bits: u64, count: u64) -> u64 {
    ((bits >> 32) * count.min(u64::from(u32::MAX))) >> 32
}

/// The same of the lower 32 bits.
#[inline]
pub(super) fn below_low(bits: u64, count: u64) -> u64 {
    below(bits << 32, count)
}

/// Where a text may begin among the letters: 16 bits.
const STARTS: usize = 1 << 16;
/// The longest text.
pub(super) const TEXT_BYTES_MAX: usize = 2048;

/// Random letters, of which texts are cut.
#[derive(Debug)]
pub(super) struct Letters(Vec<u8>);

impl Letters {
    pub(super) fn new(seed: u64) -> Self {
        let draws = Draws::new(seed, Field::Letters);
        let letter = |place| b'a' + below(draws.at(place), 26) as u8;
        Self((0..(STARTS + TEXT_BYTES_MAX) as u64).map(letter).collect())
    }

    /// A text, which begins where the lower 16 bits say. `length` is at most [`TEXT_BYTES_MAX`].
    #[inline]
    pub(super) fn text(&self, bits: u64, length: usize) -> &[u8] {
        let from = bits as usize % STARTS;
        &self.0[from..from + length.min(TEXT_BYTES_MAX)]
    }
}

/// How long a text is of 3 to below `length_max` letters.
#[inline]
pub(super) fn text_length(bits: u64, length_max: u64) -> usize {
    3 + below(bits, length_max - 3) as usize
}

/// How long the text must be that brings an event from `bytes` to about `wanted`: what lacks, a fifth more or less.
#[inline]
pub(super) fn extra_length(bits: u64, bytes: usize, wanted: usize) -> usize {
    let lacks = wanted.saturating_sub(bytes);
    let spread = (2 * lacks + 5) / 10;
    lacks - spread + below(bits, 2 * spread as u64) as usize
}

/// Knots of the curve of prices, as a power of 2.
const KNOT_BITS: u32 = 12;

/// Prices from 1 to 1,000,000 dollars in cents, whose logarithms are spread evenly: the curve is straight between 4096 knots.
#[derive(Debug)]
pub(super) struct Prices(Vec<u64>);

impl Prices {
    pub(super) fn new() -> Self {
        let knots = 1u32 << KNOT_BITS;
        let knot = |i: u32| (100.0 * 10f64.powf(6.0 * f64::from(i) / f64::from(knots))).round() as u64;
        Self((0..=knots).map(knot).collect())
    }

    #[inline]
    pub(super) fn of(&self, bits: u64) -> u64 {
        let knot = (bits >> (64 - KNOT_BITS)) as usize;
        let (from, to) = (self.0[knot], self.0[knot + 1]);
        let between = (bits >> (32 - KNOT_BITS)) & u64::from(u32::MAX);
        from + (((to - from) * between) >> 32)
    }
}

/// A column of texts being written.
pub(super) struct TextColumn {
    ends: Vec<i32>,
    bytes: Vec<u8>,
}

impl TextColumn {
    pub(super) fn new(rows: usize, row_bytes: usize) -> Self {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Self { ends, bytes: Vec::with_capacity(rows * row_bytes) }
    }

    /// Adds to the text of the row.
    #[inline]
    pub(super) fn add(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
    }

    /// Ends the row.
    #[inline]
    pub(super) fn end(&mut self) {
        self.ends.push(self.bytes.len() as i32);
    }

    pub(super) fn finish(self) -> Result<ArrayRef> {
        let column = StringArray::try_new(OffsetBuffer::new(self.ends.into()), self.bytes.into(), None);
        Ok(Arc::new(column.map_err(Error::arrow("texts of nexmark"))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of SplitMix64 from the seed 0, as its authors' code prints them.
    #[test]
    fn the_sequence_is_that_of_splitmix64() {
        let first: Vec<u64> = (1..=3).map(|place| Draws(0).at(place)).collect();
        assert_eq!(first, [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F]);
    }

    #[test]
    fn numbers_below_reach_both_ends() {
        assert_eq!((below(0, 7), below(u64::MAX, 7), below_low(u64::MAX, 7), below_low(!0 << 32, 7)), (0, 6, 6, 0));
        assert_eq!(below(u64::MAX, u64::MAX), u64::from(u32::MAX) - 1);
    }

    #[test]
    fn prices_rise_from_a_dollar_to_a_million() {
        let prices = Prices::new();
        assert_eq!((prices.of(0), prices.of(u64::MAX)), (100, 99_999_999));
        // Half of them lie below the square root, 1000 dollars.
        assert_eq!(prices.of(1 << 63), 100_000);
    }
}
