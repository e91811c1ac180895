//! Several models over one source in one job: the source is read once, and each model is measured as if it were alone.

use std::fmt::Write;

use tidegate_tests::Workplace;

const ROWS: usize = 400;
/// The models, by their names and options.
const MODELS: [(&str, &str); 3] = [
    ("slow", "'algorithm' = 'logistic_regression', 'learning_rate' = '0.05'"),
    ("fast", "'algorithm' = 'logistic_regression', 'learning_rate' = '0.5'"),
    ("majority", "'algorithm' = 'majority_class'"),
];

fn visits() -> String {
    let mut rows = "ts,shop,x,known_at,bought\n".to_string();
    for i in 0..ROWS {
        let (x, shop) = ((i * 37) % 101, ["north", "south"][i % 2]);
        let (minute, hour) = (i % 60, i / 60);
        let bought = x + (i * 13) % 30 > 60;
        writeln!(
            rows,
            "2026-01-01 {hour:02}:{minute:02}:00,{shop},{x},2026-01-01 {:02}:{minute:02}:30,{bought}",
            hour + 1
        )
        .expect("text grows");
    }
    rows
}

/// A script that trains some of the models and measures each by the hour and by the shop, over all so far, and fading.
fn script(models: &[(&str, &str)]) -> String {
    let mut script = "
        SET 'execution.runtime-mode' = 'streaming';
        CREATE TABLE visits (ts TIMESTAMP(3), shop STRING, x DOUBLE, known_at TIMESTAMP(3), bought BOOLEAN,
          WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
        WITH ('connector' = 'filesystem', 'path' = 'visits.csv', 'format' = 'csv');"
        .to_string();
    let mut inserts = String::new();
    for (name, options) in models {
        write!(
            script,
            "
            CREATE MODEL {name} INPUT (x DOUBLE) OUTPUT (predicted BOOLEAN, probability DOUBLE)
            WITH ('provider' = 'tidegate', 'task' = 'classification', {options});
            CREATE VIEW {name}_scored AS SELECT * FROM ML_TRAIN(INPUT => TABLE visits, MODEL => MODEL {name},
              LABEL => DESCRIPTOR(bought), ARGS => DESCRIPTOR(x), LABEL_TIME => DESCRIPTOR(known_at));
            CREATE TABLE {name}_hours (window_end TIMESTAMP(3), shop STRING, n BIGINT, auc DOUBLE, loss DOUBLE)
            WITH ('connector' = 'filesystem', 'path' = '{name}_hours.csv', 'format' = 'csv');
            CREATE TABLE {name}_series (ts TIMESTAMP(3), so_far DOUBLE, fading DOUBLE)
            WITH ('connector' = 'filesystem', 'path' = '{name}_series.csv', 'format' = 'csv');"
        )
        .expect("text grows");
        write!(
            inserts,
            "
            INSERT INTO {name}_hours SELECT window_end, shop, COUNT(*), ML_ROC_AUC(bought, probability), ML_LOG_LOSS(bought, probability)
              FROM TABLE(TUMBLE(TABLE {name}_scored, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, shop;
            INSERT INTO {name}_series SELECT ts,
              ML_ACCURACY(bought, predicted) OVER (ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
              ML_FADING_ACCURACY(bought, predicted, 0.98) OVER (ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
              FROM {name}_scored;"
        )
        .expect("text grows");
    }
    script + "EXECUTE STATEMENT SET BEGIN" + &inserts + "END;"
}

#[test]
fn three_models_read_the_source_once() {
    let together = Workplace::new();
    together.write("visits.csv", visits());
    let jobs = together.run_json(&script(&MODELS)).succeeded().of_type("job");
    let sources = jobs[0]["sources"].as_array().expect("sources");
    assert_eq!(sources.len(), 1);
    assert_eq!((&sources[0]["scans"], &sources[0]["rows"]), (&1.into(), &ROWS.into()));
    assert_eq!(jobs[0]["models"].as_array().map(Vec::len), Some(MODELS.len()));

    let mut series = Vec::new();
    for model in MODELS {
        let alone = Workplace::new();
        alone.write("visits.csv", visits());
        alone.run(&script(&[model])).succeeded();
        for file in ["hours", "series"].map(|what| format!("{}_{what}.csv", model.0)) {
            assert_eq!(together.read(&file), alone.read(&file), "{file}");
        }
        // Seven hours of two shops, and a header.
        assert_eq!(together.read(&format!("{}_hours.csv", model.0)).lines().count(), 15);
        series.push(together.read(&format!("{}_series.csv", model.0)));
        assert_eq!(series.last().map(|text| text.lines().count()), Some(ROWS + 1));
    }
    assert!(series[0] != series[1] && series[1] != series[2], "the models differ");
}
