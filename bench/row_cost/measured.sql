-- Elec as in plain.sql, with six columns scaled by learned statistics and four metrics over all rows, on one thread.
SET 'parallelism.default' = '1';
CREATE TABLE elec (feat_1 DOUBLE, feat_2 DOUBLE, feat_3 DOUBLE, feat_4 DOUBLE, feat_5 DOUBLE, feat_6 DOUBLE, target BOOLEAN) WITH ('connector' = 'filesystem', 'path' = '${input}', 'format' = 'csv');
CREATE MODEL scaled
  TRANSFORM (ML_STANDARD_SCALER(feat_1) OVER () AS feat_1, ML_STANDARD_SCALER(feat_2) OVER () AS feat_2, ML_STANDARD_SCALER(feat_3) OVER () AS feat_3, ML_STANDARD_SCALER(feat_4) OVER () AS feat_4, ML_STANDARD_SCALER(feat_5) OVER () AS feat_5, ML_STANDARD_SCALER(feat_6) OVER () AS feat_6)
  INPUT (feat_1 DOUBLE, feat_2 DOUBLE, feat_3 DOUBLE, feat_4 DOUBLE, feat_5 DOUBLE, feat_6 DOUBLE)
  OUTPUT (predicted BOOLEAN, probability DOUBLE) WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression', 'learning_rate' = '0.1');
CREATE TABLE q (rows_seen BIGINT, accuracy DOUBLE, f1 DOUBLE, log_loss DOUBLE, auc DOUBLE) WITH ('connector' = 'blackhole');
CREATE TABLE hole (target BOOLEAN, predicted BOOLEAN, probability DOUBLE) WITH ('connector' = 'blackhole');
CREATE VIEW s AS SELECT target, predicted, probability FROM ML_TRAIN(TABLE elec, MODEL scaled, DESCRIPTOR(target));
EXECUTE STATEMENT SET BEGIN
INSERT INTO hole SELECT * FROM s;
INSERT INTO q SELECT COUNT(*), ML_ACCURACY(target, predicted), ML_F1(target, predicted), ML_LOG_LOSS(target, probability), ML_ROC_AUC(target, probability) FROM s;
END;
