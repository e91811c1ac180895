//! Checks every detector against River, and the test of Kolmogorov and Smirnov against SciPy: see `tests/reference/drift.py`, which
//! made the files.

use tidegate_options::resolve;

use super::*;

const VALUES: &str = include_str!("../../tests/reference/drift_values.csv");
const CHANGES: &str = include_str!("../../tests/reference/drift_changes.csv");
const KS: &str = include_str!("../../tests/reference/drift_ks.csv");

fn fields<const N: usize>(line: &'static str) -> [&'static str; N] {
    line.split(';').collect::<Vec<_>>().try_into().unwrap()
}

/// The stream that is not stored.
fn formula(i: u64) -> f64 {
    let z = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let per_mille = [100, 100, 100, 120, 300, 290, 50, 51][(i / 16_384 % 8) as usize];
    f64::from(u8::from(((z ^ (z >> 31)) >> 11) % 1000 < per_mille))
}

pub(super) fn stream(name: &str) -> Vec<f64> {
    if name == "formula" {
        return (0..300_000).map(formula).collect();
    }
    let rows = VALUES.lines().skip(1).map(fields::<2>).filter(|row| row[0] == name);
    rows.map(|row| row[1].parse().unwrap()).collect()
}

fn options(def: &DetectorDef, text: &str) -> Options {
    let given = text.split(' ').filter_map(|word| word.split_once('='));
    resolve(def.options, given).unwrap()
}

#[test]
fn equals_river_at_every_value() {
    let lines: Vec<[&str; 8]> = CHANGES.lines().skip(1).map(fields).collect();
    let (mut drifts, mut warnings) = (0, 0);
    for run in lines.chunk_by(|a, b| a[..3] == b[..3]) {
        let [name, text, values, ..] = run[0];
        let def = find(name).unwrap();
        let options = options(def, text);
        let mut detector = (def.make)(&options).unwrap();
        let mut window = (name == "adwin").then(|| Adwin::new(AdwinSettings::from_options(&options)));
        let mut expected = Change::None;
        let mut told = run.iter().peekable();
        for (i, value) in stream(values).into_iter().enumerate() {
            let said = detector.update(value);
            if let Some(window) = &mut window {
                assert_eq!(window.update(value), said);
            }
            if let Some([.., change, width, mean, variance]) = told.next_if(|line| line[3] == i.to_string()) {
                expected = match *change {
                    "drift" => Change::Drift,
                    "warning" => Change::Warning,
                    _ => Change::None,
                };
                if let Some(window) = &window {
                    let close = |found: f64, expected: &str| {
                        let expected: f64 = expected.parse().unwrap();
                        (found - expected).abs() <= 1e-9 * expected.abs().max(1e-3)
                    };
                    assert_eq!(window.width().to_string(), *width, "{name}({text}) on {values}, value {i}");
                    assert!(close(window.mean(), mean), "{name}({text}) on {values}, value {i}: {}", window.mean());
                    assert!(close(window.variance(), variance), "{name}({text}) on {values}, value {i}: {window:?}");
                }
            }
            assert_eq!(said, expected, "{name}({text}) on {values}, value {i}");
            drifts += usize::from(said == Change::Drift);
            warnings += usize::from(said == Change::Warning);
        }
        assert!(told.next().is_none());
    }
    assert!(drifts > 300 && warnings > 1000, "{drifts} drifts, {warnings} warnings");
    for def in DETECTORS.iter().filter(|def| def.name != "kswin") {
        let told = |change: &str| lines.iter().any(|line| line[0] == def.name && line[4] == change);
        assert!(told("drift"), "{} has no drift to compare", def.name);
    }
}

#[test]
fn equals_scipy_in_the_test_of_kolmogorov_and_smirnov() {
    for [name, first, second, size, statistic, p] in KS.lines().skip(1).map(fields) {
        let values = stream(name);
        let [first, second, size]: [usize; 3] = [first, second, size].map(|text| text.parse().unwrap());
        let part = |at: usize| {
            let mut part = values[at..at + size].to_vec();
            part.sort_unstable_by(f64::total_cmp);
            part
        };
        let steps = kswin::difference(&part(first), &part(second));
        let [statistic, p]: [f64; 2] = [statistic, p].map(|text| text.parse().unwrap());
        assert!((steps as f64 / size as f64 - statistic).abs() < 1e-12, "{name}, {first}, {second}, {size}: {steps}");
        let found = kswin::probability(size, steps);
        assert!((found - p).abs() <= 1e-9 * p, "{name}, {first}, {second}, {size}: {found}, not {p}");
    }
}

#[test]
fn defaults_are_declared_once() {
    let defaults = |name: &str| options(find(name).unwrap(), "");
    assert_eq!(AdwinSettings::from_options(&defaults("adwin")), AdwinSettings::default());
    assert_eq!(DdmSettings::from_options(&defaults("ddm")), DdmSettings::default());
    assert_eq!(EddmSettings::from_options(&defaults("eddm")), EddmSettings::default());
    assert_eq!(HddmASettings::from_options(&defaults("hddm_a")), HddmASettings::default());
    assert_eq!(HddmWSettings::from_options(&defaults("hddm_w")), HddmWSettings::default());
    assert_eq!(KswinSettings::from_options(&defaults("kswin")), KswinSettings::default());
    assert_eq!(PageHinkleySettings::from_options(&defaults("page_hinkley")), PageHinkleySettings::default());
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let said = |name: &str, text: &str| {
        let def = find(name).unwrap();
        (def.make)(&options(def, text)).unwrap_err().to_string()
    };
    assert_eq!(said("eddm", "alpha=0.8"), "option 'alpha' is 0.8, below 'beta', 0.9; expected at least that");
    assert_eq!(said("kswin", "stat_size=60"), "option 'window_size' is 100; expected at least twice 'stat_size', 120");
}
