-- Electricity prices, up or down: one pass of plain SGD, learning only. Parameters: input, the CSV file.
CREATE TABLE elec (
  feat_1 DOUBLE, feat_2 DOUBLE, feat_3 DOUBLE, feat_4 DOUBLE, feat_5 DOUBLE, feat_6 DOUBLE, target BOOLEAN
) WITH ('connector' = 'filesystem', 'path' = '${input}', 'format' = 'csv', 'csv.header' = 'true');

CREATE MODEL elec_sgd
  INPUT (
    feat_1 DOUBLE, feat_2 DOUBLE, feat_3 DOUBLE, feat_4 DOUBLE, feat_5 DOUBLE, feat_6 DOUBLE
  )
  OUTPUT (predicted BOOLEAN, probability DOUBLE)
  WITH (
    'provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression',
    'optimizer' = 'sgd', 'learning_rate' = '0.1', 'l2' = '0'
  )
  AS SELECT
    feat_1, feat_2, feat_3, feat_4, feat_5, feat_6, target
  FROM elec;
