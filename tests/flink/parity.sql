-- Scripts that give the same embedded and in Flink. What stands before the first line of `=== name` is the beginning of each.

CREATE TABLE events (
  id BIGINT, ts TIMESTAMP(3), known_at TIMESTAMP(3), x DOUBLE, n INT, ok BOOLEAN, color STRING, price DECIMAL(10, 2),
  bought BOOLEAN, kind STRING, stars BIGINT, amount DOUBLE, weight DOUBLE, flag INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'events.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE colors (name STRING, warmth DOUBLE)
WITH ('connector' = 'filesystem', 'path' = 'colors.csv', 'format' = 'csv');

CREATE MODEL buys
  TRANSFORM (ML_STANDARD_SCALER(ML_IMPUTER(x, 'mean') OVER ()) OVER () AS x, ML_MIN_MAX_SCALER(n) OVER () AS n, ok,
             ML_ONE_HOT_ENCODER(color) OVER () AS color)
  INPUT (x DOUBLE, n INT, ok BOOLEAN, color STRING) OUTPUT (predicted BOOLEAN, probability DOUBLE)
  WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression');

CREATE VIEW scored AS
SELECT * FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL buys, LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(x, n, ok, color));

CREATE TABLE out (id BIGINT, predicted BOOLEAN, probability DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${output}/out.csv', 'format' = 'csv');

CREATE TABLE figures (name STRING, value_1 DOUBLE, value_2 DOUBLE, rows_seen BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${output}/figures.csv', 'format' = 'csv');

=== rows of a file
INSERT INTO out SELECT id, bought, x FROM events WHERE n > 0 OR color IS NULL;

=== train
INSERT INTO out SELECT id, predicted, probability FROM scored;

=== train with ftrl
ALTER MODEL buys SET ('optimizer' = 'ftrl', 'learning_rate' = '0.1', 'l1' = '0.001');
INSERT INTO out SELECT id, predicted, probability FROM scored;

=== train with adagrad and l2
ALTER MODEL buys SET ('optimizer' = 'adagrad', 'learning_rate' = '0.2', 'l2' = '0.01');
INSERT INTO out SELECT id, predicted, probability FROM scored;

=== labels that come late
INSERT INTO out
SELECT id, predicted, probability FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL buys, LABEL => DESCRIPTOR(bought),
  ARGS => DESCRIPTOR(x, n, ok, color), LABEL_TIME => DESCRIPTOR(known_at));

=== positional arguments
INSERT INTO out
SELECT id, predicted, probability
FROM ML_TRAIN(TABLE events, MODEL buys, DESCRIPTOR(bought), DESCRIPTOR(x, n, ok, color), DESCRIPTOR(known_at));

=== row weights
INSERT INTO out
SELECT id, predicted, probability FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL buys, LABEL => DESCRIPTOR(bought),
  ARGS => DESCRIPTOR(x, n, ok, color), WEIGHT => DESCRIPTOR(weight));

=== a label of 0 and 1
INSERT INTO out
SELECT id, predicted, probability FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL buys, LABEL => DESCRIPTOR(flag),
  ARGS => DESCRIPTOR(x, n, ok, color));

=== versions on the way
ALTER MODEL buys SET ('version.at' = '2024-01-01 00:10:00, 2024-01-01 00:20:00', 'version.alias' = 'early, late');
INSERT INTO out
SELECT id, predicted, probability FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL buys, LABEL => DESCRIPTOR(bought),
  ARGS => DESCRIPTOR(x, n, ok, color), LABEL_TIME => DESCRIPTOR(known_at));

=== no last version
ALTER MODEL buys SET ('version.final' = 'false');
INSERT INTO out SELECT id, predicted, probability FROM scored;

=== replicas
ALTER MODEL buys SET ('training.parallelism' = '4', 'training.sync-rows' = '256');
INSERT INTO out SELECT id, predicted, probability FROM scored;

=== replicas by a column
ALTER MODEL buys SET ('training.parallelism' = '3', 'training.sync-rows' = '200', 'training.shard-by' = 'color');
INSERT INTO out SELECT id, predicted, probability FROM scored;

