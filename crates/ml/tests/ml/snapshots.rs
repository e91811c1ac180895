//! Saved models come back exactly, and corrupt ones are refused without panic.

use proptest::prelude::*;
use serde::Serialize;
use tidegate_ml::Model;
use tidegate_ml::prequential::Prequential;
use tidegate_ml::snapshot::{encode, open, seal};

use crate::declared::binary;
use crate::declared::everything::{INPUTS, TRANSFORMS, rows};

fn taught() -> Model {
    let mut model = binary(&INPUTS, &TRANSFORMS, &[]);
    model.learn(&rows(0, 700, 13)).unwrap();
    model
}

fn waiting() -> Prequential {
    let mut prequential = Prequential::new(binary(&INPUTS, &TRANSFORMS, &[]));
    let times: Vec<i64> = (0..700).collect();
    let known = times.iter().map(|time| Some(time + 100)).collect();
    prequential.process(&rows(0, 700, 13), &times, Some(&known), 0).unwrap();
    prequential
}

#[test]
fn a_saved_model_is_the_model() {
    let mut model = taught();
    let bytes = model.save();
    let mut loaded = Model::load(&bytes).unwrap();
    assert!(loaded.save() == bytes);
    assert_eq!(loaded.spec(), model.spec());
    assert_eq!(loaded.describe().weights, model.describe().weights);
    let next = rows(700, 300, 13);
    assert_eq!(loaded.predict(&next).unwrap(), model.predict(&next).unwrap());
    assert_eq!(loaded.learn_predict(&next).unwrap(), model.learn_predict(&next).unwrap());
    assert!(loaded.save() == model.save());
}

#[test]
fn cut_or_flipped_bytes_are_refused() {
    for (bytes, what) in [(taught().save(), "model"), (waiting().save(), "prequential")] {
        let load = |bytes: &[u8]| match what {
            "model" => Model::load(bytes).map(drop),
            _ => Prequential::load(bytes).map(drop),
        };
        load(&bytes).unwrap();
        for end in (0..bytes.len()).step_by(1 + bytes.len() / 300) {
            assert!(load(&bytes[..end]).is_err());
        }
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 300) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            assert!(load(&flipped).is_err(), "{what}: byte {at}");
        }
    }
    let other = Prequential::load(&taught().save()).unwrap_err().to_string();
    assert_eq!(other, "a snapshot of 'model', where one of 'prequential' was expected");
}

/// Like a corrupt snapshot whose checksum is right: a bit of the payload is flipped, then it is sealed.
#[test]
fn a_right_checksum_over_wrong_content_does_not_panic() {
    for (bytes, kind) in [(taught().save(), "model"), (waiting().save(), "prequential")] {
        let payload = open(kind, 1, &bytes).unwrap().to_vec();
        let step = 1 + payload.len() / 1500;
        for at in (0..payload.len()).step_by(step) {
            for bit in [0, 3, 7] {
                let mut flipped = payload.clone();
                flipped[at] ^= 1 << bit;
                try_it(kind, &seal(kind, 1, &flipped));
            }
            try_it(kind, &seal(kind, 1, &payload[..at]));
        }
    }
}

/// Loads, and uses what loads: learning and predicting must not panic either.
fn try_it(kind: &str, bytes: &[u8]) {
    let batch = rows(0, 20, 13);
    if kind == "model" {
        if let Ok(mut model) = Model::load(bytes) {
            let _ = model.predict(&batch);
            let _ = model.learn_predict(&batch);
            let _ = model.describe();
            let _ = model.save();
        }
    } else if let Ok(mut prequential) = Prequential::load(bytes) {
        let times: Vec<i64> = (10_000..10_020).collect();
        let _ = prequential.process(&batch, &times, None, 0);
        let _ = prequential.finish();
        let _ = prequential.save();
    }
}

#[test]
fn huge_lengths_ask_for_no_memory() {
    #[derive(Serialize)]
    struct Claim {
        name: String,
        task: u8,
        inputs: u64,
    }
    // Claims u64::MAX / 2 input columns, and follows with little.
    let mut payload = encode(&Claim { name: "m".to_string(), task: 0, inputs: u64::MAX / 2 });
    payload.extend([0; 64]);
    assert!(Model::load(&seal("model", 1, &payload)).is_err());
    // The same at every place of a real payload: a varint of ten bytes that claims as much.
    let bytes = taught().save();
    let payload = open("model", 1, &bytes).unwrap();
    for at in (0..payload.len()).step_by(1 + payload.len() / 500) {
        let mut claimed = payload[..at].to_vec();
        claimed.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
        claimed.extend(&payload[at..]);
        try_it("model", &seal("model", 1, &claimed));
    }
}

proptest! {
    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Model::load(&bytes).is_err());
        let _ = Model::load(&seal("model", 1, &bytes));
        let _ = Prequential::load(&seal("prequential", 1, &bytes));
    }
}
