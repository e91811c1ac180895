-- Will this household buy this category again within 28 days?
--
-- A year of real grocery purchases goes through a model in the order in which they happened. Each purchase is predicted at
-- the moment it is made, and learned from only when its answer is known. Run it from this folder, or from anywhere:
--
--     cargo xtask demo                                fetches the data, builds tidegate, runs this script
--     tidegate run examples/purchase-intent/job.sql   once the data is there, in data/ or wherever --param data=… says
--
-- Statements run in order. The language is Flink SQL's, and adds TRANSFORM, more ML_ functions, versions of models and
-- parameters. Names that Flink reserves are in backticks.

-- Parameters, with their defaults. Give others with --param name=value. Paths are relative to this script's folder.
SET 'param.data'   = 'data';
SET 'param.format' = 'parquet';
SET 'param.output' = 'output';
SET 'param.rows'   = '1000000000';   -- take only the first so many purchases of the year


-- 1. The data ------------------------------------------------------------------------------------------------------------

-- One row a product in a basket. Columns are found by name, so those that are not needed can be left out. Clock times are
-- as in the data; with most baskets at 22 o'clock and fewest at 8 they look like universal time.
CREATE TABLE transactions (
  household_id          BIGINT,
  basket_id             BIGINT,
  product_id            BIGINT,
  quantity              BIGINT,
  sales_value           DOUBLE,      -- dollars for the whole row
  retail_disc           DOUBLE,      -- taken off by the shop's loyalty card
  coupon_disc           DOUBLE,      -- taken off by a maker's coupon
  coupon_match_disc     DOUBLE,      -- taken off because the shop matched the coupon
  transaction_timestamp TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = '${data}/transactions.${format}', 'format' = '${format}');

CREATE TABLE products (
  product_id       BIGINT,
  department       STRING,
  brand            STRING,
  product_category STRING
) WITH ('connector' = 'filesystem', 'path' = '${data}/products.${format}', 'format' = '${format}');

-- Purchases fit to learn from: each once, of a product with a category, and of at least one piece (8,869 rows have quantity 0).
CREATE VIEW purchases AS
SELECT DISTINCT
  t.household_id,
  t.basket_id,
  t.product_id,
  t.transaction_timestamp AS purchased_at,
  t.quantity,
  t.sales_value,
  t.sales_value + t.retail_disc + t.coupon_match_disc AS list_value,
  t.retail_disc + t.coupon_disc + t.coupon_match_disc AS discount,
  p.department,
  p.brand,
  p.product_category
FROM transactions AS t
JOIN products AS p ON t.product_id = p.product_id
WHERE t.quantity > 0 AND t.sales_value >= 0 AND p.product_category IS NOT NULL;


-- 2. Features: what was known when the purchase was made ------------------------------------------------------------------

-- A household's history with a category: one row a visit to the till that had the category in the basket, however many
-- products of it. What is of the same basket does not count as the past, and the next visit is a later one.
CREATE VIEW category_visits AS
SELECT
  household_id,
  product_category,
  purchased_at,
  LAG(purchased_at)    OVER history     AS last_purchased_at,
  LEAD(purchased_at)   OVER history     AS next_purchased_at,
  ROW_NUMBER()         OVER history - 1 AS purchases_so_far,
  COUNT(*) OVER (PARTITION BY household_id, product_category ORDER BY seconds
                 RANGE BETWEEN 2419200 PRECEDING AND CURRENT ROW) - 1 AS purchases_28_days    -- 28 days, in seconds
FROM (
  -- Flink's batch mode has no RANGE over a TIMESTAMP, but over a number.
  SELECT DISTINCT
    household_id, product_category, purchased_at,
    TIMESTAMPDIFF(SECOND, TIMESTAMP '2017-01-01 00:00:00', purchased_at) AS seconds
  FROM purchases
) AS visit
WINDOW history AS (PARTITION BY household_id, product_category ORDER BY purchased_at);

