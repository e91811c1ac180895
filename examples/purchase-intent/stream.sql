-- The same question as job.sql, asked of a stream: will this household buy this category again within 28 days?
--
-- job.sql computes features over a finished year. Here every row is taken as it happens: features are aggregates OVER the rows
-- before each row, and a label is an event of its own, the next visit to the till, joined to the purchase that it is about.
-- Nothing here needs the data to end.
--
--     tidegate run examples/purchase-intent/stream.sql --param data=…
--
-- Parameters, with their defaults. Paths are relative to this script's folder.
SET 'param.data'   = 'data';
SET 'param.output' = 'output';

-- Rows of a basket share a time, so duplicates lie beside each other: there is no need to know them for longer.
SET 'table.exec.state.ttl' = '1 h';


-- 1. The stream ----------------------------------------------------------------------------------------------------------

CREATE TABLE transactions (
  household_id          BIGINT,
  basket_id             BIGINT,
  product_id            BIGINT,
  quantity              BIGINT,
  sales_value           DOUBLE,      -- dollars for the whole row
  retail_disc           DOUBLE,      -- taken off by the shop's loyalty card
  coupon_disc           DOUBLE,      -- taken off by a maker's coupon
  coupon_match_disc     DOUBLE,      -- taken off because the shop matched the coupon
  transaction_timestamp TIMESTAMP(3),
  WATERMARK FOR transaction_timestamp AS transaction_timestamp - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${data}/transactions.parquet', 'format' = 'parquet');

CREATE TABLE products (
  product_id       BIGINT,
  department       STRING,
  brand            STRING,
  product_category STRING
) WITH ('connector' = 'filesystem', 'path' = '${data}/products.parquet', 'format' = 'parquet');

-- A lookup join: products are a table that is held, purchases go by.
CREATE VIEW purchases AS
SELECT
  t.transaction_timestamp AS purchased_at,
  t.household_id, t.basket_id, t.product_id,
  p.department, p.brand, p.product_category,
  t.sales_value,
  t.sales_value / t.quantity                               AS price,
  t.sales_value + t.retail_disc + t.coupon_match_disc      AS list_value,
  t.retail_disc + t.coupon_disc + t.coupon_match_disc      AS discount
FROM (SELECT DISTINCT * FROM transactions WHERE quantity > 0 AND sales_value >= 0) AS t
JOIN products AS p ON t.product_id = p.product_id
WHERE p.product_category IS NOT NULL;


-- 2. Features: what was known when the purchase was made ------------------------------------------------------------------

-- A household's visits to the till with a category in the basket: recency and frequency.
CREATE VIEW visits AS
SELECT
  purchased_at, household_id, product_category,
  LAG(purchased_at) OVER history AS last_purchased_at,
  ROW_NUMBER()      OVER history - 1 AS purchases_so_far,
  COUNT(*) OVER (PARTITION BY household_id, product_category ORDER BY purchased_at
                 RANGE BETWEEN INTERVAL '28' DAY PRECEDING AND CURRENT ROW) - 1 AS purchases_28_days
FROM (SELECT DISTINCT purchased_at, household_id, product_category FROM purchases) AS visit
WINDOW history AS (PARTITION BY household_id, product_category ORDER BY purchased_at);

-- A household's history as a customer: frequency and money. What is of the same basket is taken off again, exactly, since sums of
-- DECIMAL are.
CREATE VIEW customers AS
SELECT
  *,
  DENSE_RANK() OVER (PARTITION BY household_id ORDER BY purchased_at) - 1 AS baskets_so_far,
  SUM(CAST(sales_value AS DECIMAL(10, 2))) OVER (PARTITION BY household_id ORDER BY purchased_at)
    - SUM(CAST(sales_value AS DECIMAL(10, 2))) OVER (PARTITION BY household_id ORDER BY purchased_at
        RANGE BETWEEN INTERVAL '0' SECOND PRECEDING AND CURRENT ROW) AS spend_so_far,
  ROW_NUMBER() OVER (ORDER BY purchased_at) AS place
FROM purchases;

-- Counts, money and days have long tails: a linear model sees them on a logarithmic scale.
CREATE VIEW features AS
SELECT
  c.place, c.purchased_at, c.household_id, c.basket_id, c.product_id, c.product_category, c.department, c.brand,
  CAST(HOUR(c.purchased_at) AS STRING)      AS hour_of_day,
  CAST(DAYOFWEEK(c.purchased_at) AS STRING) AS weekday,
  LN(1 + CAST(TIMESTAMPDIFF(SECOND, v.last_purchased_at, c.purchased_at) AS DOUBLE) / 86400) AS log_days_since_last,
  LN(1 + v.purchases_so_far)                AS log_purchases_so_far,
  LN(1 + v.purchases_28_days)               AS log_purchases_28_days,
  LN(1 + c.baskets_so_far)                  AS log_baskets_so_far,
  LN(1 + CAST(c.spend_so_far AS DOUBLE))    AS log_spend_so_far,
  LN(1 + c.price)                           AS log_price,
  CASE WHEN c.list_value <= 0 THEN CAST(0 AS DOUBLE)
       WHEN c.discount > c.list_value THEN CAST(1 AS DOUBLE)
       ELSE c.discount / c.list_value END   AS discount_share,
  v.purchases_so_far = 0                    AS is_first_purchase
FROM customers AS c
JOIN visits AS v
  ON  c.household_id = v.household_id
  AND c.product_category = v.product_category
  AND c.purchased_at = v.purchased_at;


-- 3. Labels: what became known later ---------------------------------------------------------------------------------------

-- Each visit tells of the one before it that the household came back.
CREATE VIEW returns AS
SELECT purchased_at AS returned_at, household_id, product_category, last_purchased_at AS first_at
FROM visits
WHERE last_purchased_at IS NOT NULL;

-- Each purchase waits for its label: TRUE when the household comes back within 28 days, FALSE when they are over. Rows come out in
-- the order in which their labels are known. A return after the 28 days finds nobody waiting, and changes nothing; a second one
-- is about the first, not about this purchase. What waits is bounded by the interval. (The data ends with the year: of purchases
-- after 3 December it is not known what became of them.)
CREATE VIEW labelled AS
SELECT
  f.*,
  r.returned_at,
  CASE WHEN f.purchased_at < TIMESTAMP '2017-12-04 00:00:00' THEN r.returned_at IS NOT NULL END AS rebought
FROM features AS f
LEFT JOIN returns AS r
  ON  f.household_id = r.household_id
  AND f.product_category = r.product_category
  AND f.purchased_at = r.first_at
  AND r.returned_at BETWEEN f.purchased_at AND f.purchased_at + INTERVAL '28' DAY;


-- 4. The model, with labels from a stream of their own ---------------------------------------------------------------------

CREATE MODEL intent_from_stream
TRANSFORM (
  ML_STANDARD_SCALER(ML_IMPUTER(log_days_since_last, 'mean') OVER ()) OVER () AS log_days_since_last,
  ML_STANDARD_SCALER(log_purchases_so_far)  OVER () AS log_purchases_so_far,
  ML_STANDARD_SCALER(log_purchases_28_days) OVER () AS log_purchases_28_days,
  ML_STANDARD_SCALER(log_baskets_so_far)    OVER () AS log_baskets_so_far,
  ML_STANDARD_SCALER(log_spend_so_far)      OVER () AS log_spend_so_far,
  ML_STANDARD_SCALER(log_price)             OVER () AS log_price,
  ML_STANDARD_SCALER(discount_share)        OVER () AS discount_share,
  is_first_purchase                                 AS is_first_purchase,
  ML_ONE_HOT_ENCODER(department)            OVER () AS department,
  ML_ONE_HOT_ENCODER(brand)                 OVER () AS brand,
  ML_ONE_HOT_ENCODER(hour_of_day)           OVER () AS hour_of_day,
  ML_ONE_HOT_ENCODER(weekday)               OVER () AS weekday,
  ML_ONE_HOT_ENCODER(product_category)      OVER () AS product_category
)
INPUT (
  log_days_since_last DOUBLE, log_purchases_so_far DOUBLE, log_purchases_28_days DOUBLE, log_baskets_so_far DOUBLE,
  log_spend_so_far DOUBLE, log_price DOUBLE, discount_share DOUBLE, is_first_purchase BOOLEAN,
  department STRING, brand STRING, hour_of_day STRING, weekday STRING, product_category STRING
)
OUTPUT (predicted BOOLEAN, probability DOUBLE)
WITH (
  'provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression',
  'optimizer' = 'sgd', 'learning_rate' = '0.1', 'learning_rate_schedule' = 'inverse_scaling', 'power_t' = '0.5'
);

CREATE VIEW scored AS
SELECT * FROM ML_TRAIN(
  INPUT => TABLE labelled,
  MODEL => MODEL intent_from_stream,
  LABEL => DESCRIPTOR(rebought),
  ARGS  => DESCRIPTOR(log_days_since_last, log_purchases_so_far, log_purchases_28_days, log_baskets_so_far,
                      log_spend_so_far, log_price, discount_share, is_first_purchase,
                      department, brand, hour_of_day, weekday, product_category));

-- What was seen, kept for step 5: the features as they came, and the labels beside them.
CREATE TABLE history (
  place                 BIGINT,
  purchased_at          TIMESTAMP(3),
  household_id          BIGINT,
  basket_id             BIGINT,
  product_id            BIGINT,
  log_days_since_last   DOUBLE,
  log_purchases_so_far  DOUBLE,
  log_purchases_28_days DOUBLE,
  log_baskets_so_far    DOUBLE,
  log_spend_so_far      DOUBLE,
  log_price             DOUBLE,
  discount_share        DOUBLE,
  is_first_purchase     BOOLEAN,
  department            STRING,
  brand                 STRING,
  hour_of_day           STRING,
  weekday               STRING,
  product_category      STRING,
  rebought              BOOLEAN,
  label_time            TIMESTAMP(3),
  WATERMARK FOR purchased_at AS purchased_at - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${output}/stream_history.parquet', 'format' = 'parquet');

CREATE TABLE weekly_quality (
  week_start TIMESTAMP(3),
  purchases  BIGINT,
  labelled   BIGINT,
  accuracy   DOUBLE,
  log_loss   DOUBLE,
  roc_auc    DOUBLE
) WITH ('connector' = 'filesystem', 'path' = '${output}/stream_weekly_quality.csv', 'format' = 'csv');

-- A row is predicted here when its label is known, by what the model was then; step 5 says how good it was at the till.
EXECUTE STATEMENT SET
BEGIN
  INSERT OVERWRITE history
  SELECT place, purchased_at, household_id, basket_id, product_id, log_days_since_last, log_purchases_so_far, log_purchases_28_days, log_baskets_so_far,
         log_spend_so_far, log_price, discount_share, is_first_purchase, department, brand, hour_of_day, weekday,
         product_category, rebought, COALESCE(returned_at, purchased_at + INTERVAL '28' DAY)
  FROM labelled;

  INSERT OVERWRITE weekly_quality
  SELECT window_start, COUNT(*), COUNT(rebought), ML_ACCURACY(rebought, predicted), ML_LOG_LOSS(rebought, probability),
         ML_ROC_AUC(rebought, probability)
  FROM TABLE(TUMBLE(TABLE scored, DESCRIPTOR(purchased_at), INTERVAL '7' DAY))
  GROUP BY window_start, window_end;
END;

SELECT * FROM weekly_quality ORDER BY week_start LIMIT 10;


-- 5. The same model, with LABEL_TIME -------------------------------------------------------------------------------------------

-- A replay of history has the label in the row, and LABEL_TIME keeps it back until it was known. Each row is predicted when it
-- happened and learned when its label was known: in the same order as above, so that the two models are the same to the last bit.
CREATE MODEL intent_from_history
TRANSFORM (
  ML_STANDARD_SCALER(ML_IMPUTER(log_days_since_last, 'mean') OVER ()) OVER () AS log_days_since_last,
  ML_STANDARD_SCALER(log_purchases_so_far)  OVER () AS log_purchases_so_far,
  ML_STANDARD_SCALER(log_purchases_28_days) OVER () AS log_purchases_28_days,
  ML_STANDARD_SCALER(log_baskets_so_far)    OVER () AS log_baskets_so_far,
  ML_STANDARD_SCALER(log_spend_so_far)      OVER () AS log_spend_so_far,
  ML_STANDARD_SCALER(log_price)             OVER () AS log_price,
  ML_STANDARD_SCALER(discount_share)        OVER () AS discount_share,
  is_first_purchase                                 AS is_first_purchase,
  ML_ONE_HOT_ENCODER(department)            OVER () AS department,
  ML_ONE_HOT_ENCODER(brand)                 OVER () AS brand,
  ML_ONE_HOT_ENCODER(hour_of_day)           OVER () AS hour_of_day,
  ML_ONE_HOT_ENCODER(weekday)               OVER () AS weekday,
  ML_ONE_HOT_ENCODER(product_category)      OVER () AS product_category
)
INPUT (
  log_days_since_last DOUBLE, log_purchases_so_far DOUBLE, log_purchases_28_days DOUBLE, log_baskets_so_far DOUBLE,
  log_spend_so_far DOUBLE, log_price DOUBLE, discount_share DOUBLE, is_first_purchase BOOLEAN,
  department STRING, brand STRING, hour_of_day STRING, weekday STRING, product_category STRING
)
OUTPUT (predicted BOOLEAN, probability DOUBLE)
WITH (
  'provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression',
  'optimizer' = 'sgd', 'learning_rate' = '0.1', 'learning_rate_schedule' = 'inverse_scaling', 'power_t' = '0.5'
);

CREATE VIEW replay AS
SELECT * FROM history ORDER BY place;

CREATE TABLE predictions (
  place       BIGINT,
  rebought    BOOLEAN,
  predicted   BOOLEAN,
  probability DOUBLE
) WITH ('connector' = 'filesystem', 'path' = '${output}/stream_predictions.parquet', 'format' = 'parquet');

INSERT OVERWRITE predictions
SELECT place, rebought, predicted, probability
FROM ML_TRAIN(
  INPUT      => TABLE replay,
  MODEL      => MODEL intent_from_history,
  LABEL      => DESCRIPTOR(rebought),
  ARGS       => DESCRIPTOR(log_days_since_last, log_purchases_so_far, log_purchases_28_days, log_baskets_so_far,
                           log_spend_so_far, log_price, discount_share, is_first_purchase,
                           department, brand, hour_of_day, weekday, product_category),
  LABEL_TIME => DESCRIPTOR(label_time));

-- Predicted at the till, rather than when the label was known: this is how good the model would have been in use.
SELECT COUNT(*) AS purchases, ML_ACCURACY(rebought, predicted) AS accuracy, ML_LOG_LOSS(rebought, probability) AS log_loss,
       ML_ROC_AUC(rebought, probability) AS roc_auc
FROM predictions;

-- The two models, weight by weight.
SELECT COUNT(*) AS weights, MAX(ABS(s.weight - h.weight)) AS greatest_difference
FROM ML_WEIGHTS(MODEL => MODEL intent_from_stream) AS s
FULL JOIN ML_WEIGHTS(MODEL => MODEL intent_from_history) AS h
  ON s.processed_input = h.processed_input AND COALESCE(s.category, '') = COALESCE(h.category, '');
