//! Scripts that `tidegate run` runs here and `tidegate submit` on a cluster of Flink: the same rows, and models equal to the bit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tidegate_tests::data::{complete_journey, elec};
use tidegate_tests::flink_cluster::FlinkCluster;
use tidegate_tests::{Outcome, Workplace};

const ROWS: usize = 3_000;
const SEED: u64 = 41;

/// How far numbers may be apart, relative to the larger one: sums are added up in another order there.
const APART_MAX: f64 = 1e-9;

/// Rows in the order of their times, but for neighbours that change places; and as good as random.
fn events() -> String {
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let mut text = "id,ts,known_at,x,n,ok,color,price,bought,kind,stars,amount,weight,flag\n".to_string();
    for id in 0..ROWS as i64 {
        // Every half second or so, and up to three seconds out of order.
        let at = id * 500 - random.random_range(0..3_000) + 10_000;
        let known = at + random.random_range(0..120_000);
        let time = |ms: i64| format!("2024-01-01 00:{:02}:{:02}.{:03}", ms / 60_000, ms / 1_000 % 60, ms % 1_000);
        let x: f64 = random.random_range(-2.0..2.0);
        let n = random.random_range(-50..50);
        let ok = random.random_bool(0.4);
        let color = ["red", "blue", "grün", ""][random.random_range(0..4)];
        let price = format!("{}.{:02}", random.random_range(0..100), random.random_range(0..100));
        let score = x + f64::from(n) / 50.0 + f64::from(u8::from(ok)) + random.random_range(-0.5..0.5);
        let (bought, kind) = (score > 0.5, ["low", "middle", "high"][(score.clamp(-1.0, 1.9) + 1.0) as usize]);
        let stars = (score.clamp(-2.0, 2.0) + 3.0) as i64;
        let weight = random.random_range(0..4);
        let x = if id % 50 == 7 { String::new() } else { x.to_string() };
        let (at, known, flag) = (time(at), time(known), u8::from(bought));
        writeln!(
            text,
            "{id},{at},{known},{x},{n},{ok},{color},{price},{bought},{kind},{stars},{score},{weight},{flag}"
        )
        .expect("a string takes it");
    }
    text
}

/// The scripts of `parity.sql`, by name.
fn scripts() -> Vec<(String, String)> {
    let text = include_str!("../flink/parity.sql");
    let (beginning, rest) = text.split_once("\n=== ").expect("a first script");
    let script = |part: &str| {
        let (name, script) = part.split_once('\n').expect("a name, and a script");
        (name.to_string(), format!("{beginning}\n{script}"))
    };
    rest.split("\n=== ").map(script).collect()
}

/// The rows of every file of a folder, sorted: Flink says nothing of the order of rows that several tasks write.
fn rows(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeMap::new() };
    let mut files = BTreeMap::new();
    for entry in entries {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        // What is packed is read by a script of its own, which writes text.
        if name.starts_with('.') || name.ends_with(".parquet") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a text");
        let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
        lines.sort();
        files.insert(name, lines);
    }
    files
}

/// Whether two lines say the same, numbers being equal but for their last digits.
fn same(one: &str, other: &str) -> bool {
    let fields = |line: &str| line.split(',').map(str::to_string).collect::<Vec<_>>();
    let (one, other) = (fields(one), fields(other));
    let number =
        |text: &str| text.trim_start_matches(|c: char| c != ':').trim_matches([':', '}', '"']).parse::<f64>().ok();
    let same = |a: &String, b: &String| {
        let (a_number, b_number) = (a.parse().ok().or_else(|| number(a)), b.parse().ok().or_else(|| number(b)));
        a == b
            || matches!((a_number, b_number), (Some(a), Some(b)) if (a - b).abs() <= APART_MAX * a.abs().max(b.abs()).max(1.0))
    };
    one.len() == other.len() && one.iter().zip(&other).all(|(a, b)| same(a, b))
}