=== a filter below
CREATE VIEW some AS SELECT * FROM events WHERE n >= 0;
INSERT INTO out
SELECT id, predicted, probability FROM ML_TRAIN(INPUT => TABLE some, MODEL => MODEL buys, LABEL => DESCRIPTOR(bought),
  ARGS => DESCRIPTOR(x, n, ok, color));

=== a query for input
INSERT INTO out
SELECT id, predicted, probability
FROM ML_TRAIN(INPUT => (SELECT id, ts, x * 2 AS x, n + 1 AS n, NOT ok AS ok, UPPER(color) AS color, bought FROM events WHERE id < 2000),
  MODEL => MODEL buys, LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(x, n, ok, color));

=== filtered on the prediction
INSERT INTO out SELECT id, predicted, probability FROM scored WHERE predicted AND probability > 0.75;

=== text classes
CREATE MODEL sort INPUT (x DOUBLE, color STRING) OUTPUT (predicted STRING, odds MAP<STRING, DOUBLE>)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression');
CREATE TABLE sorted (id BIGINT, predicted STRING, low DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${output}/sorted.csv', 'format' = 'csv');
CREATE VIEW complete AS SELECT id, x, color, kind FROM events WHERE x IS NOT NULL AND color IS NOT NULL;
INSERT INTO sorted SELECT id, predicted, odds['low']
FROM ML_TRAIN(INPUT => TABLE complete, MODEL => MODEL sort, LABEL => DESCRIPTOR(kind), ARGS => DESCRIPTOR(x, color));

=== integer classes
CREATE MODEL stars_model INPUT (n INT, ok BOOLEAN) OUTPUT (predicted BIGINT)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression');
CREATE TABLE starred (id BIGINT, stars BIGINT, predicted BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${output}/starred.csv', 'format' = 'csv');
INSERT INTO starred SELECT id, stars, predicted
FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL stars_model, LABEL => DESCRIPTOR(stars), ARGS => DESCRIPTOR(n, ok));

=== regression
CREATE MODEL amounts TRANSFORM (ML_STANDARD_SCALER(n) OVER () AS n, ok, ML_ROBUST_SCALER(price) OVER () AS price)
INPUT (n INT, ok BOOLEAN, price DECIMAL(10, 2)) OUTPUT (predicted DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'regression', 'algorithm' = 'linear_regression', 'learning_rate' = '0.01');
CREATE TABLE amounts_out (id BIGINT, amount DOUBLE, predicted DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${output}/amounts.csv', 'format' = 'csv');
INSERT INTO amounts_out SELECT id, amount, predicted
FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL amounts, LABEL => DESCRIPTOR(amount), ARGS => DESCRIPTOR(n, ok, price));

=== passive aggressive
CREATE MODEL pa INPUT (n INT, ok BOOLEAN) OUTPUT (predicted BOOLEAN)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'passive_aggressive');
INSERT INTO out SELECT id, predicted, CAST(NULL AS DOUBLE)
FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL pa, LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(n, ok));

=== no change
CREATE MODEL same INPUT (n INT) OUTPUT (predicted BOOLEAN)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'no_change');
INSERT INTO out SELECT id, predicted, CAST(NULL AS DOUBLE)
FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL same, LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(n));

=== a forest over rows with gaps
CREATE MODEL forest INPUT (x DOUBLE, n INT, ok BOOLEAN, color STRING) OUTPUT (predicted BOOLEAN, probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'adaptive_random_forest');
INSERT INTO out SELECT id, predicted, probability
FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL forest, LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(x, n, ok, color),
  LABEL_TIME => DESCRIPTOR(known_at));

=== an adaptive tree
CREATE MODEL tree INPUT (x DOUBLE, n INT, ok BOOLEAN, color STRING) OUTPUT (predicted BOOLEAN, probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'hoeffding_adaptive_tree', 'grace_period' = '50');
INSERT INTO out SELECT id, predicted, probability
FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL tree, LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(x, n, ok, color));

=== naive Bayes of replicas
CREATE MODEL bayes INPUT (x DOUBLE, n INT, color STRING) OUTPUT (predicted BOOLEAN, probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'gaussian_nb', 'training.parallelism' = '3',
      'training.sync-rows' = '200');
