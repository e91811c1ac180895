//! How long a value takes in a drift detector: prints nanoseconds a value, of streams of 0 and 1 and of numbers, without changes and
//! with one every 10,000 values.
//!
//! ```text
//! cargo run --release -p tidegate-ml --example adwin [values]
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use tidegate_ml::drift::{Adwin, AdwinSettings, Change, DETECTORS, Detector};

/// A sequence that looks random, in 0 to 1.
fn noise(i: usize) -> f64 {
    let mut z = (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// Nanoseconds that this process has run on a processor, where Linux tells; else nanoseconds by the clock. Other work on the
/// machine does not count.
fn busy_ns(since: Instant) -> f64 {
    let told = std::fs::read_to_string("/proc/self/schedstat").ok();
    let ns = told.as_deref().and_then(|line| line.split_whitespace().next()?.parse().ok());
    ns.unwrap_or_else(|| since.elapsed().as_nanos() as f64)
}

/// Runs a new detector over the values five times; prints the fastest, and how many drifts there were.
fn measure<D: Detector + ?Sized>(
    name: &str,
    values: &[f64],
    mut make: impl FnMut() -> Result<Box<D>, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let (mut best, mut drifts, mut bytes) = (f64::INFINITY, 0, 0);
    for _ in 0..5 {
        let mut detector = make()?;
        let clock = Instant::now();
        let start = busy_ns(clock);
        drifts = values.iter().filter(|value| black_box(detector.update(**value)) == Change::Drift).count();
        best = best.min(busy_ns(clock) - start);
        bytes = detector.state_bytes();
    }
    println!("{name:<58} {:>7.1} ns/value {drifts:>6} drifts {bytes:>6} bytes", best / values.len() as f64);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let values: usize = std::env::args().nth(1).map(|values| values.parse()).transpose()?.unwrap_or(2_000_000);
    let bits = |rate: &dyn Fn(usize) -> f64| -> Vec<f64> {
        (0..values).map(|i| f64::from(u8::from(noise(i) < rate(i)))).collect()
    };
    let streams = [
        ("0 and 1, stationary", bits(&|_| 0.2)),
        ("0 and 1, a change every 10,000", bits(&|i| if i / 10_000 % 2 == 0 { 0.1 } else { 0.3 })),
        ("0 and 1, drifting slowly", bits(&|i| 0.5 - (i % 200_000).abs_diff(100_000) as f64 / 250_000.0)),
        ("numbers, stationary", (0..values).map(noise).collect()),
        ("numbers, a change every 10,000", (0..values).map(|i| noise(i) + (i / 10_000 % 2) as f64 * 0.2).collect()),
    ];
    for (name, stream) in &streams {
        let settings = AdwinSettings::default();
        measure(&format!("adwin: {name}"), stream, || Ok(Box::new(Adwin::new(settings))))?;
        let settings = AdwinSettings { restart: false, ..settings };
        measure(&format!("adwin without restart: {name}"), stream, || Ok(Box::new(Adwin::new(settings))))?;
    }
    for def in DETECTORS {
        let options = tidegate_options::resolve(def.options, [])?;
        measure(&format!("{} by name: {}", def.name, streams[1].0), &streams[1].1, || Ok((def.make)(&options)?))?;
    }
    Ok(())
}
