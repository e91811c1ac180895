-- Flights, delayed or not, by sparse features: one pass of plain SGD; each row is predicted, then learned. Every
-- prediction is written, and four metrics over all of them. Parameters: input, the CSV file; output, a folder.
CREATE TABLE flights (
  `hour` STRING, weekday STRING, origin STRING, destination STRING, distance DOUBLE, delayed BOOLEAN
) WITH ('connector' = 'filesystem', 'path' = '${input}', 'format' = 'csv', 'csv.header' = 'true');

CREATE MODEL flights_sgd
  TRANSFORM (
    ML_ONE_HOT_ENCODER(`hour`) OVER () AS `hour`,
    ML_ONE_HOT_ENCODER(weekday) OVER () AS weekday,
    ML_ONE_HOT_ENCODER(origin) OVER () AS origin,
    ML_ONE_HOT_ENCODER(destination) OVER () AS destination,
    distance
  )
  INPUT (
    `hour` STRING, weekday STRING, origin STRING, destination STRING, distance DOUBLE
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
SELECT delayed, predicted, probability
FROM ML_TRAIN(
  INPUT => TABLE flights,
  MODEL => MODEL flights_sgd,
  LABEL => DESCRIPTOR(delayed),
  ARGS => DESCRIPTOR(
    `hour`, weekday, origin, destination, distance
  )
);

EXECUTE STATEMENT SET
BEGIN
  INSERT OVERWRITE predictions SELECT predicted, probability FROM scored;
  INSERT OVERWRITE quality
  SELECT
    ML_ACCURACY(delayed, predicted) AS accuracy,
    ML_F1(delayed, predicted) AS f1,
    ML_LOG_LOSS(delayed, probability) AS log_loss,
    ML_ROC_AUC(delayed, probability) AS roc_auc
  FROM scored;
END;
