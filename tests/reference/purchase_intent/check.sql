-- The cases of reference.json, by Tidegate: the model of examples/purchase-intent/job.sql, the same rows, the same order.
--
--     tidegate run check.sql --param features=…/features.parquet --param one_in=1 --param rows=50000 --param late=true
--
-- The last statement prints what reference.py calls rows, labelled, positives, mean_spend_so_far, mean_discount_share,
-- log_loss, accuracy, roc_auc and mean_probability. CREATE VIEW history and CREATE MODEL are job.sql's, but for what is said
-- there of versions; a change there is a change here.

SET 'param.features' = '../../../examples/purchase-intent/output/features.parquet';
SET 'param.output'   = 'output';
SET 'param.one_in'   = '1';       -- one household in so many
SET 'param.rows'     = '50000';   -- at most so many rows
SET 'param.late'     = 'true';    -- whether a row waits until its label is known; false: learned right after it is predicted

CREATE TABLE features (
  purchased_at      TIMESTAMP(3),
  household_id      BIGINT,
  basket_id         BIGINT,
  product_id        BIGINT,
  product_category  STRING,
  department        STRING,
  brand             STRING,
  hour_of_day       STRING,
  weekday           STRING,
  days_since_last   DOUBLE,
  purchases_so_far  BIGINT,
  purchases_28_days BIGINT,
  baskets_so_far    BIGINT,
  spend_so_far      DOUBLE,
  price             DOUBLE,
  discount_share    DOUBLE,
  rebought          BOOLEAN,
  label_time        TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = '${features}', 'format' = 'parquet');

CREATE TABLE chosen (
  purchased_at      TIMESTAMP(3),
  household_id      BIGINT,
  basket_id         BIGINT,
  product_id        BIGINT,
  product_category  STRING,
  department        STRING,
  brand             STRING,
  hour_of_day       STRING,
  weekday           STRING,
  days_since_last   DOUBLE,
  purchases_so_far  BIGINT,
  purchases_28_days BIGINT,
  baskets_so_far    BIGINT,
  spend_so_far      DOUBLE,
  price             DOUBLE,
  discount_share    DOUBLE,
  rebought          BOOLEAN,
  label_time        TIMESTAMP(3),
  WATERMARK FOR purchased_at AS purchased_at - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${output}/chosen.parquet', 'format' = 'parquet');

-- A label known before the purchase is learned right after the purchase is predicted.
INSERT OVERWRITE chosen
SELECT
  purchased_at, household_id, basket_id, product_id, product_category, department, brand, hour_of_day, weekday,
  days_since_last, purchases_so_far, purchases_28_days, baskets_so_far, spend_so_far, price, discount_share, rebought,
  CASE WHEN ${late} THEN label_time ELSE purchased_at - INTERVAL '1' MINUTE END AS label_time
FROM features
WHERE household_id % ${one_in} = 0
ORDER BY purchased_at, basket_id, product_id
LIMIT ${rows};

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
FROM chosen;

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
  'version.final' = 'false'
);

CREATE TABLE predictions (
  rebought       BOOLEAN,
  predicted      BOOLEAN,
  probability    DOUBLE,
  spend_so_far   DOUBLE,
  discount_share DOUBLE
) WITH ('connector' = 'filesystem', 'path' = '${output}/predictions.parquet', 'format' = 'parquet');

INSERT OVERWRITE predictions
SELECT rebought, predicted, probability, spend_so_far, discount_share
FROM ML_TRAIN(
  INPUT      => TABLE history,
  MODEL      => MODEL intent,
  LABEL      => DESCRIPTOR(rebought),
  ARGS       => DESCRIPTOR(log_days_since_last, log_purchases_so_far, log_purchases_28_days, log_baskets_so_far,
                           log_spend_so_far, log_price, discount_share, is_first_purchase,
                           department, brand, hour_of_day, weekday, product_category),
  LABEL_TIME => DESCRIPTOR(label_time));

SELECT
  COUNT(*)                                AS `rows`,
  COUNT(rebought)                         AS labelled,
  SUM(CASE WHEN rebought THEN 1 ELSE 0 END) AS positives,
  AVG(spend_so_far)                       AS mean_spend_so_far,
  AVG(discount_share)                     AS mean_discount_share,
  ML_LOG_LOSS(rebought, probability)      AS log_loss,
  ML_ACCURACY(rebought, predicted)        AS accuracy,
  ML_ROC_AUC(rebought, probability)       AS roc_auc,
  AVG(probability)                        AS mean_probability
FROM predictions;
