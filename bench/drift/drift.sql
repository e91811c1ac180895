-- How far each column has moved. Parameters: folder; metric, of the numbers.
CREATE TABLE base (
  n1 DOUBLE, n2 DOUBLE, n3 DOUBLE, n4 DOUBLE, n5 DOUBLE, n6 DOUBLE, n7 DOUBLE, n8 DOUBLE, n9 DOUBLE, n10 DOUBLE,
  n11 DOUBLE, n12 DOUBLE, n13 DOUBLE, n14 DOUBLE, n15 DOUBLE, n16 DOUBLE, c1 STRING, c2 STRING, c3 STRING, c4
  STRING
) WITH ('connector' = 'filesystem', 'path' = '${folder}/base.parquet', 'format' = 'parquet');
CREATE TABLE study (
  n1 DOUBLE, n2 DOUBLE, n3 DOUBLE, n4 DOUBLE, n5 DOUBLE, n6 DOUBLE, n7 DOUBLE, n8 DOUBLE, n9 DOUBLE, n10 DOUBLE,
  n11 DOUBLE, n12 DOUBLE, n13 DOUBLE, n14 DOUBLE, n15 DOUBLE, n16 DOUBLE, c1 STRING, c2 STRING, c3 STRING, c4
  STRING
) WITH ('connector' = 'filesystem', 'path' = '${folder}/study.parquet', 'format' = 'parquet');
CREATE TABLE moved (mean DOUBLE, largest DOUBLE) WITH ('connector' = 'filesystem', 'path' = '${folder}/moved', 'format' = 'json');

INSERT OVERWRITE moved SELECT AVG(value), MAX(value)
FROM ML_VALIDATE_DATA_DRIFT(BASE => TABLE base, STUDY => TABLE study, NUMERIC_METRIC => '${metric}');