-- A household's history as a customer. Money is summed as DECIMAL: exactly, and so the same in whatever order rows arrive.
CREATE VIEW baskets AS
SELECT
  household_id,
  purchased_at,
  ROW_NUMBER() OVER (PARTITION BY household_id ORDER BY purchased_at) - 1 AS baskets_so_far,
  COALESCE(SUM(spend) OVER (PARTITION BY household_id ORDER BY purchased_at
                            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS spend_so_far
FROM (
  SELECT household_id, purchased_at, SUM(CAST(sales_value AS DECIMAL(10, 2))) AS spend
  FROM purchases
  GROUP BY household_id, purchased_at
) AS basket;

-- The watermark says how far event time has come: everything up to one second before the latest purchase has been seen.
-- (The rows of a basket share a timestamp, so it must not run ahead to the timestamp itself.)
CREATE TABLE features (
  purchased_at      TIMESTAMP(3),
  household_id      BIGINT,
  basket_id         BIGINT,
  product_id        BIGINT,
  product_category  STRING,
  department        STRING,
  brand             STRING,
  hour_of_day       STRING,
  weekday           STRING,         -- 1 = Sunday … 7 = Saturday
  days_since_last   DOUBLE,         -- since the household last bought the category; NULL: never before
  purchases_so_far  BIGINT,         -- of the category
  purchases_28_days BIGINT,         -- of the category, in the 28 days before
  baskets_so_far    BIGINT,
  spend_so_far      DOUBLE,
  price             DOUBLE,         -- of one piece, as paid to the shop
  discount_share    DOUBLE,         -- of the price on the shelf
  rebought          BOOLEAN,        -- the label
  label_time        TIMESTAMP(3),   -- when the label is known
  WATERMARK FOR purchased_at AS purchased_at - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${output}/features.parquet', 'format' = 'parquet');

-- The label is TRUE as soon as the household buys the category again, FALSE when 28 days have passed without. The data ends
-- with the year, so purchases after 3 December have no full 28 days of future: they get no label. They are predicted, never
-- learned from, and count in no metric.
INSERT OVERWRITE features
SELECT
  purchased_at, household_id, basket_id, product_id, product_category, department, brand, hour_of_day, weekday,
  days_since_last, purchases_so_far, purchases_28_days, baskets_so_far, spend_so_far, price, discount_share,
  rebought, label_time
FROM (
  SELECT
    p.purchased_at,
    p.household_id,
    p.basket_id,
    p.product_id,
    p.product_category,
    p.department,
    p.brand,
    CAST(HOUR(p.purchased_at) AS STRING)      AS hour_of_day,
    CAST(DAYOFWEEK(p.purchased_at) AS STRING) AS weekday,
    CAST(TIMESTAMPDIFF(SECOND, v.last_purchased_at, p.purchased_at) AS DOUBLE) / 86400 AS days_since_last,
    v.purchases_so_far,
    v.purchases_28_days,
    b.baskets_so_far,
    CAST(b.spend_so_far AS DOUBLE)            AS spend_so_far,
    p.sales_value / p.quantity                AS price,
    CASE WHEN p.list_value <= 0 THEN CAST(0 AS DOUBLE)
         WHEN p.discount > p.list_value THEN CAST(1 AS DOUBLE)
         ELSE p.discount / p.list_value END   AS discount_share,
    CASE WHEN p.purchased_at < TIMESTAMP '2017-12-04 00:00:00'
         THEN COALESCE(v.next_purchased_at <= p.purchased_at + INTERVAL '28' DAY, FALSE) END AS rebought,
    CASE WHEN v.next_purchased_at <= p.purchased_at + INTERVAL '28' DAY
         THEN v.next_purchased_at
         ELSE p.purchased_at + INTERVAL '28' DAY END AS label_time,
    ROW_NUMBER() OVER (ORDER BY p.purchased_at, p.basket_id, p.product_id) AS place
  FROM purchases AS p
  JOIN category_visits AS v
    ON  p.household_id = v.household_id
    AND p.product_category = v.product_category
    AND p.purchased_at = v.purchased_at
  JOIN baskets AS b
    ON  p.household_id = b.household_id
    AND p.purchased_at = b.purchased_at
) AS numbered
WHERE place <= ${rows}
ORDER BY purchased_at, basket_id, product_id;


-- 3. The models ----------------------------------------------------------------------------------------------------------

-- Counts, money and days have long tails: 1 against 2 purchases matters more than 51 against 52. A linear model sees them on
-- a logarithmic scale.
CREATE VIEW history AS
SELECT
  *,
  LN(1 + days_since_last)   AS log_days_since_last,
  LN(1 + purchases_so_far)  AS log_purchases_so_far,
  LN(1 + purchases_28_days) AS log_purchases_28_days,
  LN(1 + baskets_so_far)    AS log_baskets_so_far,
  LN(1 + spend_so_far)      AS log_spend_so_far,
  LN(1 + price)             AS log_price,
  purchases_so_far = 0      AS is_first_purchase
FROM features;

-- TRANSFORM learns its statistics (means, deviations, categories) from the same rows at the same moments as the weights, and
-- they are saved with the model: whoever predicts with it later gets the same features. A category that it has not yet
-- learned has no feature.
--
-- Plain gradient descent with steps that become shorter: 0.1 / t^0.5 at the t-th row learned. What the model is when October
-- ends is registered as a version, under the alias `october`.
CREATE MODEL intent
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
  'optimizer' = 'sgd', 'learning_rate' = '0.1', 'learning_rate_schedule' = 'inverse_scaling', 'power_t' = '0.5',
  'version.at' = '2017-11-01 00:00:00', 'version.alias' = 'october'
);

-- What any model must beat: always the answer seen more often so far, and always the answer learned last. (A model reads at
-- least one column; these two make no use of it.)
CREATE MODEL majority
INPUT (is_first_purchase BOOLEAN)
OUTPUT (majority_predicted BOOLEAN)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'majority_class');

CREATE MODEL no_change
INPUT (is_first_purchase BOOLEAN)
OUTPUT (no_change_predicted BOOLEAN)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'no_change');


