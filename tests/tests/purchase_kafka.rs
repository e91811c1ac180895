//! The example as a true stream, from a topic to topics, killed again and again: who reads the committed records sees what an
//! undisturbed run writes, nothing lost and nothing twice.

use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde_json::Value;
use tidegate_tests::data::repository;
use tidegate_tests::purchases::part_of_the_year;
use tidegate_tests::running::Running;
use tidegate_tests::{Broker, Workplace};

/// How often the job is killed.
const KILLS: usize = 50;
/// The moments are the same in every run.
const SEED: u64 = 21;
/// Few households, for the whole year: features, labels of 28 days and weekly windows.
const HOUSEHOLDS: &str = "household_id % 250 = 1";
/// No wait takes longer, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(120);
const PARTITIONS: i32 = 2;
/// Small batches, so that a kill finds the job in its stream; partitions are waited for, however slow the machine.
const SETTINGS: [&str; 3] =
    ["execution.checkpointing.interval=20ms", "execution.batch-size=20", "table.exec.source.idle-timeout=0s"];
/// The households of the last purchases, which are of a later year.
const CLOSING: i64 = 9_000_000;

/// Purchases as messages: each with its partition, in the order of their time.
fn messages(place: &Workplace) -> Vec<(i32, String)> {
    let script = "CREATE TABLE part (household_id BIGINT, basket_id BIGINT, product_id BIGINT, quantity BIGINT, sales_value DOUBLE,
          retail_disc DOUBLE, coupon_disc DOUBLE, coupon_match_disc DOUBLE, transaction_timestamp TIMESTAMP(3))
        WITH ('connector' = 'filesystem', 'path' = 'data/transactions.parquet', 'format' = 'parquet');
        CREATE TABLE text (household_id BIGINT, basket_id BIGINT, product_id BIGINT, quantity BIGINT, sales_value DOUBLE,
          retail_disc DOUBLE, coupon_disc DOUBLE, coupon_match_disc DOUBLE, transaction_timestamp TIMESTAMP(3))
        WITH ('connector' = 'filesystem', 'path' = 'transactions.json', 'format' = 'json');
        INSERT INTO text SELECT * FROM part ORDER BY transaction_timestamp, basket_id, product_id;";
    place.run(script).succeeded();
    let mut messages: Vec<(i32, String)> = place
        .read("transactions.json")
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).expect("a JSON object");
            let household = row["household_id"].as_i64().expect("a household");
            ((household / 250 % i64::from(PARTITIONS)) as i32, line.to_string())
        })
        .collect();
    // Two more households buy the same things on nine days: each operator passes rows on when later ones have come, and so all
    // that was before is decided for the last of them, on both sides of the join with its returns.
    let last: Vec<Value> = messages[messages.len() - 4..]
        .iter()
        .map(|(_, message)| serde_json::from_str(message).expect("a JSON object"))
        .collect();
    for (day, partition) in (1..=9).flat_map(|day| (0..PARTITIONS).map(move |partition| (day, partition))) {
        for mut closing in last.clone() {
            closing["household_id"] = (CLOSING + i64::from(partition)).into();
            closing["quantity"] = 1.into();
            closing["sales_value"] = 1.into();
            closing["transaction_timestamp"] = format!("2018-06-0{day} 00:00:00").into();
            messages.push((partition, closing.to_string()));
        }
    }
    messages
}

/// Sections 1 to 4 of the example's script, with topics in place of its files.
fn script(place: &Workplace, purchases: &str, purchases_end: &str, history: &str, quality: &str) -> String {
    let path = repository().join("examples/purchase-intent/stream.sql");
    let text = std::fs::read_to_string(path).expect("the example");
    let (text, _) = text.split_once("SELECT * FROM weekly_quality").expect("the end of step 4");
    let topic = |topic: &str, more: &str| {
        format!(
            "'connector' = 'kafka', 'topic' = '{topic}', 'format' = 'json', 'properties.bootstrap.servers' = '{}'{more}",
            Broker::shared().address()
        )
    };
    let file =
        |name: &str, format: &str| format!("'connector' = 'filesystem', 'path' = '{name}', 'format' = '{format}'");
    let replaced = [
        (file("${data}/transactions.parquet", "parquet"), topic(purchases, purchases_end)),
        (file("${output}/stream_history.parquet", "parquet"), topic(history, "")),
        (file("${output}/stream_weekly_quality.csv", "csv"), topic(quality, "")),
        ("INSERT OVERWRITE".to_string(), "INSERT INTO".to_string()),
        ("${data}".to_string(), place.path("data").display().to_string()),
    ];
    replaced.iter().fold(text.to_string(), |text, (from, to)| {
        assert!(text.contains(from), "the example has no {from}");
        text.replace(from, to)
    })
}

