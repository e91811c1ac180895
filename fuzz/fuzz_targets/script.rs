//! Any text is a script or an error with its place; none panics or hangs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_sql::{Parameters, parse_script};

fuzz_target!(|text: &str| {
    if let Err(error) = parse_script("fuzz.sql", text, &Parameters::default()) {
        let _ = error.to_string();
    }
});