-- 4. The year, row by row ------------------------------------------------------------------------------------------------

-- ML_TRAIN adds to each row what the model says of it before it has learned from it. LABEL_TIME makes that honest: a row is
-- learned only when the watermark has passed the moment at which its label was known. Until then it waits.
CREATE VIEW with_majority AS
SELECT * FROM ML_TRAIN(
  INPUT      => TABLE history,
  MODEL      => MODEL majority,
  LABEL      => DESCRIPTOR(rebought),
  ARGS       => DESCRIPTOR(is_first_purchase),
  LABEL_TIME => DESCRIPTOR(label_time));

CREATE VIEW with_baselines AS
SELECT * FROM ML_TRAIN(
  INPUT      => TABLE with_majority,
  MODEL      => MODEL no_change,
  LABEL      => DESCRIPTOR(rebought),
  ARGS       => DESCRIPTOR(is_first_purchase),
  LABEL_TIME => DESCRIPTOR(label_time));

CREATE VIEW scored AS
SELECT * FROM ML_TRAIN(
  INPUT      => TABLE with_baselines,
  MODEL      => MODEL intent,
  LABEL      => DESCRIPTOR(rebought),
  ARGS       => DESCRIPTOR(log_days_since_last, log_purchases_so_far, log_purchases_28_days, log_baskets_so_far,
                           log_spend_so_far, log_price, discount_share, is_first_purchase,
                           department, brand, hour_of_day, weekday, product_category),
  LABEL_TIME => DESCRIPTOR(label_time));

CREATE TABLE predictions (
  purchased_at        TIMESTAMP(3),
  household_id        BIGINT,
  basket_id           BIGINT,
  product_id          BIGINT,
  product_category    STRING,
  department          STRING,
  rebought            BOOLEAN,
  label_time          TIMESTAMP(3),
  predicted           BOOLEAN,
  probability         DOUBLE,
  majority_predicted  BOOLEAN,
  no_change_predicted BOOLEAN
) WITH ('connector' = 'filesystem', 'path' = '${output}/predictions.parquet', 'format' = 'parquet');

CREATE TABLE weekly_quality (
  week_start    TIMESTAMP(3),
  purchases     BIGINT,
  labelled      BIGINT,
  positive_rate DOUBLE,
  accuracy      DOUBLE,
  log_loss      DOUBLE,
  roc_auc       DOUBLE
) WITH ('connector' = 'filesystem', 'path' = '${output}/weekly_quality.csv', 'format' = 'csv');

-- A statement set is one dataflow: the year is read once, each model learns once, and both tables are filled. Metrics are
-- aggregate functions, here over weeks of event time; rows without a label count in none of them.
EXECUTE STATEMENT SET
BEGIN
  INSERT OVERWRITE predictions
  SELECT purchased_at, household_id, basket_id, product_id, product_category, department, rebought, label_time,
         predicted, probability, majority_predicted, no_change_predicted
  FROM scored;

  INSERT OVERWRITE weekly_quality
  SELECT
    window_start,
    COUNT(*),
    COUNT(rebought),
    AVG(CASE WHEN rebought THEN 1.0 WHEN NOT rebought THEN 0.0 END),
    ML_ACCURACY(rebought, predicted),
    ML_LOG_LOSS(rebought, probability),
    ML_ROC_AUC(rebought, probability)
  FROM TABLE(TUMBLE(TABLE scored, DESCRIPTOR(purchased_at), INTERVAL '7' DAY))
  GROUP BY window_start, window_end;
END;


-- 5. How good was it? ----------------------------------------------------------------------------------------------------

