//! An event time that is a computed column is one as any other: sources are read in its order, and partitions merged by it.

use tidegate_tests::Workplace;

/// Clicks come ten times as often as orders. Only a join that is fed by event time keeps no more than a few seconds of them.
const JOIN: &str = "
SET 'execution.runtime-mode' = 'streaming';
SET 'execution.batch-size' = '100';
SET 'execution.memory-limit' = '2 mb';
CREATE TABLE clicks (n BIGINT, ts AS TO_TIMESTAMP_MILLIS(n), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'datagen', 'rows-per-second' = '1000000000',
      'fields.n.kind' = 'sequence', 'fields.n.start' = '0', 'fields.n.end' = '199999');
CREATE TABLE orders (n BIGINT, ts AS TO_TIMESTAMP_MILLIS(10 * n), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'datagen', 'rows-per-second' = '1000000000',
      'fields.n.kind' = 'sequence', 'fields.n.start' = '0', 'fields.n.end' = '19999');
CREATE TABLE pairs (n BIGINT, lag BIGINT) WITH ('connector' = 'filesystem', 'path' = 'pairs.csv', 'format' = 'csv');
INSERT INTO pairs SELECT o.n, c.n - 10 * o.n FROM clicks AS c JOIN orders AS o
ON c.n / 10 = o.n AND c.ts BETWEEN o.ts AND o.ts + INTERVAL '2' SECOND;
";

#[test]
fn a_join_keeps_no_more_than_its_interval() {
    let place = Workplace::new();
    place.run(JOIN).succeeded();
    // Each order has the clicks of its ten milliseconds.
    assert_eq!(place.read("pairs.csv").lines().count(), 200_000 + 1);
}

#[test]
fn it_has_to_be_a_timestamp() {
    let table = "CREATE TABLE t (n BIGINT, ts AS n + 1, WATERMARK FOR ts AS ts)
                 WITH ('connector' = 'datagen', 'number-of-rows' = '1');";
    Workplace::new().run(table).failed(2).says(&["WATERMARK FOR 'ts'", "BIGINT", "TIMESTAMP is expected"]);
}
