-- The rows as Parquet, so that reading text is no part of what is measured. Parameter: folder.
CREATE TABLE base_text (
  n1 DOUBLE, n2 DOUBLE, n3 DOUBLE, n4 DOUBLE, n5 DOUBLE, n6 DOUBLE, n7 DOUBLE, n8 DOUBLE, n9 DOUBLE, n10 DOUBLE,
  n11 DOUBLE, n12 DOUBLE, n13 DOUBLE, n14 DOUBLE, n15 DOUBLE, n16 DOUBLE, c1 STRING, c2 STRING, c3 STRING, c4
  STRING
) WITH ('connector' = 'filesystem', 'path' = '${folder}/base.csv', 'format' = 'csv', 'csv.header' = 'true');
CREATE TABLE base (
  n1 DOUBLE, n2 DOUBLE, n3 DOUBLE, n4 DOUBLE, n5 DOUBLE, n6 DOUBLE, n7 DOUBLE, n8 DOUBLE, n9 DOUBLE, n10 DOUBLE,
  n11 DOUBLE, n12 DOUBLE, n13 DOUBLE, n14 DOUBLE, n15 DOUBLE, n16 DOUBLE, c1 STRING, c2 STRING, c3 STRING, c4
  STRING
) WITH ('connector' = 'filesystem', 'path' = '${folder}/base.parquet', 'format' = 'parquet');
CREATE TABLE study_text (
  n1 DOUBLE, n2 DOUBLE, n3 DOUBLE, n4 DOUBLE, n5 DOUBLE, n6 DOUBLE, n7 DOUBLE, n8 DOUBLE, n9 DOUBLE, n10 DOUBLE,
  n11 DOUBLE, n12 DOUBLE, n13 DOUBLE, n14 DOUBLE, n15 DOUBLE, n16 DOUBLE, c1 STRING, c2 STRING, c3 STRING, c4
  STRING
) WITH ('connector' = 'filesystem', 'path' = '${folder}/study.csv', 'format' = 'csv', 'csv.header' = 'true');
CREATE TABLE study (
  n1 DOUBLE, n2 DOUBLE, n3 DOUBLE, n4 DOUBLE, n5 DOUBLE, n6 DOUBLE, n7 DOUBLE, n8 DOUBLE, n9 DOUBLE, n10 DOUBLE,
  n11 DOUBLE, n12 DOUBLE, n13 DOUBLE, n14 DOUBLE, n15 DOUBLE, n16 DOUBLE, c1 STRING, c2 STRING, c3 STRING, c4
  STRING
) WITH ('connector' = 'filesystem', 'path' = '${folder}/study.parquet', 'format' = 'parquet');

INSERT OVERWRITE base SELECT * FROM base_text;
INSERT OVERWRITE study SELECT * FROM study_text;
