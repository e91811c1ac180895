//! The `tidegate` command, run as a user runs it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tidegate_registry::{Registry, VersionFacts};

/// A folder to run the command in.
struct Place(TempDir);

/// What a run of the command gave.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        fs::write(self.path().join(name), text).unwrap();
        self
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with_input(arguments, "")
    }

    fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(arguments)
            .current_dir(self.path())
            .env_remove("TIDEGATE_HOME")
            .env_remove("NO_COLOR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not read its input closes it; that is fine.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        Ran {
            code: status.code().unwrap(),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Each line of standard output as JSON.
    fn objects(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }

    fn types(&self) -> Vec<String> {
        self.objects().iter().map(|object| object["type"].as_str().unwrap().to_string()).collect()
    }
}

const COPY: &str = "\
CREATE TABLE visits (id BIGINT, price DOUBLE, name STRING)
  WITH ('connector' = 'filesystem', 'path' = 'visits.csv', 'format' = 'csv');
CREATE TABLE copied (id BIGINT, price DOUBLE, name STRING)
  WITH ('connector' = 'filesystem', 'path' = 'copied.csv', 'format' = 'csv');
INSERT INTO copied SELECT id, price, name FROM visits;
";

const VISITS: &str = "id,price,name\n1,0.5,a\n2,1.25,b\n3,2.0,c\n";

fn with_visits() -> Place {
    let place = Place::new();
    place.write("job.sql", COPY).write("visits.csv", VISITS);
    place
}

