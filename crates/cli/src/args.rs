//! The command line.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    an internal error: a defect of Tidegate
  2    the script or the command line is wrong
  3    the data is wrong
  4    a file, a disk, the registry or a cluster failed
  5    another job uses the same checkpoint folder
  6    a limit was exceeded
  130  stopped by Ctrl-C or SIGTERM; run the same script again to go on from its last checkpoint";

/// Machine learning on streams, in SQL.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, styles = STYLES, after_help = EXIT_CODES, arg_required_else_help = true)]
#[command(infer_subcommands = false, propagate_version = false, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct GlobalArgs {
    /// Print one JSON object a line on standard output, and nothing else there
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
    /// Where models, checkpoints and the shell's history are kept
    #[arg(long, global = true, value_name = "DIR", default_value = ".tidegate", env = "TIDEGATE_HOME")]
    pub(crate) home: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a script
    ///
    /// A job that was stopped or killed goes on from its last checkpoint when its script is run again.
    Run(RunArgs),
    /// Run a script on a cluster of Apache Flink
    ///
    /// Each of the script's steps is a job there, and begins when the one before it has ended. Ctrl-C leaves the job running.
    Submit(SubmitArgs),
    /// Check a script without running it
    Check(ScriptArgs),
    /// Show how a script would run
    Explain(ExplainArgs),
    /// Start an interactive shell, or run statements given by -c or on standard input
    Sql(SqlArgs),
    /// List, show and manage the models of the registry
    Models(ModelsArgs),
    /// Write a page on a model: what it is, what it goes by, and how good it is on a table's rows
    Report(ReportArgs),
    /// List, show, save and stop the jobs that run here, or on a cluster
    Jobs(JobsArgs),
    /// Print the options of settings, tables and models
    Options(OptionsArgs),
    /// Print the functions
    Functions(FunctionsArgs),
    /// Print the reference of all options and functions, as Markdown
    Reference,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// What scripts take from the command line.
#[derive(Debug, Args)]
pub(crate) struct SessionArgs {
    /// Give the script parameter ${NAME} a value
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) parameters: Vec<(String, String)>,
    /// Set an option, as SET 'KEY' = 'VALUE' at the start of the script would
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) settings: Vec<(String, String)>,
}

/// How results are shown.
#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// Show only results and errors: no progress, no summaries
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Show at most N rows of a result; 0 for all
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub(crate) max_rows: usize,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The script; - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) script: PathBuf,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
    /// Start over, even if an interrupted run of this script could go on
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Begin with the state of a savepoint, or of an interrupted run's folder; the script may have changed
    #[arg(long, value_name = "SAVEPOINT")]
    pub(crate) from: Option<PathBuf>,
    /// With --from: drop state that has no place in the script any more
    #[arg(long, alias = "allow-non-restored-state", requires = "from")]
    pub(crate) allow_dropped_state: bool,
    /// On Ctrl-C, end the sources, close all windows and finish, rather than stop at a checkpoint
    #[arg(long)]
    pub(crate) drain: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    /// The script, or what explain --flink --json made of one; - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) script: PathBuf,
    /// The address of the cluster's REST API, such as http://localhost:8081
    #[arg(long, value_name = "URL", env = "TIDEGATE_FLINK_URL")]
    pub(crate) flink: String,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
    /// How many tasks of each kind there are, as SET 'parallelism.default' says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=32768))]
    pub(crate) parallelism: Option<u32>,
    /// How often checkpoints are taken, such as '10 s', as SET 'execution.checkpointing.interval' says
    #[arg(long, value_name = "DURATION")]
    pub(crate) checkpoint_interval: Option<String>,
    /// Begin with the state of a savepoint of Flink; the script may have changed
    #[arg(long, value_name = "PATH")]
    pub(crate) savepoint: Option<PathBuf>,
    /// With --savepoint: drop state that has no place in the script any more
    #[arg(long, alias = "allow-non-restored-state", requires = "savepoint")]
    pub(crate) allow_dropped_state: bool,
    /// The archive that Flink runs the script with [default: the one beside this binary]
    #[arg(long, value_name = "PATH", env = "TIDEGATE_FLINK_JAR")]
    pub(crate) jar: Option<PathBuf>,
    /// Return as soon as the job is submitted
    #[arg(long, conflicts_with = "watch")]
    pub(crate) detach: bool,
    /// Show each part of the job while waiting for it
    #[arg(long)]
    pub(crate) watch: bool,
    /// Show only results and errors: no progress, no summaries
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ScriptArgs {
    /// The script; - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) script: PathBuf,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The script; - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) script: PathBuf,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
    /// Show the jobs that tidegate submit would make of it
    #[arg(long)]
    pub(crate) flink: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    /// Run these statements and exit
    #[arg(short, long, value_name = "STATEMENTS")]
    pub(crate) command: Option<String>,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    /// The registry's folder [default: registry in the home folder]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) registry: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: ModelsCommand,
}