INSERT INTO out SELECT id, predicted, probability
FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL bayes, LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(x, n, color));

=== nearest neighbours
CREATE MODEL near INPUT (x DOUBLE, n INT, color STRING) OUTPUT (predicted BOOLEAN, probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'knn', 'weights' = 'distance');
INSERT INTO out SELECT id, predicted, probability
FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL near, LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(x, n, color));

=== a tree for numbers, and factors
CREATE MODEL numbers_tree INPUT (n INT, color STRING, price DECIMAL(10, 2)) OUTPUT (tree DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'regression', 'algorithm' = 'hoeffding_tree_regressor');
CREATE MODEL factors INPUT (color STRING, kind STRING) OUTPUT (machine DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'regression', 'algorithm' = 'factorization_machine');
CREATE VIEW by_tree AS SELECT * FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL numbers_tree, LABEL => DESCRIPTOR(amount),
  ARGS => DESCRIPTOR(n, color, price));
INSERT INTO figures SELECT color, tree, machine, id FROM ML_TRAIN(INPUT => TABLE by_tree, MODEL => MODEL factors,
  LABEL => DESCRIPTOR(amount), ARGS => DESCRIPTOR(color, kind));

=== clusters
CREATE MODEL crowds INPUT (n INT, price DECIMAL(10, 2)) OUTPUT (cluster BIGINT, distance DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'clustering', 'algorithm' = 'kmeans', 'k' = '3', 'init_rows' = '20', 'half_life' = '50');
INSERT INTO figures SELECT color, distance, price, cluster FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL crowds);

=== anomalies
CREATE MODEL odd INPUT (n INT, x DOUBLE) OUTPUT (score DOUBLE, is_anomaly BOOLEAN)
WITH ('provider' = 'tidegate', 'task' = 'anomaly_detection', 'algorithm' = 'half_space_trees', 'window_size' = '30');
INSERT INTO out SELECT id, is_anomaly, score FROM ML_DETECT_ANOMALIES(INPUT => TABLE events, MODEL => MODEL odd);

=== changes of each key
CREATE MODEL drift INPUT (amount DOUBLE) OUTPUT (changed BOOLEAN, warning BOOLEAN)
WITH ('provider' = 'tidegate', 'task' = 'change_detection', 'algorithm' = 'page_hinkley', 'threshold' = '1', 'min_instances' = '5');
INSERT INTO out SELECT id, changed, amount FROM ML_DETECT_CHANGE(INPUT => TABLE events PARTITION BY color, MODEL => MODEL drift);

=== history without labels
CREATE MODEL past_crowds INPUT (n INT) OUTPUT (cluster BIGINT, distance DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'clustering', 'algorithm' = 'kmeans', 'k' = '3', 'init_rows' = '20')
AS SELECT n FROM events;
INSERT INTO figures SELECT color, distance, price, cluster FROM ML_PREDICT(TABLE events, MODEL past_crowds, DESCRIPTOR(n));

