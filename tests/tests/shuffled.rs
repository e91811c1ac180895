//! Rows that come out of order, but in time, give what they give in order: by every operator, with every size of batches and number
//! of threads.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tidegate_tests::Workplace;

/// How far rows may be out of order, in milliseconds: what the watermarks of [`SCRIPT`] wait.
const DISORDER_MS: i64 = 30_000;
const SEED: u64 = 8;
const ROWS: i64 = 3_000;
/// Two hours.
const SPAN_MS: i64 = 7_200_000;
const USERS: i64 = 12;

const SCRIPT: &str = "
SET 'execution.runtime-mode' = 'streaming';
CREATE TABLE clicks (id BIGINT, person BIGINT, amount DOUBLE, known TIMESTAMP(3), bought BOOLEAN, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '30' SECOND)
WITH ('connector' = 'filesystem', 'path' = 'clicks.csv', 'format' = 'csv');
CREATE TABLE orders (id BIGINT, person BIGINT, amount DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '30' SECOND)
WITH ('connector' = 'filesystem', 'path' = 'orders.csv', 'format' = 'csv');
CREATE TABLE prices (person BIGINT, price DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '30' SECOND,
  PRIMARY KEY (person) NOT ENFORCED)
WITH ('connector' = 'filesystem', 'path' = 'prices.csv', 'format' = 'csv');
CREATE TABLE people (person BIGINT, name STRING) WITH ('connector' = 'filesystem', 'path' = 'people.csv', 'format' = 'csv');

CREATE VIEW features AS SELECT id, person, bought, known, ts, amount,
  COUNT(*) OVER last_hour AS frequency, SUM(amount) OVER last_hour AS money,
  LAG(amount) OVER (PARTITION BY person ORDER BY ts) AS before,
  SUM(amount) OVER (PARTITION BY person ORDER BY ts ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) AS four,
  FIRST_VALUE(id) OVER last_hour AS first_id
FROM clicks
WINDOW last_hour AS (PARTITION BY person ORDER BY ts RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW);

CREATE MODEL buyer
  TRANSFORM (ML_STANDARD_SCALER(frequency) OVER () AS frequency, ML_STANDARD_SCALER(money) OVER () AS money)
  INPUT (frequency BIGINT, money DOUBLE) OUTPUT (predicted BOOLEAN, probability DOUBLE)
  WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression');
";

