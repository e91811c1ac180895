//! A registry as a catalog of Apache Flink: its models are there without a CREATE MODEL.

use tidegate_tests::Workplace;

use crate::flink::{ROWS_TABLE, flink, lines, registry, rows, trained};

fn script(place: &Workplace, registry: &str, statements: &str) -> String {
    let rows = ROWS_TABLE.replace("${path}", &place.path("rows-flink.csv").display().to_string());
    format!("CREATE CATALOG trained WITH ('type' = 'tidegate', 'registry' = '{registry}'); {rows} {statements}")
}

#[test]
fn models_of_a_registry_are_shown_and_predict() {
    let place = trained();
    let registry = registry(&place);
    place.write("rows-flink.csv", rows().split_once('\n').expect("a first line").1);
    let here = place.path(".").display().to_string();
    let statements = format!(
        "SHOW MODELS FROM trained.`default`;
         DESCRIBE MODEL trained.`default`.buys;
         CREATE TABLE buys_out (id BIGINT, predicted BOOLEAN, probability DOUBLE, model_version BIGINT)
         WITH ('connector' = 'filesystem', 'path' = '{here}/buys-flink', 'format' = 'csv');
         INSERT INTO buys_out SELECT id, predicted, probability, model_version FROM ML_PREDICT(TABLE rows_in,
           MODEL trained.`default`.buys, DESCRIPTOR(x, n, ok, color, price));
         CREATE TABLE stars_out (id BIGINT, predicted BIGINT)
         WITH ('connector' = 'filesystem', 'path' = '{here}/stars-flink', 'format' = 'csv');
         INSERT INTO stars_out SELECT id, predicted FROM ML_PREDICT(TABLE rows_in, MODEL trained.`default`.`stars$1`,
           DESCRIPTOR(x, n, ok, color, price));"
    );
    let outcome = flink(&place.write("catalog.sql", script(&place, &registry, &statements))).succeeded();
    let shown: Vec<&str> = outcome.stdout.lines().map(|line| line.trim_matches(['|', ' '])).collect();
    for model in ["amounts", "buys", "sort", "stars"] {
        assert!(shown.contains(&model), "{model} is missing:\n{}", outcome.stdout);
    }
    let column = |name: &str, data_type: &str| {
        let found = outcome.stdout.lines().any(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            cells.contains(&name) && cells.contains(&data_type)
        });
        assert!(found, "{name} {data_type} is missing:\n{}", outcome.stdout);
    };
    column("color", "STRING");
    column("price", "DOUBLE");
    column("predicted", "BOOLEAN");
    column("model_version", "BIGINT");
    for model in ["buys", "stars"] {
        let (ours, theirs) =
            (lines(&place.path(&format!("{model}.csv"))), lines(&place.path(&format!("{model}-flink"))));
        assert_eq!(ours.len(), theirs.len(), "{model}");
        for (id, ours) in &ours {
            let equal = ours.iter().zip(&theirs[id]).all(|(a, b)| a == b || a.parse::<f64>().ok() == b.parse().ok());
            assert!(equal, "{model}, row {id}: {ours:?} here, {:?} in Flink", theirs[id]);
        }
    }
}

#[test]
fn what_is_not_there_or_would_change_the_registry_is_refused() {
    let place = trained();
    let registry = registry(&place);
    let refused = |registry: &str, statement: &str, says: &str| {
        let outcome = flink(&place.write("wrong.sql", script(&place, registry, statement)));
        assert_ne!(outcome.code, Some(0), "{statement}");
        assert!(outcome.stderr.contains(says), "{statement}: {says} is missing:\n{}", outcome.stderr);
    };
    refused("/nowhere", "", "there is no registry at '/nowhere'");
    refused(&registry, "DESCRIBE MODEL trained.`default`.bys;", "'trained.default.bys' doesn't exist");
    refused(&registry, "DESCRIBE MODEL trained.`default`.`buys$7`;", "'trained.default.buys$7' doesn't exist");
    refused(
        &registry,
        "DROP MODEL trained.`default`.buys;",
        "shows the models of a registry, and nothing can be changed in it",
    );
    refused(
        &registry,
        "CREATE TABLE trained.`default`.t (x INT) WITH ('connector' = 'print');",
        "nothing can be changed in it",
    );
}