=== two models side by side
CREATE MODEL slow INPUT (n INT, ok BOOLEAN) OUTPUT (slow_predicted BOOLEAN, slow_probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression', 'learning_rate' = '0.001');
CREATE VIEW both AS
SELECT * FROM ML_TRAIN(INPUT => TABLE scored, MODEL => MODEL slow, LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(n, ok));
INSERT INTO out SELECT id, slow_predicted, probability - slow_probability FROM both;

=== one training, two tables
CREATE TABLE others (id BIGINT, probability DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${output}/others.csv', 'format' = 'csv');
EXECUTE STATEMENT SET BEGIN
  INSERT INTO out SELECT id, predicted, probability FROM scored WHERE predicted;
  INSERT INTO others SELECT id, probability FROM scored WHERE NOT predicted;
END;

=== history
CREATE MODEL past INPUT (n INT, ok BOOLEAN) OUTPUT (predicted BOOLEAN, probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression', 'label' = 'bought')
AS SELECT n, ok, bought FROM events;
INSERT INTO out SELECT id, predicted, probability
FROM ML_PREDICT(INPUT => TABLE events, MODEL => MODEL past, ARGS => DESCRIPTOR(n, ok));

=== history in three epochs, sorted
CREATE MODEL past INPUT (n INT, ok BOOLEAN) OUTPUT (predicted BOOLEAN, probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression', 'label' = 'bought', 'epochs' = '3')
AS SELECT n, ok, bought FROM events WHERE id < 1000 ORDER BY id DESC;

=== history with weights and replicas
CREATE MODEL past INPUT (n INT, ok BOOLEAN) OUTPUT (predicted BOOLEAN, probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression', 'label' = 'bought', 'weight' = 'weight',
      'training.parallelism' = '2', 'training.sync-rows' = '100', 'epochs' = '2')
AS SELECT n, ok, bought, weight FROM events;

=== train, then predict
INSERT INTO out SELECT id, predicted, probability FROM scored WHERE id < 100;
CREATE TABLE again (id BIGINT, predicted BOOLEAN, probability DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${output}/again.csv', 'format' = 'csv');
INSERT INTO again SELECT id, predicted, probability
FROM ML_PREDICT(INPUT => TABLE events, MODEL => MODEL buys$1, ARGS => DESCRIPTOR(x, n, ok, color));

=== go on from a version
INSERT INTO out SELECT id, predicted, probability FROM scored WHERE id < 100;
ALTER MODEL buys SET ALIAS production = 1;
CREATE TABLE again (id BIGINT, predicted BOOLEAN, probability DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${output}/again.csv', 'format' = 'csv');
INSERT INTO again SELECT id, predicted, probability
FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL buys$production, LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(x, n, ok, color));

=== the version that predicts
CREATE OR REPLACE MODEL past INPUT (n INT, ok BOOLEAN) OUTPUT (predicted BOOLEAN, probability DOUBLE, version BIGINT)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression', 'label' = 'bought')
AS SELECT n, ok, bought FROM events;
CREATE TABLE versions (id BIGINT, version BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${output}/versions.csv', 'format' = 'csv');
INSERT INTO versions SELECT id, version
FROM ML_PREDICT(INPUT => TABLE events, MODEL => MODEL past, ARGS => DESCRIPTOR(n, ok)) WHERE id < 10;

=== rows that the model does not take
CREATE TABLE sometimes (id BIGINT, x DOUBLE, bought BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = 'events.csv', 'format' = 'csv', 'csv.null-literal' = '', 'on-error' = 'skip');
CREATE MODEL strict INPUT (x DOUBLE) OUTPUT (predicted BOOLEAN, probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression');
INSERT INTO out SELECT id, predicted, probability
FROM ML_TRAIN(INPUT => TABLE sometimes, MODEL => MODEL strict, LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(x));

=== metrics of all rows
INSERT INTO figures
SELECT 'all', ML_ACCURACY(bought, predicted), ML_LOG_LOSS(bought, probability), COUNT(*) FROM scored;

=== metrics by group
INSERT INTO figures
SELECT kind, ML_ROC_AUC(bought, probability), ML_F1(bought, predicted), COUNT(*) FROM scored GROUP BY kind;

=== metrics by window
CREATE TABLE quality (start_at TIMESTAMP(3), end_at TIMESTAMP(3), auc DOUBLE, loss DOUBLE, rows_seen BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${output}/quality.csv', 'format' = 'csv');
INSERT INTO quality
SELECT window_start, window_end, ML_ROC_AUC(bought, probability), ML_LOG_LOSS(bought, probability), COUNT(*)
FROM TABLE(TUMBLE(TABLE scored, DESCRIPTOR(ts), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end;

=== metrics by hopping window and slice
CREATE TABLE quality (start_at TIMESTAMP(3), ok BOOLEAN, accuracy DOUBLE, rows_seen BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${output}/quality.csv', 'format' = 'csv');
INSERT INTO quality
SELECT window_start, ok, ML_ACCURACY(bought, predicted), COUNT(*)
FROM TABLE(HOP(TABLE scored, DESCRIPTOR(ts), INTERVAL '2' MINUTE, INTERVAL '6' MINUTE)) GROUP BY window_start, window_end, ok;

=== metrics by cumulating window
CREATE TABLE quality (start_at TIMESTAMP(3), end_at TIMESTAMP(3), accuracy DOUBLE, rows_seen BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${output}/quality.csv', 'format' = 'csv');
INSERT INTO quality
SELECT window_start, window_end, ML_ACCURACY(bought, predicted), COUNT(*)
FROM TABLE(CUMULATE(TABLE scored, DESCRIPTOR(ts), INTERVAL '2' MINUTE, INTERVAL '10' MINUTE)) GROUP BY window_start, window_end;

=== regression metrics
CREATE MODEL amounts INPUT (n INT, ok BOOLEAN) OUTPUT (predicted DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'regression', 'algorithm' = 'linear_regression', 'learning_rate' = '0.00001');
INSERT INTO figures
SELECT kind, ML_MAE(amount, predicted), ML_RMSE(amount, predicted), COUNT(*)
FROM ML_TRAIN(INPUT => TABLE events, MODEL => MODEL amounts, LABEL => DESCRIPTOR(amount), ARGS => DESCRIPTOR(n, ok)) GROUP BY kind;

=== an evaluation
CREATE MODEL past INPUT (n INT, ok BOOLEAN) OUTPUT (predicted BOOLEAN, probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression', 'label' = 'bought')
AS SELECT n, ok, bought FROM events WHERE id < 2000;
CREATE VIEW recent AS SELECT * FROM events WHERE id >= 2000;
INSERT INTO figures
SELECT 'recent', `result`['Accuracy'], `result`['AUC'], CAST(1 AS BIGINT)
FROM ML_EVALUATE(INPUT => TABLE recent, MODEL => MODEL past, LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(n, ok));

=== an evaluation of a regression
CREATE MODEL amounts INPUT (n INT, ok BOOLEAN) OUTPUT (predicted DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'regression', 'algorithm' = 'linear_regression', 'learning_rate' = '0.00001', 'label' = 'amount')
AS SELECT n, ok, amount FROM events;
INSERT INTO figures
SELECT 'all', `result`['MAE'], `result`['RMSE'], CAST(1 AS BIGINT)
FROM ML_EVALUATE(TABLE events, MODEL amounts, DESCRIPTOR(amount), DESCRIPTOR(n, ok));

=== a confusion matrix
CREATE MODEL sort INPUT (n INT, ok BOOLEAN) OUTPUT (predicted STRING)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression', 'label' = 'kind',
      'classes' = 'low,middle,high')
AS SELECT n, ok, kind FROM events;
CREATE TABLE counts (expected STRING, low BIGINT, middle BIGINT, high BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${output}/counts.csv', 'format' = 'csv');
INSERT INTO counts SELECT expected_label, low, middle, high
FROM ML_CONFUSION_MATRIX(INPUT => TABLE events, MODEL => MODEL sort, LABEL => DESCRIPTOR(kind), ARGS => DESCRIPTOR(n, ok));

=== a curve, with a filter above
CREATE MODEL past INPUT (n INT, ok BOOLEAN) OUTPUT (predicted BOOLEAN, probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression', 'label' = 'bought')
AS SELECT n, ok, bought FROM events WHERE id < 2000;
CREATE TABLE curve (threshold DOUBLE, recall DOUBLE, false_positive_rate DOUBLE, hits BIGINT, missed BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${output}/curve.csv', 'format' = 'csv');
INSERT INTO curve
SELECT threshold, recall, false_positive_rate, true_positives, false_negatives
FROM ML_ROC_CURVE(INPUT => TABLE events, MODEL => MODEL past, LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(n, ok))
WHERE recall > 0.5;

=== a reliability table and the threshold of least cost, of a calibrated and balanced model
CREATE MODEL honest INPUT (n DOUBLE, ok BOOLEAN) OUTPUT (guess BOOLEAN, p DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'gaussian_nb', 'label' = 'bought',
  'calibration' = 'isotonic', 'balance' = 'oversample', 'decision-threshold' = '0.4')
AS SELECT n, ok, bought FROM events WHERE id < 2000;
CREATE TABLE reliability (bin BIGINT, n BIGINT, positives BIGINT, mean DOUBLE, observed DOUBLE, low DOUBLE, high DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${output}/reliability.csv', 'format' = 'csv');
INSERT INTO reliability
SELECT bin, `rows`, positives, mean_probability, observed_rate, observed_lower, observed_upper
FROM ML_RELIABILITY(INPUT => TABLE events, MODEL => MODEL honest, LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(n, ok), BINS => 5);
CREATE TABLE best (threshold DOUBLE, cost DOUBLE, recall DOUBLE, missed BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${output}/best.csv', 'format' = 'csv');
INSERT INTO best
SELECT threshold, cost, recall, false_negatives
FROM ML_BEST_THRESHOLD(INPUT => TABLE events, MODEL => MODEL honest, LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(n, ok),
  FALSE_NEGATIVE_COST => 3);

=== a bounded join below
CREATE VIEW warm AS
SELECT e.id, e.ts, e.n, c.warmth, e.bought FROM events AS e JOIN colors AS c ON e.color = c.name;
CREATE VIEW in_order AS SELECT * FROM warm ORDER BY ts, id;
CREATE MODEL warmth_model INPUT (n INT, warmth DOUBLE) OUTPUT (predicted BOOLEAN, probability DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression');
INSERT INTO out SELECT id, predicted, probability
FROM ML_TRAIN(INPUT => TABLE in_order, MODEL => MODEL warmth_model, LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(n, warmth));

=== aggregates below, and a distinct
CREATE VIEW hours AS
SELECT DISTINCT color, COUNT(*) AS n_rows, AVG(CAST(n AS DOUBLE)) AS mean_n FROM events WHERE color IS NOT NULL GROUP BY color;
INSERT INTO figures SELECT color, mean_n, CAST(n_rows AS DOUBLE) * 2, n_rows FROM hours;

=== a view with names of its own
CREATE VIEW renamed (number, truth, guess, chance) AS SELECT id, bought, predicted, probability FROM scored;
INSERT INTO out SELECT number, guess, chance FROM renamed WHERE truth;

=== words that Flink reserves
CREATE TABLE words (`value` BIGINT, `date` DATE, `year` STRING, `order` STRING)
WITH ('connector' = 'filesystem', 'path' = '${output}/words.json', 'format' = 'json');
INSERT INTO words SELECT id, CAST(ts AS DATE), color, kind FROM events WHERE id < 50;

=== case and null
INSERT INTO figures
SELECT CASE WHEN n > 20 THEN 'many' WHEN n < -20 THEN 'few' ELSE 'some' END, COALESCE(x, -1.5), ABS(amount) * 0.1, id FROM events WHERE id < 500;

=== written as json
CREATE TABLE lines (id BIGINT, ts TIMESTAMP(3), x DOUBLE, color STRING, price DECIMAL(10, 2), predicted BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${output}/lines.json', 'format' = 'json');
INSERT INTO lines SELECT id, ts, x, color, price, predicted FROM scored;

=== written as parquet, and read again
CREATE TABLE blocks (id BIGINT, ts TIMESTAMP(3), color STRING, probability DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${output}/blocks.parquet', 'format' = 'parquet');
INSERT INTO blocks SELECT id, ts, color, probability FROM scored;
INSERT INTO figures SELECT color, SUM(probability), MAX(probability), COUNT(*) FROM blocks GROUP BY color;

=== written over
INSERT INTO out SELECT id, bought, x FROM events WHERE id < 10;
INSERT OVERWRITE out SELECT id, bought, x FROM events WHERE id >= 2990;

=== generated rows
CREATE TABLE made (id BIGINT, a DOUBLE, b DOUBLE)
WITH ('connector' = 'datagen', 'number-of-rows' = '500', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '500');
INSERT INTO figures SELECT CAST(id + 1 AS STRING), a, b, id FROM made;

=== a model a key
CREATE MODEL each
  INPUT (x DOUBLE, ok BOOLEAN) OUTPUT (predicted BOOLEAN, probability DOUBLE)
  WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression');
INSERT INTO out
SELECT id, predicted, probability
FROM ML_TRAIN(INPUT => TABLE (SELECT * FROM events WHERE x IS NOT NULL) PARTITION BY color, MODEL => MODEL each,
  LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(x, ok));

=== a model for each of two keys, most of them in a file
CREATE MODEL each
  INPUT (x DOUBLE) OUTPUT (predicted DOUBLE)
  WITH ('provider' = 'tidegate', 'task' = 'regression', 'algorithm' = 'linear_regression', 'keyed.memory' = '1 b');
CREATE TABLE amounts (id BIGINT, predicted DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${output}/amounts.csv', 'format' = 'csv');
INSERT INTO amounts
SELECT id, predicted
FROM ML_TRAIN(INPUT => TABLE (SELECT * FROM events WHERE x IS NOT NULL) PARTITION BY n, ok, MODEL => MODEL each,
  LABEL => DESCRIPTOR(amount), ARGS => DESCRIPTOR(x));

=== models of keys that wait for labels, and are forgotten
CREATE MODEL each
  INPUT (x DOUBLE, ok BOOLEAN) OUTPUT (predicted BOOLEAN, probability DOUBLE)
  WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression', 'keyed.ttl' = '20 s',
        'keyed.unknown' = 'null');
INSERT INTO out
SELECT id, predicted, probability
FROM ML_TRAIN(INPUT => TABLE (SELECT * FROM events WHERE x IS NOT NULL) PARTITION BY n, MODEL => MODEL each,
  LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(x, ok), LABEL_TIME => DESCRIPTOR(known_at));

=== predict with a model a key, and a prior for others
CREATE MODEL each
  INPUT (x DOUBLE, ok BOOLEAN) OUTPUT (predicted BOOLEAN, probability DOUBLE)
  WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression', 'keyed.unknown' = 'prior');
CREATE TABLE learned (id BIGINT, probability DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${output}/learned.csv', 'format' = 'csv');
INSERT INTO learned
SELECT id, probability
FROM ML_TRAIN(INPUT => TABLE (SELECT * FROM events WHERE x IS NOT NULL AND n < 20) PARTITION BY n, color, MODEL => MODEL each,
  LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(x, ok));
INSERT INTO out
SELECT id, predicted, probability
FROM ML_PREDICT(INPUT => TABLE (SELECT * FROM events WHERE x IS NOT NULL) PARTITION BY n, color, MODEL => MODEL each,
  ARGS => DESCRIPTOR(x, ok));

=== trials that race on a stream
ALTER MODEL buys SET ('learning_rate' = 'range(1e-4, 1, log)', 'l2' = 'choice(0, 1e-4)', 'tune.trials' = '6');
INSERT INTO out SELECT id, predicted, probability FROM scored;

=== trials that race over history, of several algorithms
CREATE MODEL raced
  INPUT (x DOUBLE, n INT) OUTPUT (predicted STRING)
  WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'choice(logistic_regression, gaussian_nb)', 'label' = 'kind',
        'learning_rate' = 'range(1e-3, 1, log)', 'tune.trials' = '5', 'tune.horizon' = '300', 'epochs' = '2')
  AS SELECT x, n, kind FROM events WHERE x IS NOT NULL ORDER BY ts, id;
CREATE TABLE raced_out (id BIGINT, predicted STRING)
WITH ('connector' = 'filesystem', 'path' = '${output}/raced.csv', 'format' = 'csv');
INSERT INTO raced_out SELECT id, predicted FROM ML_PREDICT(TABLE (SELECT * FROM events WHERE x IS NOT NULL), MODEL raced, DESCRIPTOR(x, n));

=== an estimator that goes over history several times
CREATE MODEL searched
  INPUT (x DOUBLE, n INT) OUTPUT (predicted DOUBLE)
  WITH ('provider' = 'tidegate', 'task' = 'regression', 'algorithm' = 'linear_regression', 'label' = 'amount', 'learning_rate' = 'range(1e-5, 1e-3, log)',
        'tune.strategy' = 'tpe', 'tune.trials' = '14')
  AS SELECT x, n, amount FROM events WHERE x IS NOT NULL ORDER BY ts, id;
CREATE TABLE searched_out (id BIGINT, predicted DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${output}/searched.csv', 'format' = 'csv');
INSERT INTO searched_out SELECT id, predicted FROM ML_PREDICT(TABLE (SELECT * FROM events WHERE x IS NOT NULL), MODEL searched, DESCRIPTOR(x, n));