CREATE TABLE quality_by_month (
  `month`            STRING,
  purchases          BIGINT,
  labelled           BIGINT,
  positive_rate      DOUBLE,
  accuracy           DOUBLE,
  majority_accuracy  DOUBLE,
  no_change_accuracy DOUBLE,
  `precision`        DOUBLE,
  recall             DOUBLE,
  f1                 DOUBLE,
  log_loss           DOUBLE,
  roc_auc            DOUBLE
) WITH ('connector' = 'filesystem', 'path' = '${output}/quality_by_month.csv', 'format' = 'csv');

INSERT OVERWRITE quality_by_month
SELECT
  DATE_FORMAT(purchased_at, 'yyyy-MM') AS `month`,
  COUNT(*),
  COUNT(rebought),
  AVG(CASE WHEN rebought THEN 1.0 WHEN NOT rebought THEN 0.0 END),
  ML_ACCURACY(rebought, predicted),
  ML_ACCURACY(rebought, majority_predicted),
  ML_ACCURACY(rebought, no_change_predicted),
  ML_PRECISION(rebought, predicted),
  ML_RECALL(rebought, predicted),
  ML_F1(rebought, predicted),
  ML_LOG_LOSS(rebought, probability),
  ML_ROC_AUC(rebought, probability)
FROM predictions
GROUP BY DATE_FORMAT(purchased_at, 'yyyy-MM')
ORDER BY `month`;

CREATE TABLE quality_by_department (
  department         STRING,
  purchases          BIGINT,
  labelled           BIGINT,
  positive_rate      DOUBLE,
  accuracy           DOUBLE,
  majority_accuracy  DOUBLE,
  no_change_accuracy DOUBLE,
  `precision`        DOUBLE,
  recall             DOUBLE,
  f1                 DOUBLE,
  log_loss           DOUBLE,
  roc_auc            DOUBLE
) WITH ('connector' = 'filesystem', 'path' = '${output}/quality_by_department.csv', 'format' = 'csv');

INSERT OVERWRITE quality_by_department
SELECT
  department,
  COUNT(*) AS purchases,
  COUNT(rebought),
  AVG(CASE WHEN rebought THEN 1.0 WHEN NOT rebought THEN 0.0 END),
  ML_ACCURACY(rebought, predicted),
  ML_ACCURACY(rebought, majority_predicted),
  ML_ACCURACY(rebought, no_change_predicted),
  ML_PRECISION(rebought, predicted),
  ML_RECALL(rebought, predicted),
  ML_F1(rebought, predicted),
  ML_LOG_LOSS(rebought, probability),
  ML_ROC_AUC(rebought, probability)
FROM predictions
GROUP BY department
ORDER BY purchases DESC, department;

-- By month. The first two months are as bad as they look: see the README.
SELECT * FROM quality_by_month ORDER BY `month`;

-- By department, the twelve largest.
SELECT * FROM quality_by_department ORDER BY purchases DESC, department LIMIT 12;


-- 6. The held-out month --------------------------------------------------------------------------------------------------

-- The version of 31 October, which knows nothing of November, on November: no learning, only prediction. Every purchase of
-- November has its label. Keys are Flink's; its Precision, Recall and F1 are those of both classes, averaged, where ML_F1
-- and its kin above are of TRUE alone.
CREATE VIEW november AS
SELECT * FROM history
WHERE purchased_at >= TIMESTAMP '2017-11-01 00:00:00' AND purchased_at < TIMESTAMP '2017-12-01 00:00:00';

SELECT
  CAST(`result`['Rows'] AS BIGINT) AS purchases,
  `result`['PositiveRate'] AS positive_rate,
  `result`['Accuracy']     AS accuracy,
  `result`['Precision']    AS `precision`,
  `result`['Recall']       AS recall,
  `result`['F1']           AS f1,
  `result`['LogLoss']      AS log_loss,
  `result`['RocAuc']       AS roc_auc
FROM ML_EVALUATE(
  INPUT => TABLE november,
  MODEL => MODEL intent$october,
  LABEL => DESCRIPTOR(rebought),
  ARGS  => DESCRIPTOR(log_days_since_last, log_purchases_so_far, log_purchases_28_days, log_baskets_so_far,
                      log_spend_so_far, log_price, discount_share, is_first_purchase,
                      department, brand, hour_of_day, weekday, product_category),
  TASK  => 'classification');


-- 7. What did it learn? --------------------------------------------------------------------------------------------------

-- The five features with the most weight. Of a scaled feature it is what one standard deviation more adds to the log odds;
-- of a category, what being of it adds.
SELECT processed_input, category, weight
FROM ML_WEIGHTS(MODEL => MODEL intent$october)
ORDER BY ABS(weight) DESC
LIMIT 5;
