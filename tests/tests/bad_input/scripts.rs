//! Scripts and files that are out of all proportion are refused or read within bounds; nothing overflows.

use std::io::Write;
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;
use tidegate_tests::{Outcome, Workplace};

#[test]
fn a_script_that_is_too_long_is_refused() {
    let line = "SET 'param.p' = 'a value that takes some room in the script';\n";
    let script = line.repeat((4 << 20) / line.len() + 1);
    Workplace::new().run(&script).failed(2).says(&["job.sql:1:1: the script has", "the most that is read is 4 MiB"]);
}

#[test]
fn a_script_of_many_statements_runs() {
    let script: String = (0..20_000).map(|i| format!("SET 'param.p{i}' = 'x';\n")).collect();
    Workplace::new().run(&(script + "SELECT ${p19999} AS p;")).succeeded();
}

#[test]
fn deep_nesting_is_refused_and_not_a_crash() {
    let place = Workplace::new();
    for depth in [1_000, 100_000] {
        let brackets = format!("SELECT {}1{};", "(".repeat(depth), ")".repeat(depth));
        place.run(&brackets).failed(2).says(&["job.sql:1:", "deep in one another", "help: split it"]);
    }
    place.run(&format!("SELECT 1 {};", "+ 1 ".repeat(100_000))).failed(2).says(&["more than 200 operators"]);
    let queries = format!("{}SELECT 1 AS a{};", "SELECT * FROM (".repeat(5_000), ") AS t".repeat(5_000));
    place.run(&queries).failed(2);
    place.run(&format!("SELECT {}1;", "NOT ".repeat(50_000))).failed(2);
    place.run(&format!("{}SELECT 1;", "EXPLAIN ".repeat(50_000))).failed(2);
}

#[test]
fn what_is_no_text_is_no_script() {
    let place = Workplace::new();
    place.write("job.sql", b"SELECT 1;\nSELECT '\xff\xfe';");
    place.tidegate(&["run", "job.sql"]).failed(2).says(&["job.sql is not UTF-8 text: line 2"]);
    place.run("SELECT 'open").failed(2).says(&["job.sql:1:8"]);
    place.run("SELECT 1 /* open").failed(2).says(&["job.sql:1:"]);
    place.run("CREAT TABLE t (a INT);").failed(2).says(&["job.sql:1:1", "did you mean 'CREATE'?"]);
}

/// Runs a script and looks at the most memory the process ever held, in MiB, as Linux tells it.
#[cfg(target_os = "linux")]
fn run_measured(place: &Workplace, script: &str) -> (Outcome, f64) {
    place.write("job.sql", script);
    let mut child = place.command(&["run", "job.sql"]).stdout(Stdio::piped()).spawn().expect("the binary starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0f64;
    // The peak only grows, so the last look before the end has it but for the last milliseconds.
    while child.try_wait().expect("its state").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let kib =
            text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        peak = peak.max(kib.unwrap_or(0.0) / 1024.0);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    (Outcome::of(child.wait_with_output().expect("its output")), peak)
}

/// A gigabyte of zeros is a megabyte when it is compressed. It is no CSV: the one line that it is has a limit.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_unpacks_to_a_gigabyte_is_read_in_little_memory() {
    let place = Workplace::new();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![0u8; 1 << 20];
    for _ in 0..1024 {
        packed.write_all(&zeros).expect("memory");
    }
    place.write("zeros.csv.gz", packed.finish().expect("memory"));
    let table = |path: &str, header: &str| {
        format!(
            "CREATE TABLE t (a INT, b STRING) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv'{header});
             SELECT COUNT(*) AS n FROM t;"
        )
    };
    for header in ["", ", 'csv.header' = 'false'"] {
        let (outcome, peak) = run_measured(&place, &table("zeros.csv.gz", header));
        let outcome = outcome.failed(3);
        assert!(outcome.stderr.contains("zeros.csv.gz"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("longer than"), "{}", outcome.stderr);
        assert!(peak > 1.0 && peak < 256.0, "{peak} MiB");
    }
    place.write("not.csv.gz", "this is no gzip");
    place.run(&table("not.csv.gz", "")).failed(3).says(&["not.csv.gz"]);
}
