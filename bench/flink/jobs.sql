-- What a linear model of 8 numbers costs in Flink, on rows of its own generator. Steps in this order: rows alone, rows learned, rows
-- predicted. `cargo xtask bench flink` puts Flink's generator, and a faster one, in the place of ours.
CREATE TABLE events (
  x1 DOUBLE, x2 DOUBLE, x3 DOUBLE, x4 DOUBLE, x5 DOUBLE, x6 DOUBLE, x7 DOUBLE, x8 DOUBLE, label BOOLEAN
) WITH ('connector' = 'datagen', 'number-of-rows' = '${rows}');

CREATE MODEL linear
INPUT (x1 DOUBLE, x2 DOUBLE, x3 DOUBLE, x4 DOUBLE, x5 DOUBLE, x6 DOUBLE, x7 DOUBLE, x8 DOUBLE)
OUTPUT (predicted BOOLEAN, probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression', 'optimizer' = 'sgd',
      'learning_rate' = '0.01');

CREATE TABLE nowhere (x DOUBLE, label BOOLEAN) WITH ('connector' = 'blackhole');

INSERT INTO nowhere SELECT x1, label FROM events;

INSERT INTO nowhere SELECT probability, predicted
FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL linear, LABEL => DESCRIPTOR(label),
              ARGS => DESCRIPTOR(x1, x2, x3, x4, x5, x6, x7, x8));

INSERT INTO nowhere SELECT probability, predicted
FROM ML_PREDICT(INPUT => TABLE events, MODEL => MODEL linear, ARGS => DESCRIPTOR(x1, x2, x3, x4, x5, x6, x7, x8));