#[derive(Debug, Subcommand)]
#[command(
    after_help = "A model may be followed by a version or an alias: 'intent$3' (in quotes, as shells read $3), intent@3, \
                        intent@candidate."
)]
pub(crate) enum ModelsCommand {
    /// List all models
    List,
    /// Show a model's current version, or the one named
    Show {
        /// The model, such as intent or intent@3
        model: String,
    },
    /// List the versions of a model
    Versions {
        /// The model
        model: String,
    },
    /// Point an alias at a version, or drop the alias
    Alias {
        /// The model
        model: String,
        /// The alias, such as production
        alias: String,
        /// The version's number, or another alias
        #[arg(required_unless_present = "drop", conflicts_with = "drop")]
        version: Option<String>,
        /// Drop the alias
        #[arg(long)]
        drop: bool,
    },
    /// Delete a version, or a model with all its versions
    Delete {
        /// The model, or a version of it such as intent@3
        model: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example: tidegate report intent@october --script job.sql --data november --label rebought --time purchased_at \
                        --slice department\n\nOf the script only tables, views, models and settings are declared: nothing of it runs."
)]
pub(crate) struct ReportArgs {
    /// The model, such as intent, intent@3 or intent@production
    pub(crate) model: String,
    /// The script that declares the table named by --data
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
    /// The rows that the model is asked about: a table, a view, or a query
    #[arg(long, value_name = "TABLE", requires = "label")]
    pub(crate) data: Option<String>,
    /// The column of the true labels
    #[arg(long, value_name = "COLUMN", requires = "data")]
    pub(crate) label: Option<String>,
    /// Show how far the rows are from these: a table, a view or a query, such as what the model learned
    #[arg(long, value_name = "TABLE", requires = "data")]
    pub(crate) base: Option<String>,
    /// Show quality over time, by this TIMESTAMP column
    #[arg(long, value_name = "COLUMN", requires = "data")]
    pub(crate) time: Option<String>,
    /// Show quality for each value of this column; may be given several times
    #[arg(long = "slice", value_name = "COLUMN", requires = "data")]
    pub(crate) slices: Vec<String>,
    /// The columns for the model's INPUT, in its order [default: those of the same names]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', requires = "data")]
    pub(crate) args: Vec<String>,
    /// What a false positive costs, for the threshold of least cost
    #[arg(long, value_name = "COST", default_value_t = 1.0)]
    pub(crate) false_positive_cost: f64,
    /// What a false negative costs
    #[arg(long, value_name = "COST", default_value_t = 1.0)]
    pub(crate) false_negative_cost: f64,
    /// Where the page is written [default: MODEL-VERSION.html]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}

#[derive(Debug, Args)]
pub(crate) struct JobsArgs {
    /// The folder of the jobs' checkpoints [default: checkpoints in the home folder]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) dir: Option<PathBuf>,
    /// The jobs of a cluster of Apache Flink: the address of its REST API, such as http://localhost:8081
    #[arg(long, value_name = "URL", global = true, conflicts_with = "dir")]
    pub(crate) flink: Option<String>,
    #[command(subcommand)]
    pub(crate) command: JobsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// List the jobs that run, and those that were interrupted
    List,
    /// Show a job and its checkpoints
    Show {
        /// The job's name or id, of a cluster's job the beginning of it will do
        job: String,
    },
    /// Take a savepoint of a running job, which goes on
    Savepoint {
        /// The job's name or id
        job: String,
        /// The folder that the savepoint is put into [default: as the job's settings say]
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
    /// Stop a running job at a checkpoint, as Ctrl-C does; on a cluster with a savepoint
    Stop {
        /// The job's name or id
        job: String,
        /// Take a savepoint, with which alone the job can go on
        #[arg(long, conflicts_with = "drain")]
        savepoint: bool,
        /// The folder that the savepoint is put into [default: as the job's settings say]
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// End the sources, close all windows, and let the job come to its end
        #[arg(long)]
        drain: bool,
    },
    /// End a job of a cluster without a savepoint
    Cancel {
        /// The job's name or id
        job: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct OptionsArgs {
    /// Whose options
    pub(crate) of: Option<OptionsOf>,
    /// Only those of this connector or algorithm
    pub(crate) name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OptionsOf {
    /// SET 'key' = 'value'
    #[value(alias = "setting")]
    Settings,
    /// CREATE TABLE … WITH ('key' = 'value')
    #[value(alias = "tables")]
    Table,
    /// CREATE MODEL … WITH ('key' = 'value')
    #[value(alias = "models")]
    Model,
}

#[derive(Debug, Args)]
pub(crate) struct FunctionsArgs {
    /// Only functions whose name contains this; one that is named in full is explained
    pub(crate) name: Option<String>,
}

/// Reads `key=value`.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_string(), value.to_string())),
        _ => Err("expected NAME=VALUE".to_string()),
    }
}

impl Cli {
    /// Reads the command line. Ends the process where it is wrong, and where help or the version is asked for.
    pub(crate) fn read() -> Self {
        // Help and usage errors come before --color is parsed, and should obey it as well.
        let arguments: Vec<_> = std::env::args_os().collect();
        let mut command = Self::command();
        if let Some(choice) = early_color(&arguments) {
            command = command.color(choice);
        }
        let read = command.try_get_matches_from_mut(&arguments).and_then(|mut m| Self::from_arg_matches_mut(&mut m));
        read.unwrap_or_else(|error| error.format(&mut command).exit())
    }
}

fn early_color(arguments: &[std::ffi::OsString]) -> Option<ColorChoice> {
    let texts: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let apart = texts.windows(2).find(|pair| pair[0] == "--color").map(|pair| pair[1]);
    let joined = texts.iter().find_map(|text| text.strip_prefix("--color="));
    ColorChoice::from_str(apart.or(joined)?, true).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once(&"tidegate").chain(arguments))
    }

