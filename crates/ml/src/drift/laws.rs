//! What holds for every detector.

use proptest::prelude::*;
use tidegate_options::resolve;

use super::golden::stream;
use super::*;

fn make(def: &DetectorDef) -> Box<dyn Detector> {
    (def.make)(&resolve(def.options, []).unwrap()).unwrap()
}

fn feed(detector: &mut dyn Detector, values: impl Iterator<Item = f64>) {
    for value in values {
        detector.update(value);
    }
}

/// Values with several changes, most of them 0 or 1.
fn values() -> Vec<f64> {
    ["sudden", "normal", "slow"].into_iter().flat_map(stream).collect()
}

#[test]
fn a_loaded_state_goes_on_bit_for_bit() {
    for def in DETECTORS {
        let (mut kept, mut moved) = (make(def), make(def));
        let mut drifts = 0;
        for (i, value) in values().into_iter().enumerate() {
            let said = kept.update(value);
            drifts += usize::from(said == Change::Drift);
            assert_eq!(moved.update(value), said, "{}, value {i}", def.name);
            if i % 7 == 0 || said == Change::Drift {
                let state = kept.save();
                moved = make(def);
                moved.load(&state).unwrap();
                assert_eq!(moved.save(), state, "{}, value {i}", def.name);
            }
        }
        assert!(drifts > 1, "{}: {drifts} drifts", def.name);
    }
}

#[test]
fn states_compare_and_clone() {
    let (mut window, mut test) = (Adwin::new(AdwinSettings::default()), Kswin::new(KswinSettings::default()));
    for (i, value) in values().into_iter().enumerate() {
        window.update(value);
        test.update(value);
        if i % 11 == 0 {
            assert_eq!(decode::<Adwin>(&encode(&window)).unwrap(), window);
            assert_eq!(decode::<Kswin>(&encode(&test)).unwrap(), test);
            let mut other = window.clone();
            assert_eq!(other, window);
            other.update(0.5);
            assert_ne!(other, window);
        }
    }
}

#[test]
fn after_a_drift_all_is_forgotten() {
    for def in DETECTORS {
        let mut detector = make(def);
        let mut anew: Option<Box<dyn Detector>> = None;
        for (i, value) in values().into_iter().enumerate() {
            let said = detector.update(value);
            if let Some(anew) = &mut anew {
                assert_eq!(anew.update(value), said, "{}, value {i}", def.name);
                assert_eq!(anew.save(), detector.save(), "{}, value {i}", def.name);
            }
            if said == Change::Drift {
                anew = Some(make(def));
            }
        }
        assert!(anew.is_some());
        detector.reset();
        assert_eq!(detector.save(), make(def).save(), "{}", def.name);
    }
}

#[test]
fn what_is_not_finite_is_no_value() {
    for def in DETECTORS {
        let (mut plain, mut holed) = (make(def), make(def));
        for (i, value) in values().into_iter().enumerate() {
            for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                assert_eq!(holed.update(odd), Change::None);
            }
            assert_eq!(holed.update(value), plain.update(value), "{}, value {i}", def.name);
            assert_eq!(holed.save(), plain.save(), "{}, value {i}", def.name);
        }
    }
}

#[test]
fn the_largest_values_leave_a_state_that_loads() {
    for def in DETECTORS {
        for odd in [f64::MAX, -f64::MAX, f64::MIN_POSITIVE] {
            let mut detector = make(def);
            for (i, value) in values().into_iter().enumerate() {
                detector.update(if i % 3 == 0 { odd } else { value });
                if i % 50 == 0 {
                    make(def).load(&detector.save()).unwrap();
                }
            }
        }
    }
}

#[test]
fn states_of_others_are_refused() {
    for def in DETECTORS {
        for other in DETECTORS.iter().filter(|other| other.name != def.name) {
            let said = make(def).load(&make(other).save()).unwrap_err().to_string();
            assert!(said.contains(other.name) || said.contains("corrupt"), "{said}");
        }
        for (name, value) in [("delta", "0.1"), ("warm_start", "7"), ("drift_confidence", "0.1"), ("alpha", "0.9")] {
            if let Ok(options) = resolve(def.options, [(name, value)]) {
                let mut changed = (def.make)(&options).unwrap();
                let said = changed.load(&make(def).save()).unwrap_err().to_string();
                assert!(said.contains("other options"), "{said}");
                let before = changed.save();
                assert!(changed.load(&[1, 2, 3]).is_err());
                assert_eq!(changed.save(), before);
            }
        }
    }
}

proptest! {
    #[test]
    fn corrupt_states_never_panic(
        which in 0..DETECTORS.len(),
        values in prop::collection::vec(prop_oneof![Just(0.0), Just(1.0), any::<f64>()], 0..400),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let def = DETECTORS[which];
        let mut detector = make(def);
        feed(&mut *detector, values.into_iter());
        let mut state = detector.save();
        prop_assert!(make(def).load(&state[..cut.index(state.len())]).is_err());
        for (at, byte) in flips {
            let at = at.index(state.len());
            state[at] = byte;
        }
        let mut loaded = make(def);
        if loaded.load(&state).is_ok() {
            feed(&mut *loaded, (0..400).map(|i| f64::from(i / 100) - f64::from(i % 3)));
            loaded.save();
        }
        prop_assert!(loaded.state_bytes() < 100_000);
    }

    #[test]
    fn corrupt_parts_of_a_larger_state_never_panic(
        values in prop::collection::vec(prop_oneof![Just(0.0), Just(1.0), any::<f64>()], 0..400),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let corrupt = |mut state: Vec<u8>| {
            flips.iter().for_each(|(at, byte)| {
                let at = at.index(state.len());
                state[at] = *byte;
            });
            state
        };
        let (mut window, mut test) = (Adwin::new(AdwinSettings::default()), Kswin::new(KswinSettings::default()));
        feed(&mut window, values.iter().copied());
        feed(&mut test, values.iter().copied());
        let more = || (0..400).map(|i| f64::from(i / 100) - f64::from(i % 3));
        if let Ok(mut window) = decode::<Adwin>(&corrupt(encode(&window))) {
            feed(&mut window, more());
            prop_assert!(window.state_bytes() < 100_000);
        }
        if let Ok(mut test) = decode::<Kswin>(&corrupt(encode(&test))) {
            feed(&mut test, more());
            prop_assert!(test.state_bytes() < 100_000);
        }
    }
}