/// The committed records of a topic in their order, without those that the last purchases make.
fn committed(topic: &str) -> Vec<String> {
    let values = Broker::shared().committed(topic).into_iter().filter_map(|record| record.value);
    values.filter(|value| !value.contains("2018-06-0") && !value.contains("\"week_start\":\"2018-0")).collect()
}

#[test]
fn a_job_between_topics_that_is_killed_fifty_times_writes_what_an_undisturbed_one_writes() {
    let broker = Broker::shared();
    let place = Workplace::new();
    part_of_the_year(&place, HOUSEHOLDS);
    let messages = messages(&place);
    let [purchases, history, quality, history_undisturbed, quality_undisturbed] =
        ["purchases", "history", "quality", "history-undisturbed", "quality-undisturbed"]
            .map(|name| broker.new_topic(name, if name == "purchases" { PARTITIONS } else { 1 }));
    let earliest = ", 'scan.startup.mode' = 'earliest-offset'";
    place.write("job.sql", script(&place, &purchases, earliest, &history, &quality));

    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let arguments: Vec<&str> = ["run", "job.sql", "--json"]
        .into_iter()
        .chain(SETTINGS.into_iter().flat_map(|setting| ["-s", setting]))
        .collect();
    let start = || {
        let mut command = place.command(&arguments);
        let log = |name| std::fs::File::create(place.path(name)).expect("a file");
        command.stdout(log("stdout")).stderr(log("stderr"));
        Running::of(command)
    };
    let checkpoints = || {
        let pattern = place.path("home/checkpoints/*/step-*/checkpoint");
        let newest = glob::glob(pattern.to_str().expect("UTF-8")).expect("a pattern").flatten().next();
        newest.and_then(|path| std::fs::metadata(path).ok()?.modified().ok())
    };
    let mut in_the_stream = 0;
    for kill in 0..KILLS {
        // Some purchases come before the job starts, some while it runs; the last ones come with the last kill.
        let until = |share: usize| messages.len() * share / (2 * KILLS);
        let (from, middle, to) = (until(2 * kill), until(2 * kill + 1), until(2 * kill + 2));
        produce(&purchases, &messages[from..middle]);
        let before = checkpoints();
        let mut job = start();
        produce(&purchases, &messages[middle..to]);
        // Half of the kills come at any moment from the start on, half so long after the first checkpoint of the run.
        let delay = Duration::from_millis(random.random_range(0..150));
        let began = Instant::now();
        if kill % 2 == 0 {
            while checkpoints() == before {
                assert!(!job.has_ended(), "{}", place.read("stderr"));
                assert!(began.elapsed() < PATIENCE, "no checkpoint: {}", place.read("stderr"));
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        std::thread::sleep(delay);
        in_the_stream += usize::from(checkpoints() != before);
        drop(job);
    }
    assert!(in_the_stream >= KILLS / 2, "{in_the_stream} of {KILLS} kills found the job in its stream");

    // The same to its end at once, from the topic as it is now.
    let latest = format!("{earliest}, 'scan.bounded.mode' = 'latest-offset'");
    let undisturbed = script(&place, &purchases, &latest, &history_undisturbed, &quality_undisturbed);
    place.write("undisturbed.sql", format!("SET 'job.name' = 'undisturbed';\n{undisturbed}"));
    place.tidegate(&["run", "undisturbed.sql"]).succeeded();
    let (expected, expected_quality) = (committed(&history_undisturbed), committed(&quality_undisturbed));
    assert!(expected.len() > 4_000 && expected_quality.len() >= 52, "{} rows", expected.len());

    let mut job = start();
    let began = Instant::now();
    while committed(&history).len() < expected.len() || committed(&quality).len() < expected_quality.len() {
        assert!(!job.has_ended(), "{}", place.read("stderr"));
        assert!(
            began.elapsed() < PATIENCE,
            "{} of {} rows, {} of {} weeks\n{}",
            committed(&history).len(),
            expected.len(),
            committed(&quality).len(),
            expected_quality.len(),
            place.read("stderr")
        );
    }
    drop(job);
    assert!(committed(&history) == expected, "rows differ: {:?}", first_difference(&committed(&history), &expected));
    // Accuracy, log loss and ROC AUC to the last digit: the model went through the kills unharmed.
    assert_eq!(committed(&quality), expected_quality);
}

fn produce(topic: &str, messages: &[(i32, String)]) {
    for partition in 0..PARTITIONS {
        let own = messages.iter().filter(|(of, _)| *of == partition).map(|(_, message)| (None, Some(message.as_str())));
        Broker::shared().produce_all(topic, partition, own);
    }
}

fn first_difference<'a>(a: &'a [String], b: &'a [String]) -> Option<(usize, &'a String, &'a String)> {
    a.iter().zip(b).enumerate().find(|(_, (a, b))| a != b).map(|(place, (a, b))| (place, a, b))
}