    #[test]
    fn the_declaration_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_takes_parameters_and_settings() {
        let cli = parse(&["run", "a.sql", "--param", "day=2017-12-01", "--param=q=a=b", "-s", "job.name=x", "--json"])
            .unwrap();
        assert!(cli.global.json);
        let Command::Run(run) = cli.command else { panic!("not run") };
        let pair = |key: &str, value: &str| (key.to_string(), value.to_string());
        assert_eq!(run.session.parameters, [pair("day", "2017-12-01"), pair("q", "a=b")]);
        assert_eq!(run.session.settings, [pair("job.name", "x")]);
        assert!(!run.fresh && !run.output.quiet);
        assert_eq!(run.output.max_rows, 40);
    }

    #[test]
    fn flinks_word_for_dropped_state_is_known() {
        let Command::Run(run) = parse(&["run", "a.sql", "--from", "sp", "--allow-non-restored-state"]).unwrap().command
        else {
            panic!("not run")
        };
        assert!(run.allow_dropped_state && run.from.is_some());
        assert!(parse(&["run", "a.sql", "--allow-dropped-state"]).is_err());
        assert!(parse(&["jobs", "stop", "a", "--savepoint", "--drain"]).is_err());
    }

    #[test]
    fn a_cluster_is_named_by_its_address() {
        let Command::Submit(submit) =
            parse(&["submit", "a.sql", "--flink", "http://here", "--parallelism", "4"]).unwrap().command
        else {
            panic!("not submit")
        };
        assert_eq!((submit.flink.as_str(), submit.parallelism), ("http://here", Some(4)));
        for wrong in [["--parallelism", "0"], ["--detach", "--watch"], ["--allow-dropped-state", "-q"]] {
            assert!(parse(&[["submit", "a.sql", "--flink", "http://here"].as_slice(), &wrong].concat()).is_err());
        }
        assert!(parse(&["jobs", "stop", "a", "--flink", "http://here", "--to", "/savepoints"]).is_ok());
        assert!(parse(&["jobs", "list", "--flink", "http://here", "--dir", "x"]).is_err());
    }

    #[test]
    fn a_parameter_needs_a_name_and_a_value() {
        for wrong in ["day", "=x", ""] {
            let error = parse(&["run", "a.sql", "--param", wrong]).unwrap_err();
            assert!(error.to_string().contains("expected NAME=VALUE"), "{error}");
        }
    }

    #[test]
    fn an_alias_needs_a_version_or_drop() {
        assert!(parse(&["models", "alias", "m", "production", "3"]).is_ok());
        assert!(parse(&["models", "alias", "m", "production", "--drop"]).is_ok());
        assert!(parse(&["models", "alias", "m", "production"]).is_err());
        assert!(parse(&["models", "alias", "m", "production", "3", "--drop"]).is_err());
    }

    #[test]
    fn unknown_words_get_suggestions() {
        let said = |arguments: &[&str]| parse(arguments).unwrap_err().to_string();
        assert!(said(&["rum", "a.sql"]).contains("'run'"));
        assert!(said(&["run", "a.sql", "--frech"]).contains("'--fresh'"));
    }

    #[test]
    fn color_is_seen_early() {
        let early = |arguments: &[&str]| early_color(&arguments.iter().map(Into::into).collect::<Vec<_>>());
        assert_eq!(early(&["tidegate", "--color", "never", "run"]), Some(ColorChoice::Never));
        assert_eq!(early(&["tidegate", "run", "--color=always"]), Some(ColorChoice::Always));
        assert_eq!(early(&["tidegate", "run"]), None);
    }
}
