//! Any bytes are a model or an error; none panics or takes memory that their length does not account for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_ml::Model;
use tidegate_ml::prequential::Prequential;
use tidegate_ml::snapshot::seal;

fuzz_target!(|bytes: &[u8]| {
    let _ = Model::load(bytes);
    // With a right envelope, so that the checksum does not keep everything out.
    let _ = Model::load(&seal("model", 1, bytes));
    let _ = Prequential::load(&seal("prequential", 1, bytes));
});