#[test]
fn help_tells_the_commands_and_the_exit_codes() {
    let ran = Place::new().run(&["--help"]);
    assert_eq!(ran.code, 0);
    for word in
        ["run", "check", "explain", "sql", "models", "options", "functions", "completions", "Exit codes:", "130"]
    {
        assert!(ran.out.contains(word), "{word}: {}", ran.out);
    }
    assert!(!ran.out.contains('\x1b'));
    let version = Place::new().run(&["--version"]);
    assert_eq!(version.out, format!("tidegate {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_command_line_is_exit_code_2_with_a_suggestion() {
    let ran = Place::new().run(&["runn", "job.sql"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("'run'"), "{}", ran.err);
    let ran = Place::new().run(&["run", "job.sql", "--fres"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("'--fresh'"), "{}", ran.err);
    assert_eq!(Place::new().run(&[]).code, 2);
}

#[test]
fn a_missing_script_names_what_is_there() {
    let place = with_visits();
    let ran = place.run(&["run", "jbo.sql"]);
    assert_eq!(ran.code, 2);
    assert_eq!(ran.out, "");
    assert!(ran.err.starts_with("error: there is no script jbo.sql: looked for "), "{}", ran.err);
    assert!(ran.err.ends_with("\nhelp: did you mean job.sql?\n"), "{}", ran.err);
}

#[test]
fn an_error_of_a_script_has_its_place() {
    let place = Place::new();
    place.write("wrong.sql", "SELECT 1;\nCREAT TABLE t (a INT);\n");
    let ran = place.run(&["run", "wrong.sql"]);
    assert_eq!(ran.code, 2);
    assert_eq!(ran.out, "", "nothing runs if a statement cannot be parsed");
    assert!(ran.err.starts_with("wrong.sql:2:1: "), "{}", ran.err);
    assert!(ran.err.contains("2 | CREAT TABLE t (a INT);\n  | ^^^^^"), "{}", ran.err);

    let ran = place.run(&["check", "wrong.sql", "--json"]);
    assert_eq!(ran.code, 2);
    assert_eq!(ran.err, "");
    let error = &ran.objects()[0];
    assert_eq!(ran.types(), ["error"]);
    assert_eq!((&error["file"], &error["line"], &error["column"]), (&"wrong.sql".into(), &2.into(), &1.into()));
    assert_eq!(error["exit_code"], 2);
    assert!(error["help"].as_str().unwrap().contains("CREATE"), "{error}");
}

#[test]
fn an_unknown_table_is_an_error_of_the_script() {
    let place = Place::new();
    place.write("wrong.sql", "SELECT *\nFROM missing_table;\n");
    let ran = place.run(&["run", "wrong.sql"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.starts_with("wrong.sql:") && ran.err.contains("missing_table"), "{}", ran.err);
}

#[test]
fn a_script_copies_a_file() {
    let place = with_visits();
    let ran = place.run(&["run", "job.sql"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.out, "");
    let copied = place.read("copied.csv");
    assert_eq!(copied.lines().count(), 4, "{copied}");
    assert!(copied.lines().any(|line| line.starts_with("2,1.25,")), "{copied}");
    assert!(ran.err.contains("✓ INSERT INTO copied · 3 rows in "), "{}", ran.err);
    assert!(
        ran.err.lines().any(|line| line.starts_with("    wrote  copied  3 rows to ") && line.ends_with("copied.csv")),
        "{}",
        ran.err
    );

    fs::remove_file(place.path().join("copied.csv")).unwrap();
    let ran = place.run(&["run", "--quiet", "job.sql"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
}

#[test]
fn relative_paths_start_from_the_script() {
    let place = Place::new();
    fs::create_dir(place.path().join("jobs")).unwrap();
    place.write("jobs/job.sql", COPY).write("jobs/visits.csv", VISITS);
    let ran = place.run(&["run", "jobs/job.sql"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(place.read("jobs/copied.csv").lines().count(), 4);
}

#[test]
fn json_is_one_object_a_line_and_nothing_else() {
    let place = with_visits();
    place.write("job.sql", &format!("{COPY}SELECT id, price FROM visits;\n"));
    let ran = place.run(&["run", "job.sql", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.err, "");
    let objects = ran.objects();
    assert_eq!(ran.types(), ["statement", "statement", "job", "rows", "script"]);
    assert_eq!(objects[2]["name"], "INSERT INTO copied");
    assert_eq!(objects[2]["sinks"][0]["rows"], 3);
    assert_eq!(objects[3]["columns"][1]["type"], "DOUBLE");
    assert_eq!(objects[4]["statements"], 4);
}

#[test]
fn check_runs_nothing() {
    let place = with_visits();
    let ran = place.run(&["check", "job.sql"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.out, "✓ job.sql: 3 statements, 1 job\n    INSERT INTO copied\n");
    assert!(!place.path().join("copied.csv").exists());
    assert!(!place.path().join(".tidegate").exists(), "a check leaves nothing behind");
    assert_eq!(place.run(&["check", "job.sql", "--json"]).types(), ["check"]);
    assert_eq!(place.run(&["explain", "job.sql"]).code, 0);
}

#[test]
fn parameters_reach_the_script() {
    let place = with_visits();
    place.write("job.sql", &COPY.replace("'visits.csv'", "'${file}'"));
    let ran = place.run(&["run", "job.sql"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("file") && ran.err.contains("--param"), "{}", ran.err);
    let ran = place.run(&["run", "job.sql", "--param", "file=visits.csv", "--param", "day=1"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.starts_with("warning: ") && ran.err.contains("'day'"), "{}", ran.err);
    let ran = place.run(&["run", "job.sql", "--param", "a-b=1"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("a-b"), "{}", ran.err);
}

#[test]
fn unknown_settings_are_refused() {
    let place = with_visits();
    let ran = place.run(&["run", "job.sql", "-s", "job.nmae=x"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("'job.name'"), "{}", ran.err);
}

#[test]
fn statements_come_from_the_command_line_and_from_standard_input() {
    let place = with_visits();
    let table = COPY.lines().take(2).collect::<Vec<_>>().join("\n");
    let text = format!("{table} SELECT id, price FROM visits ORDER BY id;");
    let drawn = " id │ price\n────┼───────\n  1 │  0.50\n  2 │  1.25\n  3 │  2.00\n";
    let ran = place.run(&["sql", "-c", &text]);
    assert_eq!((ran.code, ran.out.as_str()), (0, drawn), "{}", ran.err);
    let ran = place.run_with_input(&["sql"], &text);
    assert_eq!((ran.code, ran.out.as_str()), (0, drawn), "{}", ran.err);
    let ran = place.run_with_input(&["sql", "--max-rows", "1"], &text);
    assert!(ran.out.ends_with("  1 │   0.5\n… 2 more rows; --max-rows 0 shows all\n"), "{}", ran.out);

    let ran = place.run_with_input(&["sql"], "SELECT 1;\nSELECT FROM;");
    assert_eq!(ran.code, 2);
    assert!(ran.err.starts_with("standard input:2:"), "{}", ran.err);
    let ran = place.run(&["sql", "-c", "SELECT * FROM missing_table;"]);
    assert_eq!(ran.code, 2);
    assert_eq!(place.run_with_input(&["sql"], "").code, 0);
}

#[test]
fn a_script_comes_from_standard_input() {
    let place = with_visits();
    let ran = place.run_with_input(&["run", "-"], COPY);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(place.read("copied.csv").lines().count(), 4);
}

#[test]
fn options_and_functions_are_listed() {
    let place = Place::new();
    let ran = place.run(&["options", "settings"]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("execution.checkpointing.interval") && !ran.out.contains("CREATE MODEL"), "{}", ran.out);
    assert!(place.run(&["options", "model", "logistic_regression"]).out.contains("learning_rate"));
    let ran = place.run(&["options", "model", "logistic_regresion"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("did you mean 'logistic_regression'?"), "{}", ran.err);
    let objects = place.run(&["options", "--json"]).objects();
    assert!(objects.iter().any(|o| o["name"] == "job.name" && o["of"] == "settings" && o["type"] == "option"));

    let ran = place.run(&["functions"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("ML_ACCURACY") && ran.out.contains("ABS"), "{}", ran.out);
    let ran = place.run(&["functions", "ml_standard_scaler"]);
    assert!(ran.out.starts_with("ML_STANDARD_SCALER  transform\n"), "{}", ran.out);
    assert!(place.run(&["functions", "--json"]).types().iter().all(|kind| kind == "function"));
    assert!(!place.path().join(".tidegate").exists(), "looking leaves nothing behind");
}

#[test]
fn completions_are_scripts() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = Place::new().run(&["completions", shell]);
        assert_eq!(ran.code, 0);
        assert!(ran.out.contains("tidegate") && ran.out.contains("explain"));
    }
}

fn with_models() -> Place {
    let place = Place::new();
    let registry = Registry::open(&place.path().join(".tidegate").join("registry")).unwrap();
    for key in ["a", "b", "c"] {
        let facts = VersionFacts {
            key: key.to_string(),
            job: "job".to_string(),
            rows: 1_234,
            metrics: [("Accuracy".to_string(), 0.812_345_67)].into(),
            trained_until: Some(1_509_494_400_000),
            ..VersionFacts::default()
        };
        registry.register("intent", key.as_bytes(), &facts).unwrap();
    }
    place
}

#[test]
fn models_are_listed_and_shown() {
    let place = with_models();
    let ran = place.run(&["models", "list"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.starts_with(" model  │ versions │ current │ aliases │ created"), "{}", ran.out);
    let ran = place.run(&["models", "show", "intent$2"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for line in
        ["version        2", "rows learned   1,234", "trained until  2017-11-01", "metrics        Accuracy: 0.8123"]
    {
        assert!(ran.out.lines().any(|l| l == line), "{line}: {}", ran.out);
    }
    assert_eq!(place.run(&["models", "versions", "intent", "--json"]).objects().len(), 3);
    let ran = place.run(&["models", "show", "intnet"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.starts_with("error: unknown model 'intnet'") && ran.err.contains("intent"), "{}", ran.err);
    let ran = place.run(&["models", "show", "intent@9", "--json"]);
    assert_eq!((ran.code, ran.types()), (2, vec!["error".to_string()]));
    assert_eq!(place.run(&["models", "versions", "intent@candidate"]).code, 2);
}

#[test]
fn aliases_move_and_protect_their_version() {
    let place = with_models();
    let ran = place.run(&["models", "alias", "intent", "production", "2"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "alias 'production' of model 'intent' points at version 2\n"));
    assert_eq!(place.run(&["models", "alias", "intent", "candidate", "production"]).code, 0);
    let shown = &place.run(&["models", "show", "intent@candidate", "--json"]).objects()[0];
    assert_eq!((&shown["type"], &shown["number"]), (&"version".into(), &2.into()));
    let ran = place.run(&["models", "delete", "intent@2", "--yes"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("cannot be deleted"), "{}", ran.err);
    let ran = place.run(&["models", "alias", "intent", "production", "--drop"]);
    assert_eq!(ran.out, "alias 'production' of model 'intent' dropped; it pointed at version 2\n");
    assert_eq!(place.run(&["models", "alias", "intent", "production", "--drop"]).code, 2);
}

#[test]
fn deleting_wants_to_be_asked_for() {
    let place = with_models();
    let ran = place.run(&["models", "delete", "intent@1"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("version 1 of model 'intent'") && ran.err.contains("--yes"), "{}", ran.err);
    let ran = place.run(&["models", "delete", "intent@1", "--yes"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "version 1 of model 'intent' deleted\n"));
    let ran = place.run(&["models", "delete", "intent", "--yes"]);
    assert_eq!(ran.out, "model 'intent' with 2 versions deleted\n");
    let ran = place.run(&["models", "list"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    assert!(ran.err.starts_with("no models yet"), "{}", ran.err);
}

#[test]
fn no_registry_is_not_made_by_looking() {
    let place = Place::new();
    assert_eq!(place.run(&["models", "list"]).code, 0);
    let ran = place.run(&["models", "show", "intent"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("there is no registry"), "{}", ran.err);
    assert!(!place.path().join(".tidegate").exists());
}

#[test]
fn colours_are_for_those_who_ask() {
    let place = with_models();
    assert!(!place.run(&["models", "list"]).out.contains('\x1b'));
    assert!(place.run(&["models", "list", "--color", "always"]).out.contains("\x1b[1mmodel\x1b[0m"));
}
