-- The same model, tuned: 32 configurations race over one pass of the year, and the best of October is held against the one of job.sql
-- on November, which neither has seen.
--
-- The features are those that job.sql has written, and so is the model to beat; so run that first, from the same folder:
--
--     tidegate run examples/purchase-intent/job.sql
--     tidegate run examples/purchase-intent/tuning.sql

SET 'param.output'  = 'output';   -- where job.sql has put its features
SET 'param.warmup'  = '400000';   -- answers that are learned before configurations are compared
SET 'param.horizon' = '20000';    -- answers for which a configuration is held as it is
SET 'param.look'    = '100000';   -- answers after which those that are worse for certain are dropped for the first time

CREATE TABLE features (
  purchased_at      TIMESTAMP(3),
  household_id      BIGINT,
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
) WITH ('connector' = 'filesystem', 'path' = '${output}/features.parquet', 'format' = 'parquet');

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


-- 1. The race ------------------------------------------------------------------------------------------------------------

-- Transforms are those of job.sql, and run once for all configurations.
--
-- Late labels set two traps to whoever measures while learning. In the first weeks only good news arrive, so nothing is compared
-- before the warm-up is over. And answers come in bursts: all of a basket that was not bought again, at one moment; what learns fast
-- is right on the rest of a burst, and knows nothing of purchases to come. So each configuration is held as it is for some days, and
-- measured on the answers of these (rolling origin).
CREATE MODEL tuned
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
OUTPUT (tuned_predicted BOOLEAN, tuned DOUBLE)
WITH (
  'provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression',
  'optimizer' = 'choice(sgd, adagrad, ftrl)', 'learning_rate' = 'range(1e-3, 1, log)', 'l2' = 'choice(0, 1e-7, 1e-6, 1e-5)',
  'tune.trials' = '32', 'tune.warmup' = '${warmup}', 'tune.horizon' = '${horizon}', 'tune.min-rows' = '${look}',
  'version.at' = '2017-11-01 00:00:00', 'version.alias' = 'october'
);

CREATE TABLE tuned_predictions (
  purchased_at TIMESTAMP(3), rebought BOOLEAN, tuned_predicted BOOLEAN, tuned DOUBLE
) WITH ('connector' = 'filesystem', 'path' = '${output}/tuned_predictions.parquet', 'format' = 'parquet');

INSERT OVERWRITE tuned_predictions
SELECT purchased_at, rebought, tuned_predicted, tuned
FROM ML_TRAIN(
  INPUT => TABLE history, MODEL => MODEL tuned, LABEL => DESCRIPTOR(rebought), LABEL_TIME => DESCRIPTOR(label_time),
  ARGS  => DESCRIPTOR(log_days_since_last, log_purchases_so_far, log_purchases_28_days, log_baskets_so_far,
                      log_spend_so_far, log_price, discount_share, is_first_purchase,
                      department, brand, hour_of_day, weekday, product_category));

-- The configurations, those that got furthest first.
SELECT
  trial_id,
  hyperparameters['optimizer']     AS optimizer,
  hyperparameters['learning_rate'] AS learning_rate,
  hyperparameters['l2']            AS l2,
  eval_loss,
  `rows`,
  is_optimal
FROM ML_TRIAL_INFO(MODEL tuned$october)
ORDER BY `rows` DESC, eval_loss
LIMIT 8;


-- 2. Is it better? -------------------------------------------------------------------------------------------------------

CREATE VIEW november AS
SELECT * FROM history
WHERE purchased_at >= TIMESTAMP '2017-11-01 00:00:00' AND purchased_at < TIMESTAMP '2017-12-01 00:00:00';

-- Both versions of 31 October, on the same purchases.
CREATE VIEW by_intent AS
SELECT * FROM ML_PREDICT(
  INPUT => TABLE november, MODEL => MODEL intent$october,
  ARGS  => DESCRIPTOR(log_days_since_last, log_purchases_so_far, log_purchases_28_days, log_baskets_so_far,
                      log_spend_so_far, log_price, discount_share, is_first_purchase,
                      department, brand, hour_of_day, weekday, product_category));

CREATE VIEW by_both AS
SELECT * FROM ML_PREDICT(
  INPUT => TABLE by_intent, MODEL => MODEL tuned$october,
  ARGS  => DESCRIPTOR(log_days_since_last, log_purchases_so_far, log_purchases_28_days, log_baskets_so_far,
                      log_spend_so_far, log_price, discount_share, is_first_purchase,
                      department, brand, hour_of_day, weekday, product_category));

SELECT
  ML_LOG_LOSS(rebought, probability)     AS log_loss,
  ML_LOG_LOSS(rebought, tuned)           AS tuned_log_loss,
  ML_ROC_AUC(rebought, probability)      AS roc_auc,
  ML_ROC_AUC(rebought, tuned)            AS tuned_roc_auc,
  ML_ACCURACY(rebought, predicted)       AS accuracy,
  ML_ACCURACY(rebought, tuned_predicted) AS tuned_accuracy
FROM by_both;

-- By how much the log loss falls, with a 95 % confidence interval. The purchases of a household depend on each other, households do
-- not: so what is summed up is households (standard errors clustered by household).
CREATE VIEW by_household AS
SELECT
  household_id,
  COUNT(*) AS purchases,
  SUM(CASE WHEN rebought THEN LN(probability / tuned) ELSE LN((1 - probability) / (1 - tuned)) END) AS difference
FROM by_both
GROUP BY household_id;

SELECT
  mean                      AS log_loss_difference,
  mean - 1.96 * error       AS lower,
  mean + 1.96 * error       AS upper,
  households
FROM (
  SELECT
    MAX(average.mean) AS mean,
    COUNT(*)          AS households,
    SQRT(SUM(POWER(difference - purchases * average.mean, 2))) / SUM(purchases) AS error
  FROM by_household
  CROSS JOIN (SELECT SUM(difference) / SUM(purchases) AS mean FROM by_household) AS average
) AS clustered;
