-- Does the price of electricity go up or down?
--
-- 45,312 half hours of the New South Wales market (Harries 1999), each predicted, then learned, in the order of the file: the
-- plainest online logistic regression there is, at two learning rates. The figures it prints are known from elsewhere to the
-- fourth digit (see the README), so this script is also a test.
--
--     cargo xtask data elec
--     tidegate run examples/electricity/job.sql --param data=$HOME/.cache/tidegate/data/elec

SET 'param.data'   = 'data';
SET 'param.output' = 'output';

CREATE TABLE elec (
  feat_1 DOUBLE,      -- the time of day; price and demand here, then in the state next door; what flows across
  feat_2 DOUBLE,
  feat_3 DOUBLE,
  feat_4 DOUBLE,
  feat_5 DOUBLE,
  feat_6 DOUBLE,
  target              BOOLEAN      -- 1: the price is above its mean of the last day
) WITH ('connector' = 'filesystem', 'path' = '${data}/elec.csv', 'format' = 'csv');

-- Without a TRANSFORM clause numbers are taken as they are. The intercept has the same learning rate.
CREATE MODEL fast
INPUT (feat_1 DOUBLE, feat_2 DOUBLE, feat_3 DOUBLE, feat_4 DOUBLE, feat_5 DOUBLE, feat_6 DOUBLE)
OUTPUT (fast_predicted BOOLEAN, fast_probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression',
      'optimizer' = 'sgd', 'learning_rate' = '0.1');

CREATE MODEL slow
INPUT (feat_1 DOUBLE, feat_2 DOUBLE, feat_3 DOUBLE, feat_4 DOUBLE, feat_5 DOUBLE, feat_6 DOUBLE)
OUTPUT (slow_predicted BOOLEAN, slow_probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression',
      'optimizer' = 'sgd', 'learning_rate' = '0.01');

-- The price moves slowly: it is hard to beat whoever says that nothing will change.
CREATE MODEL no_change
INPUT (feat_1 DOUBLE)
OUTPUT (no_change_predicted BOOLEAN)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'no_change');

-- Each ML_TRAIN adds the columns of its model. There is no LABEL_TIME: a row is learned as soon as it is predicted.
CREATE VIEW with_fast AS
SELECT * FROM ML_TRAIN(INPUT => TABLE elec, MODEL => MODEL fast, LABEL => DESCRIPTOR(target),
                       ARGS => DESCRIPTOR(feat_1, feat_2, feat_3, feat_4, feat_5, feat_6));

CREATE VIEW with_slow AS
SELECT * FROM ML_TRAIN(INPUT => TABLE with_fast, MODEL => MODEL slow, LABEL => DESCRIPTOR(target),
                       ARGS => DESCRIPTOR(feat_1, feat_2, feat_3, feat_4, feat_5, feat_6));

CREATE VIEW scored AS
SELECT * FROM ML_TRAIN(INPUT => TABLE with_slow, MODEL => MODEL no_change, LABEL => DESCRIPTOR(target),
                       ARGS => DESCRIPTOR(feat_1));

CREATE TABLE predictions (
  target              BOOLEAN,
  fast_predicted      BOOLEAN,
  fast_probability    DOUBLE,
  slow_predicted      BOOLEAN,
  slow_probability    DOUBLE,
  no_change_predicted BOOLEAN
) WITH ('connector' = 'filesystem', 'path' = '${output}/predictions.parquet', 'format' = 'parquet');

INSERT OVERWRITE predictions
SELECT target, fast_predicted, fast_probability, slow_predicted, slow_probability, no_change_predicted
FROM scored;

-- Metrics are aggregate functions.
SELECT 'plain SGD, learning rate 0.1'          AS learner,
       COUNT(*)                               AS half_hours,
       ML_ACCURACY(target, fast_predicted)    AS accuracy,
       ML_LOG_LOSS(target, fast_probability)  AS log_loss,
       ML_ROC_AUC(target, fast_probability)   AS roc_auc
FROM predictions
UNION ALL
SELECT 'plain SGD, learning rate 0.01',
       COUNT(*),
       ML_ACCURACY(target, slow_predicted),
       ML_LOG_LOSS(target, slow_probability),
       ML_ROC_AUC(target, slow_probability)
FROM predictions
UNION ALL
SELECT 'no change',
       COUNT(*),
       ML_ACCURACY(target, no_change_predicted),
       CAST(NULL AS DOUBLE),
       CAST(NULL AS DOUBLE)
FROM predictions
ORDER BY accuracy DESC;
