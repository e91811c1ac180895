-- The same question, asked of several learners side by side: which of them is best at it, month by month?
--
-- All of them go over one pass of the stream: a purchase is predicted by each when it is made, and learned by each when its answer
-- is known. The features are those that job.sql has written; so run that first:
--
--     tidegate run examples/purchase-intent/job.sql
--     tidegate run examples/purchase-intent/learners.sql

SET 'param.output' = 'output';   -- where job.sql has put its features

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

-- Trees take numbers as they are, also those that are missing, and texts as they are. Linear models want long tails on a logarithmic
-- scale, and so do neural networks. The factorisation machine knows households and categories by name.
CREATE VIEW history AS
SELECT
  *,
  LN(1 + days_since_last)         AS log_days_since_last,
  LN(1 + purchases_so_far)        AS log_purchases_so_far,
  LN(1 + purchases_28_days)       AS log_purchases_28_days,
  LN(1 + baskets_so_far)          AS log_baskets_so_far,
  LN(1 + price)                   AS log_price,
  CAST(household_id AS STRING)    AS household
FROM features;


-- 1. The learners --------------------------------------------------------------------------------------------------------

CREATE MODEL logistic
TRANSFORM (
  ML_STANDARD_SCALER(ML_IMPUTER(log_days_since_last, 'mean') OVER ()) OVER () AS log_days_since_last,
  ML_STANDARD_SCALER(log_purchases_so_far)  OVER () AS log_purchases_so_far,
  ML_STANDARD_SCALER(log_purchases_28_days) OVER () AS log_purchases_28_days,
  ML_STANDARD_SCALER(log_baskets_so_far)    OVER () AS log_baskets_so_far,
  ML_STANDARD_SCALER(log_price)             OVER () AS log_price,
  discount_share, department, brand, weekday, product_category
)
INPUT (
  log_days_since_last DOUBLE, log_purchases_so_far DOUBLE, log_purchases_28_days DOUBLE, log_baskets_so_far DOUBLE,
  log_price DOUBLE, discount_share DOUBLE, department STRING, brand STRING, weekday STRING, product_category STRING
)
OUTPUT (logistic_predicted BOOLEAN, logistic DOUBLE)
WITH (
  'provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression',
  'learning_rate' = '0.1', 'learning_rate_schedule' = 'inverse_scaling'
);

CREATE MODEL tree
INPUT (
  days_since_last DOUBLE, purchases_so_far BIGINT, purchases_28_days BIGINT, baskets_so_far BIGINT,
  price DOUBLE, discount_share DOUBLE, department STRING, brand STRING, weekday STRING, product_category STRING
)
OUTPUT (tree_predicted BOOLEAN, tree DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'hoeffding_tree');

CREATE MODEL forest
INPUT (
  days_since_last DOUBLE, purchases_so_far BIGINT, purchases_28_days BIGINT, baskets_so_far BIGINT,
  price DOUBLE, discount_share DOUBLE, department STRING, brand STRING, weekday STRING, product_category STRING
)
OUTPUT (forest_predicted BOOLEAN, forest DOUBLE)
WITH (
  -- Answers become known in bursts: all of a basket that was not bought again at once, 28 days later. Errors then come in bursts too,
  -- which the forest's detectors would take for a change, again and again, and plant new trees. So they are told to be sure.
  'provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'adaptive_random_forest',
  'drift_confidence' = '1e-12', 'warning_confidence' = '1e-11'
);

CREATE MODEL machine
TRANSFORM (
  ML_STANDARD_SCALER(ML_IMPUTER(log_days_since_last, 'mean') OVER ()) OVER () AS log_days_since_last,
  ML_STANDARD_SCALER(log_purchases_so_far)  OVER () AS log_purchases_so_far,
  ML_STANDARD_SCALER(log_purchases_28_days) OVER () AS log_purchases_28_days,
  ML_STANDARD_SCALER(log_baskets_so_far)    OVER () AS log_baskets_so_far,
  household, product_category
)
INPUT (
  log_days_since_last DOUBLE, log_purchases_so_far DOUBLE, log_purchases_28_days DOUBLE, log_baskets_so_far DOUBLE,
  household STRING, product_category STRING
)
OUTPUT (machine_predicted BOOLEAN, machine DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'factorization_machine', 'learning_rate' = '0.02');

CREATE MODEL network
TRANSFORM (
  ML_STANDARD_SCALER(ML_IMPUTER(log_days_since_last, 'mean') OVER ()) OVER () AS log_days_since_last,
  ML_STANDARD_SCALER(log_purchases_so_far)  OVER () AS log_purchases_so_far,
  ML_STANDARD_SCALER(log_purchases_28_days) OVER () AS log_purchases_28_days,
  ML_STANDARD_SCALER(log_baskets_so_far)    OVER () AS log_baskets_so_far,
  ML_STANDARD_SCALER(log_price)             OVER () AS log_price,
  discount_share, department, brand, weekday, product_category
)
INPUT (
  log_days_since_last DOUBLE, log_purchases_so_far DOUBLE, log_purchases_28_days DOUBLE, log_baskets_so_far DOUBLE,
  log_price DOUBLE, discount_share DOUBLE, department STRING, brand STRING, weekday STRING, product_category STRING
)
OUTPUT (network_predicted BOOLEAN, network DOUBLE)
WITH (
  -- A batch of 32 answers, which is the default, would be the shopping of a few baskets, most of them not bought again: large ones are
  -- a mixture.
  'provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'mlp', 'batch_size' = '1024'
);


