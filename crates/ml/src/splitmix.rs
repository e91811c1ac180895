//! SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators"): numbers that look drawn at random and depend
//! on what they are for alone.

/// What its sequence goes on by.
pub(crate) const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Its finalizer: another number for each number, whose bits all depend on all.
#[inline]
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