/// The models of a registry: the hashes of their bytes.
fn models(registry: &Path) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(registry.join("artifacts")) else { return BTreeSet::new() };
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// What is not the same, if something is.
fn difference(place: &Workplace) -> Option<String> {
    let (ours, theirs) = (rows(&place.path("ours")), rows(&place.path("flink")));
    let names = |files: &BTreeMap<String, Vec<String>>| files.keys().cloned().collect::<Vec<_>>();
    if names(&ours) != names(&theirs) {
        return Some(format!("files {:?} here, {:?} in Flink", names(&ours), names(&theirs)));
    }
    for (name, ours) in &ours {
        let theirs = &theirs[name];
        if ours.len() != theirs.len() {
            return Some(format!("{name}: {} lines here, {} in Flink", ours.len(), theirs.len()));
        }
        if let Some((ours, theirs)) = ours.iter().zip(theirs).find(|(ours, theirs)| !same(ours, theirs)) {
            return Some(format!("{name}:\n  here     {ours}\n  in Flink {theirs}"));
        }
    }
    let (ours, theirs) = (models(&place.path("models-ours")), models(&place.path("models-flink")));
    (ours != theirs).then(|| format!("{} models here, {} in Flink, and not the same", ours.len(), theirs.len()))
}

/// Runs a script here and on a cluster, each with an output folder and a registry of its own.
fn both(place: &Workplace, cluster: &FlinkCluster, script: &str, more: &[&str]) -> (Outcome, Outcome) {
    let parameters = |output: &str, registry: &str| {
        let output = format!("output={}", place.path(output).display());
        let registry = format!("registry.path={}", place.path(registry).display());
        let own = ["--param".to_string(), output, "-s".to_string(), registry, "-q".to_string()];
        own.into_iter().chain(more.iter().map(ToString::to_string)).collect::<Vec<_>>()
    };
    let tidegate = |command: &[&str], own: Vec<String>| {
        place.tidegate(&command.iter().copied().chain(own.iter().map(String::as_str)).collect::<Vec<_>>())
    };
    let archive = FlinkCluster::archive().display().to_string();
    let submit = ["submit", script, "--flink", cluster.url(), "--jar", &archive, "--parallelism", "2"];
    (
        tidegate(&["run", script], parameters("ours", "models-ours")),
        tidegate(&submit, parameters("flink", "models-flink")),
    )
}

#[test]
fn examples_give_the_same_here_and_in_flink() {
    let cluster = FlinkCluster::start(1, 4);
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let (elec, purchases) = (format!("data={}", elec().display()), format!("data={}", complete_journey().display()));
    let cases: [(&str, &[&str]); 2] = [
        ("electricity/job.sql", &["--param", &elec]),
        ("purchase-intent/job.sql", &["--param", &purchases, "--param", "rows=20000"]),
    ];
    for (example, more) in cases {
        let place = Workplace::new();
        let (ours, flink) = both(&place, &cluster, &examples.join(example).display().to_string(), more);
        assert_eq!(ours.code, Some(0), "{example}: {}", ours.stderr);
        assert_eq!(flink.code, Some(0), "{example}: {}", flink.stderr);
        // Jobs print their ids, which are of 32 digits; all else are tables.
        let is_id = |line: &&str| line.len() == 32 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
        let shown = |text: &str| text.lines().filter(|line| !is_id(line)).map(str::to_string).collect::<Vec<_>>();
        let (shown_here, shown_there) = (shown(&ours.stdout), shown(&flink.stdout));
        assert!(!shown_here.is_empty(), "{example} shows something");
        assert_eq!(shown_here, shown_there, "{example}");
        assert_eq!(models(&place.path("models-ours")), models(&place.path("models-flink")), "{example}");
    }
}

#[test]
fn scripts_give_the_same_here_and_in_flink() {
    let cluster = FlinkCluster::start(1, 4);
    let only = std::env::var("TIDEGATE_PARITY").unwrap_or_default();
    let events = events();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (name, script) in scripts().into_iter().filter(|(name, _)| name.contains(&only)) {
        count += 1;
        let place = Workplace::new();
        place.write("events.csv", &events);
        place.write("colors.csv", "name,warmth\nred,1.5\nblue,-0.5\ngrün,0.25\n");
        let path = place.write("job.sql", &script);
        let path = path.display().to_string();
        let (ours, flink) = both(&place, &cluster, &path, &[]);
        if ours.code != Some(0) || flink.code != Some(0) {
            wrong.push(format!("=== {name}\nhere: {}\nin Flink: {}", ours.stderr, flink.stderr));
        } else if let Some(difference) = difference(&place) {
            wrong.push(format!("=== {name}\n{difference}"));
        }
    }
    assert!(count > 0, "no script is called {only}");
    assert!(wrong.is_empty(), "{} of {count} scripts:\n{}", wrong.len(), wrong.join("\n"));
}
