-- Forest cover, lodgepole pine or not: one pass of plain SGD; each row is predicted, then learned. Every prediction
-- is written, and four metrics over all of them. Parameters: input, the CSV file; output, a folder.
CREATE TABLE covertype (
  f1 DOUBLE, f2 DOUBLE, f3 DOUBLE, f4 DOUBLE, f5 DOUBLE, f6 DOUBLE, f7 DOUBLE, f8 DOUBLE, f9 DOUBLE, f10 DOUBLE, f11
  DOUBLE, f12 DOUBLE, f13 DOUBLE, f14 DOUBLE, f15 DOUBLE, f16 DOUBLE, f17 DOUBLE, f18 DOUBLE, f19 DOUBLE, f20
  DOUBLE, f21 DOUBLE, f22 DOUBLE, f23 DOUBLE, f24 DOUBLE, f25 DOUBLE, f26 DOUBLE, f27 DOUBLE, f28 DOUBLE, f29
  DOUBLE, f30 DOUBLE, f31 DOUBLE, f32 DOUBLE, f33 DOUBLE, f34 DOUBLE, f35 DOUBLE, f36 DOUBLE, f37 DOUBLE, f38
  DOUBLE, f39 DOUBLE, f40 DOUBLE, f41 DOUBLE, f42 DOUBLE, f43 DOUBLE, f44 DOUBLE, f45 DOUBLE, f46 DOUBLE, f47
  DOUBLE, f48 DOUBLE, f49 DOUBLE, f50 DOUBLE, f51 DOUBLE, f52 DOUBLE, f53 DOUBLE, f54 DOUBLE, target BOOLEAN
) WITH ('connector' = 'filesystem', 'path' = '${input}', 'format' = 'csv', 'csv.header' = 'true');

CREATE MODEL covertype_sgd
  INPUT (
    f1 DOUBLE, f2 DOUBLE, f3 DOUBLE, f4 DOUBLE, f5 DOUBLE, f6 DOUBLE, f7 DOUBLE, f8 DOUBLE, f9 DOUBLE, f10 DOUBLE,
    f11 DOUBLE, f12 DOUBLE, f13 DOUBLE, f14 DOUBLE, f15 DOUBLE, f16 DOUBLE, f17 DOUBLE, f18 DOUBLE, f19 DOUBLE, f20
    DOUBLE, f21 DOUBLE, f22 DOUBLE, f23 DOUBLE, f24 DOUBLE, f25 DOUBLE, f26 DOUBLE, f27 DOUBLE, f28 DOUBLE, f29
    DOUBLE, f30 DOUBLE, f31 DOUBLE, f32 DOUBLE, f33 DOUBLE, f34 DOUBLE, f35 DOUBLE, f36 DOUBLE, f37 DOUBLE, f38
    DOUBLE, f39 DOUBLE, f40 DOUBLE, f41 DOUBLE, f42 DOUBLE, f43 DOUBLE, f44 DOUBLE, f45 DOUBLE, f46 DOUBLE, f47
    DOUBLE, f48 DOUBLE, f49 DOUBLE, f50 DOUBLE, f51 DOUBLE, f52 DOUBLE, f53 DOUBLE, f54 DOUBLE
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
  INPUT => TABLE covertype,
  MODEL => MODEL covertype_sgd,
  LABEL => DESCRIPTOR(target),
  ARGS => DESCRIPTOR(
    f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23, f24,
    f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43, f44, f45, f46,
    f47, f48, f49, f50, f51, f52, f53, f54
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
