-- Elec, each row predicted, then learned: nothing scaled, nothing measured. What measured.sql takes more is the cost of both.
SET 'parallelism.default' = '1';
CREATE TABLE elec (feat_1 DOUBLE, feat_2 DOUBLE, feat_3 DOUBLE, feat_4 DOUBLE, feat_5 DOUBLE, feat_6 DOUBLE, target BOOLEAN) WITH ('connector' = 'filesystem', 'path' = '${input}', 'format' = 'csv');
CREATE MODEL plain INPUT (feat_1 DOUBLE, feat_2 DOUBLE, feat_3 DOUBLE, feat_4 DOUBLE, feat_5 DOUBLE, feat_6 DOUBLE)
  OUTPUT (predicted BOOLEAN, probability DOUBLE) WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression', 'learning_rate' = '0.1');
CREATE TABLE hole (target BOOLEAN, predicted BOOLEAN, probability DOUBLE) WITH ('connector' = 'blackhole');
INSERT INTO hole SELECT target, predicted, probability FROM ML_TRAIN(TABLE elec, MODEL plain, DESCRIPTOR(target));
