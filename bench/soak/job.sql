-- Sessions, an interval join and deduplication over a million keys, in one job over events that go on for long: what is kept must
-- not grow with the rows. An event happens every millisecond of event time, a purchase every ten.
SET 'execution.runtime-mode' = 'streaming';
SET 'table.exec.state.ttl' = '30 min';

CREATE TABLE events (
  n BIGINT, visitor BIGINT, amount DOUBLE,
  ts AS CAST(TO_TIMESTAMP_MILLIS(1704067200000 + n) AS TIMESTAMP(3)),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (
  'connector' = 'datagen', 'rows-per-second' = '1000000000',
  'fields.n.kind' = 'sequence', 'fields.n.start' = '0', 'fields.n.end' = '${last_event}',
  'fields.visitor.min' = '0', 'fields.visitor.max' = '999999'
);

CREATE TABLE purchases (
  n BIGINT, visitor BIGINT,
  ts AS CAST(TO_TIMESTAMP_MILLIS(1704067200000 + 10 * n) AS TIMESTAMP(3)),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (
  'connector' = 'datagen', 'rows-per-second' = '1000000000', 'seed' = '1',
  'fields.n.kind' = 'sequence', 'fields.n.start' = '0', 'fields.n.end' = '${last_purchase}',
  'fields.visitor.min' = '0', 'fields.visitor.max' = '999999'
);

-- A line every 100 seconds of event time tells how far the job is: 100,000 events.
CREATE TABLE ticks (events BIGINT, visitors_max BIGINT) WITH ('connector' = 'print');
CREATE TABLE sessions (visitor BIGINT, events BIGINT, amount DOUBLE) WITH ('connector' = 'blackhole');
CREATE TABLE bought (visitor BIGINT, amount DOUBLE, ts TIMESTAMP(3)) WITH ('connector' = 'blackhole');
CREATE TABLE visitors (visitor BIGINT, ts TIMESTAMP(3)) WITH ('connector' = 'blackhole');

EXECUTE STATEMENT SET BEGIN
INSERT INTO ticks
SELECT COUNT(*), MAX(visitor) FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '100' SECOND)) GROUP BY window_start, window_end;

INSERT INTO sessions
SELECT visitor, COUNT(*), SUM(amount)
FROM TABLE(SESSION(TABLE events PARTITION BY visitor, DESCRIPTOR(ts), INTERVAL '2' MINUTE)) GROUP BY visitor, window_start, window_end;

INSERT INTO bought
SELECT e.visitor, e.amount, p.ts FROM events e JOIN purchases p
ON e.visitor = p.visitor AND p.ts BETWEEN e.ts AND e.ts + INTERVAL '2' MINUTE;

INSERT INTO visitors
SELECT visitor, ts FROM (SELECT visitor, ts, ROW_NUMBER() OVER (PARTITION BY visitor ORDER BY ts) AS place FROM events) WHERE place = 1;
END;
