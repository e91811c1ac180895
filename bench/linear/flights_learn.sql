-- Flights, delayed or not, by sparse features: one pass of plain SGD, learning only. Parameters: input, the CSV file.
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
  )
  AS SELECT
    `hour`, weekday, origin, destination, distance, delayed
  FROM flights;
