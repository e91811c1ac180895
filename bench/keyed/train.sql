-- A model for each of many devices, which come at random: each row is predicted, then learned by its device's model. Parameters: keys;
-- last, the number of the last row; memory, for the models; output, a folder.
SET 'execution.checkpointing.interval' = '5 s';

CREATE TABLE readings (
  n BIGINT, device BIGINT, x DOUBLE, noise DOUBLE,
  -- What is to be learned: a line of its own for each device.
  y AS CAST(MOD(device, 7) AS DOUBLE) * x + CAST(MOD(device, 5) AS DOUBLE) + noise,
  ts AS CAST(TO_TIMESTAMP_MILLIS(1704067200000 + n) AS TIMESTAMP(3)),
  WATERMARK FOR ts AS ts
) WITH (
  'connector' = 'datagen', 'rows-per-second' = '1000000000',
  'fields.n.kind' = 'sequence', 'fields.n.start' = '0', 'fields.n.end' = '${last}',
  'fields.device.min' = '1', 'fields.device.max' = '${keys}',
  'fields.x.min' = '-1', 'fields.x.max' = '1', 'fields.noise.min' = '-0.1', 'fields.noise.max' = '0.1'
);

CREATE MODEL device_line
  INPUT (x DOUBLE) OUTPUT (predicted DOUBLE)
  WITH (
    'provider' = 'tidegate', 'task' = 'regression', 'algorithm' = 'linear_regression', 'learning_rate' = '0.2',
    'keyed.memory' = '${memory}'
  );

CREATE TABLE quality (rmse_first_half DOUBLE, rmse_second_half DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${output}/quality', 'format' = 'json');

INSERT OVERWRITE quality
SELECT ML_RMSE(y, predicted) FILTER (WHERE n <= ${last} / 2), ML_RMSE(y, predicted) FILTER (WHERE n > ${last} / 2)
FROM ML_TRAIN(INPUT => TABLE readings PARTITION BY device, MODEL => MODEL device_line, LABEL => DESCRIPTOR(y), ARGS => DESCRIPTOR(x));
