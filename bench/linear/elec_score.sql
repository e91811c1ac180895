-- Electricity prices, up or down: one pass of plain SGD; each row is predicted, then learned. Every prediction is
-- written, and four metrics over all of them. Parameters: input, the CSV file; output, a folder.
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
  );

CREATE TABLE predictions (predicted BOOLEAN, probability DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${output}/predictions', 'format' = 'csv');

CREATE TABLE quality (accuracy DOUBLE, f1 DOUBLE, log_loss DOUBLE, roc_auc DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${output}/quality', 'format' = 'json');

CREATE VIEW scored AS
SELECT target, predicted, probability
FROM ML_TRAIN(
  INPUT => TABLE elec,
  MODEL => MODEL elec_sgd,
  LABEL => DESCRIPTOR(target),
  ARGS => DESCRIPTOR(
    feat_1, feat_2, feat_3, feat_4, feat_5, feat_6
  )
);

EXECUTE STATEMENT SET
BEGIN
  INSERT OVERWRITE predictions SELECT predicted, probability FROM scored;
  INSERT OVERWRITE quality
  SELECT
    ML_ACCURACY(target, predicted) AS accuracy,
    ML_F1(target, predicted) AS f1,
    ML_LOG_LOSS(target, probability) AS log_loss,
    ML_ROC_AUC(target, probability) AS roc_auc
  FROM scored;
END;