/// What each operator gives: the columns of its table, and its query.
const QUERIES: [(&str, &str, &str); 14] = [
    (
        "tumble",
        "s TIMESTAMP(3), person BIGINT, n BIGINT, total DOUBLE",
        "SELECT window_start, person, COUNT(*), SUM(amount) FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' MINUTE))
         GROUP BY window_start, window_end, person",
    ),
    (
        "hop",
        "s TIMESTAMP(3), person BIGINT, n BIGINT, most DOUBLE",
        "SELECT window_start, person, COUNT(*), MAX(amount)
         FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' MINUTE, INTERVAL '20' MINUTE))
         GROUP BY window_start, window_end, person",
    ),
    (
        "hop_distinct",
        "s TIMESTAMP(3), persons BIGINT",
        "SELECT window_start, COUNT(DISTINCT person)
         FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' MINUTE, INTERVAL '20' MINUTE))
         GROUP BY window_start, window_end",
    ),
    (
        "cumulate",
        "e TIMESTAMP(3), n BIGINT, total DOUBLE",
        "SELECT window_end, COUNT(*), SUM(amount)
         FROM TABLE(CUMULATE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' MINUTE, INTERVAL '1' HOUR))
         GROUP BY window_start, window_end",
    ),
    (
        "session",
        "s TIMESTAMP(3), e TIMESTAMP(3), person BIGINT, n BIGINT, total DOUBLE",
        "SELECT window_start, window_end, person, COUNT(*), SUM(amount)
         FROM TABLE(SESSION(TABLE clicks PARTITION BY person, DESCRIPTOR(ts), INTERVAL '40' SECOND))
         GROUP BY window_start, window_end, person",
    ),
    (
        "over",
        "id BIGINT, frequency BIGINT, money DOUBLE, before DOUBLE, four DOUBLE, first_id BIGINT",
        "SELECT id, frequency, money, before, four, first_id FROM features",
    ),
    (
        "first_of",
        "id BIGINT, person BIGINT",
        "SELECT id, person FROM (SELECT id, person, ROW_NUMBER() OVER (PARTITION BY person ORDER BY ts) AS place FROM clicks)
         WHERE place = 1",
    ),
    (
        "first_three",
        "s TIMESTAMP(3), id BIGINT, place BIGINT",
        "SELECT window_start, id, place FROM (
           SELECT window_start, id, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY amount DESC, id) AS place
           FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' MINUTE))) WHERE place <= 3",
    ),
    (
        "interval_join",
        "click BIGINT, purchase BIGINT, total DOUBLE",
        "SELECT c.id, o.id, c.amount + o.amount FROM clicks c JOIN orders o
         ON c.person = o.person AND o.ts BETWEEN c.ts AND c.ts + INTERVAL '5' MINUTE",
    ),
    (
        "left_join",
        "click BIGINT, purchase BIGINT",
        "SELECT c.id, o.id FROM clicks c LEFT JOIN orders o
         ON c.person = o.person AND o.ts BETWEEN c.ts - INTERVAL '1' MINUTE AND c.ts + INTERVAL '1' MINUTE",
    ),
    (
        "window_join",
        "s TIMESTAMP(3), click BIGINT, purchase BIGINT",
        "SELECT c.window_start, c.id, o.id
         FROM (SELECT * FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '2' MINUTE))) c
         JOIN (SELECT * FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '2' MINUTE))) o
         ON c.person = o.person AND c.window_start = o.window_start AND c.window_end = o.window_end",
    ),
    (
        "temporal_join",
        "id BIGINT, price DOUBLE",
        "SELECT c.id, p.price FROM clicks c LEFT JOIN prices FOR SYSTEM_TIME AS OF c.ts AS p ON c.person = p.person",
    ),
    (
        "lookup_join",
        "id BIGINT, name STRING",
        "SELECT c.id, p.name FROM clicks c LEFT JOIN people p ON c.person = p.person",
    ),
    (
        "trained",
        "id BIGINT, predicted BOOLEAN, probability DOUBLE",
        "SELECT id, predicted, probability FROM ML_TRAIN(INPUT => TABLE features, MODEL => MODEL buyer,
           LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(frequency, money), LABEL_TIME => DESCRIPTOR(known))",
    ),
];

/// Lines of a file, each with its event time.
type Stream = Vec<(i64, String)>;

