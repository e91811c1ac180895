-- Will this household come back to the till within three days? Purchases come from a topic of several partitions and are predicted as
-- they happen; a label is learned when it is known. Predictions, and how good they were each week, go to topics exactly once.
--
-- Parameters: brokers, purchases, end (where each partition ends), predictions, quality (topics).

SET 'execution.runtime-mode' = 'streaming';
-- However slow a machine is, a partition is waited for.
SET 'table.exec.source.idle-timeout' = '0 s';

CREATE TABLE purchases (
  id                    BIGINT,
  household_id          BIGINT,
  basket_id             BIGINT,
  product_id            BIGINT,
  quantity              BIGINT,
  sales_value           DOUBLE,
  retail_disc           DOUBLE,
  coupon_disc           DOUBLE,
  transaction_timestamp TIMESTAMP(3),
  came_back             BOOLEAN,
  known_at              TIMESTAMP(3),
  WATERMARK FOR transaction_timestamp AS transaction_timestamp - INTERVAL '1' SECOND
) WITH (
  'connector' = 'kafka', 'properties.bootstrap.servers' = '${brokers}', 'topic' = '${purchases}', 'format' = 'json',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'specific-offsets', 'scan.bounded.specific-offsets' = '${end}'
);

-- Sums of DECIMAL are exact. Flink takes rows that leave a frame off in no certain order: a sum of DOUBLE may differ in its last digit.
CREATE VIEW features AS
SELECT
  id, transaction_timestamp AS purchased_at, household_id, came_back, known_at,
  CAST(EXTRACT(HOUR FROM transaction_timestamp) AS STRING) AS hour_of_day,
  LN(1 + sales_value)                                      AS log_value,
  retail_disc + coupon_disc                                AS discount,
  COUNT(*) OVER recent                                     AS rows_7_days,
  CAST(SUM(CAST(sales_value AS DECIMAL(10, 2))) OVER recent AS DOUBLE) AS spend_7_days
FROM purchases
WHERE quantity > 0
WINDOW recent AS (PARTITION BY household_id ORDER BY transaction_timestamp
                  RANGE BETWEEN INTERVAL '7' DAY PRECEDING AND CURRENT ROW);

CREATE MODEL intent
TRANSFORM (
  ML_STANDARD_SCALER(log_value)    OVER () AS log_value,
  ML_STANDARD_SCALER(discount)     OVER () AS discount,
  ML_STANDARD_SCALER(rows_7_days)  OVER () AS rows_7_days,
  ML_STANDARD_SCALER(spend_7_days) OVER () AS spend_7_days,
  ML_ONE_HOT_ENCODER(hour_of_day)  OVER () AS hour_of_day
)
INPUT (log_value DOUBLE, discount DOUBLE, rows_7_days BIGINT, spend_7_days DOUBLE, hour_of_day STRING)
OUTPUT (predicted BOOLEAN, probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression', 'version.at' = '2017-06-01 00:00:00');

CREATE VIEW scored AS
SELECT * FROM ML_TRAIN(
  INPUT      => TABLE features,
  MODEL      => MODEL intent,
  LABEL      => DESCRIPTOR(came_back),
  ARGS       => DESCRIPTOR(log_value, discount, rows_7_days, spend_7_days, hour_of_day),
  LABEL_TIME => DESCRIPTOR(known_at));

CREATE TABLE predictions (id BIGINT, household_id BIGINT, came_back BOOLEAN, predicted BOOLEAN, probability DOUBLE)
WITH ('connector' = 'kafka', 'properties.bootstrap.servers' = '${brokers}', 'topic' = '${predictions}', 'format' = 'json',
      'sink.transactional-id-prefix' = '${predictions}');

CREATE TABLE quality (week_start TIMESTAMP(3), purchases BIGINT, log_loss DOUBLE, roc_auc DOUBLE)
WITH ('connector' = 'kafka', 'properties.bootstrap.servers' = '${brokers}', 'topic' = '${quality}', 'format' = 'json',
      'sink.transactional-id-prefix' = '${quality}');

EXECUTE STATEMENT SET
BEGIN
  INSERT INTO predictions SELECT id, household_id, came_back, predicted, probability FROM scored;

  INSERT INTO quality
  SELECT window_start, COUNT(*), ML_LOG_LOSS(came_back, probability), ML_ROC_AUC(came_back, probability)
  FROM TABLE(TUMBLE(TABLE scored, DESCRIPTOR(purchased_at), INTERVAL '7' DAY))
  GROUP BY window_start, window_end;
END;