-- 2. One pass ------------------------------------------------------------------------------------------------------------

CREATE VIEW by_logistic AS
SELECT * FROM ML_TRAIN(
  INPUT => TABLE history, MODEL => MODEL logistic, LABEL => DESCRIPTOR(rebought), LABEL_TIME => DESCRIPTOR(label_time),
  ARGS  => DESCRIPTOR(log_days_since_last, log_purchases_so_far, log_purchases_28_days, log_baskets_so_far, log_price,
                      discount_share, department, brand, weekday, product_category));

CREATE VIEW by_tree AS
SELECT * FROM ML_TRAIN(
  INPUT => TABLE by_logistic, MODEL => MODEL tree, LABEL => DESCRIPTOR(rebought), LABEL_TIME => DESCRIPTOR(label_time),
  ARGS  => DESCRIPTOR(days_since_last, purchases_so_far, purchases_28_days, baskets_so_far, price, discount_share,
                      department, brand, weekday, product_category));

CREATE VIEW by_forest AS
SELECT * FROM ML_TRAIN(
  INPUT => TABLE by_tree, MODEL => MODEL forest, LABEL => DESCRIPTOR(rebought), LABEL_TIME => DESCRIPTOR(label_time),
  ARGS  => DESCRIPTOR(days_since_last, purchases_so_far, purchases_28_days, baskets_so_far, price, discount_share,
                      department, brand, weekday, product_category));

CREATE VIEW by_machine AS
SELECT * FROM ML_TRAIN(
  INPUT => TABLE by_forest, MODEL => MODEL machine, LABEL => DESCRIPTOR(rebought), LABEL_TIME => DESCRIPTOR(label_time),
  ARGS  => DESCRIPTOR(log_days_since_last, log_purchases_so_far, log_purchases_28_days, log_baskets_so_far,
                      household, product_category));

CREATE VIEW scored AS
SELECT * FROM ML_TRAIN(
  INPUT => TABLE by_machine, MODEL => MODEL network, LABEL => DESCRIPTOR(rebought), LABEL_TIME => DESCRIPTOR(label_time),
  ARGS  => DESCRIPTOR(log_days_since_last, log_purchases_so_far, log_purchases_28_days, log_baskets_so_far, log_price,
                      discount_share, department, brand, weekday, product_category));

CREATE TABLE answers (
  purchased_at TIMESTAMP(3), rebought BOOLEAN, logistic_predicted BOOLEAN, logistic DOUBLE, tree_predicted BOOLEAN, tree DOUBLE,
  forest_predicted BOOLEAN, forest DOUBLE, machine_predicted BOOLEAN, machine DOUBLE,
  network_predicted BOOLEAN, network DOUBLE
) WITH ('connector' = 'filesystem', 'path' = '${output}/answers.parquet', 'format' = 'parquet');

INSERT OVERWRITE answers
SELECT purchased_at, rebought, logistic_predicted, logistic, tree_predicted, tree, forest_predicted, forest, machine_predicted, machine,
  network_predicted, network
FROM scored;


-- 3. Who is best? --------------------------------------------------------------------------------------------------------

-- How often each is right.
SELECT
  DATE_FORMAT(purchased_at, 'yyyy-MM')      AS `month`,
  ML_ACCURACY(rebought, logistic_predicted) AS logistic,
  ML_ACCURACY(rebought, tree_predicted)     AS tree,
  ML_ACCURACY(rebought, forest_predicted)   AS forest,
  ML_ACCURACY(rebought, machine_predicted)  AS machine,
  ML_ACCURACY(rebought, network_predicted)  AS network
FROM answers GROUP BY DATE_FORMAT(purchased_at, 'yyyy-MM') ORDER BY `month`;

-- How well each puts purchases in order.
SELECT
  DATE_FORMAT(purchased_at, 'yyyy-MM') AS `month`,
  ML_ROC_AUC(rebought, logistic)       AS logistic,
  ML_ROC_AUC(rebought, tree)           AS tree,
  ML_ROC_AUC(rebought, forest)         AS forest,
  ML_ROC_AUC(rebought, machine)        AS machine,
  ML_ROC_AUC(rebought, network)        AS network
FROM answers GROUP BY DATE_FORMAT(purchased_at, 'yyyy-MM') ORDER BY `month`;

-- How much each is surprised.
SELECT
  DATE_FORMAT(purchased_at, 'yyyy-MM') AS `month`,
  ML_LOG_LOSS(rebought, logistic)      AS logistic,
  ML_LOG_LOSS(rebought, tree)          AS tree,
  ML_LOG_LOSS(rebought, forest)        AS forest,
  ML_LOG_LOSS(rebought, machine)       AS machine,
  ML_LOG_LOSS(rebought, network)       AS network
FROM answers GROUP BY DATE_FORMAT(purchased_at, 'yyyy-MM') ORDER BY `month`;