fn time(ms: i64) -> String {
    format!("2024-01-01 {:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

/// So many times, no two of them equal: of rows of one time the first to come is the first, which is not to be tested.
fn times(count: i64, random: &mut Pcg64Mcg) -> Vec<i64> {
    let mut times: Vec<i64> = (0..SPAN_MS / 10).map(|slot| slot * 10).collect();
    times.shuffle(random);
    times.truncate(count as usize);
    times.sort_unstable();
    times
}

/// Amounts are multiples of a quarter, so that sums are exact in every order.
fn quarters(random: &mut Pcg64Mcg) -> f64 {
    f64::from(random.random_range(0..400)) / 4.0
}

fn streams() -> [(&'static str, &'static str, Stream); 3] {
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let clicks = times(ROWS, &mut random).into_iter().enumerate().map(|(id, ts)| {
        let person = random.random_range(0..USERS);
        let (amount, bought) = (quarters(&mut random), random.random_bool(0.1 + 0.06 * person as f64));
        let known = time(ts + random.random_range(0..900_000));
        (ts, format!("{id},{person},{amount},{known},{bought},{}", time(ts)))
    });
    let clicks = clicks.collect();
    let orders = times(ROWS / 5, &mut random).into_iter().enumerate().map(|(id, ts)| {
        let person = random.random_range(0..USERS);
        (ts, format!("{id},{person},{},{}", quarters(&mut random), time(ts)))
    });
    let orders = orders.collect();
    // Nobody has a price at the start.
    let prices = times(ROWS / 20, &mut random).into_iter().map(|ts| {
        let person = random.random_range(0..USERS);
        (ts, format!("{person},{},{}", quarters(&mut random), time(ts)))
    });
    let prices = prices.collect();
    [
        ("clicks.csv", "id,person,amount,known,bought,ts", clicks),
        ("orders.csv", "id,person,amount,ts", orders),
        ("prices.csv", "person,price,ts", prices),
    ]
}

/// In another order: no row comes after one that is as much later as the watermark waits.
fn shuffled(stream: &Stream, random: &mut Pcg64Mcg) -> Stream {
    let mut delayed: Vec<(i64, usize)> =
        stream.iter().enumerate().map(|(i, (ts, _))| (ts + random.random_range(0..DISORDER_MS), i)).collect();
    delayed.sort_unstable();
    delayed.into_iter().map(|(_, i)| stream[i].clone()).collect()
}

/// What the script gives, by table, in the order of its lines' texts.
fn results(streams: &[(&str, &str, Stream)], settings: &[String]) -> BTreeMap<&'static str, Vec<String>> {
    let place = Workplace::new();
    for (file, header, stream) in streams {
        let lines: String = stream.iter().fold(format!("{header}\n"), |mut text, (_, line)| {
            writeln!(text, "{line}").expect("a string takes it");
            text
        });
        place.write(file, lines);
    }
    // Not all of them.
    let people: String = (0..USERS - 2).map(|person| format!("{person},name {person}\n")).collect();
    place.write("people.csv", format!("person,name\n{people}"));
    let mut script = SCRIPT.to_string();
    for (name, columns, query) in QUERIES {
        let options = format!("'connector' = 'filesystem', 'path' = 'out/{name}.csv', 'format' = 'csv'");
        writeln!(script, "CREATE TABLE {name} ({columns}) WITH ({options});\nINSERT INTO {name} {query};")
            .expect("text");
    }
    place.write("job.sql", script);
    let mut arguments = vec!["run", "job.sql"];
    settings.iter().for_each(|setting| arguments.extend(["-s", setting]));
    place.tidegate(&arguments).succeeded();
    let lines = |name: &str| {
        let mut lines: Vec<String> = place.read(&format!("out/{name}.csv")).lines().map(str::to_string).collect();
        lines.sort_unstable();
        lines
    };
    QUERIES.iter().map(|(name, ..)| (*name, lines(name))).collect()
}

#[test]
fn rows_out_of_order_but_in_time_give_the_same_results() {
    let in_order = streams();
    let expected = results(&in_order, &[]);
    for (name, lines) in &expected {
        assert!(lines.len() > 10, "{name} gives {lines:?}");
    }
    let mut random = Pcg64Mcg::seed_from_u64(SEED + 1);
    for (batch_size, threads) in [(1, 1), (7, 2), (8192, 4)] {
        let settings = [format!("execution.batch-size={batch_size}"), format!("parallelism.default={threads}")];
        let other = in_order.clone().map(|(file, header, stream)| (file, header, shuffled(&stream, &mut random)));
        assert_ne!(other[0].2, in_order[0].2);
        let found = results(&other, &settings);
        for (name, lines) in &expected {
            let differs = lines.iter().zip(&found[name]).find(|(one, other)| one != other);
            assert!(
                lines == &found[name],
                "{name}, in batches of {batch_size} with {threads} threads: {} rows instead of {}, the first that differs: {differs:?}",
                found[name].len(),
                lines.len()
            );
        }
    }
}
