//! Scripts from files, standard input and the command line, and sessions to run them in.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tidegate_engine::{Session, SessionConfig};
use tidegate_sql::{Parameters, Script, SqlError, parse_script};

use crate::args::{GlobalArgs, SessionArgs};
use crate::console::Console;
use crate::failure::Failure;

/// The most file names that an error lists.
const NEARBY_MAX: usize = 5;

/// A script's text, and where it came from.
#[derive(Debug)]
pub(crate) struct ScriptText {
    /// How messages call it.
    pub(crate) name: String,
    pub(crate) text: String,
    /// What relative paths in it start from.
    pub(crate) folder: PathBuf,
}

impl ScriptText {
    /// Reads a file, or standard input for `-`.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Self::standard_input();
        }
        let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
            Failure::command(format!("the script {} is not UTF-8 text: line {line} has other bytes", path.display()))
        })?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Self { name: path.display().to_string(), text: without_mark(text), folder: folder.to_path_buf() })
    }

    /// Reads standard input to its end.
    pub(crate) fn standard_input() -> Result<Self, Failure> {
        let mut text = String::new();
        match io::stdin().lock().read_to_string(&mut text) {
            Ok(_) => Ok(Self::here("standard input", without_mark(text))),
            Err(error) => Err(Failure::command(format!("cannot read the script from standard input: {error}"))),
        }
    }

    /// A text that is in no file: relative paths start from the current folder.
    pub(crate) fn here(name: &str, text: impl Into<String>) -> Self {
        Self { name: name.to_string(), text: text.into(), folder: PathBuf::from(".") }
    }

    /// Parses it.
    pub(crate) fn parse(&self, parameters: &Parameters) -> Result<Script, SqlError> {
        parse_script(&self.name, &self.text, parameters)
    }

    /// Parses it, and warns of parameters that it has no use for.
    pub(crate) fn parse_whole(&self, parameters: &Parameters, console: &Console) -> Result<Script, Failure> {
        let script = self.parse(parameters)?;
        for name in &script.unused_parameters {
            console.warn(&format!("--param {name}: {} has no ${{{name}}}", self.name));
        }
        Ok(script)
    }
}

/// The text without the byte order mark that some editors put first.
fn without_mark(text: String) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_string(),
        None => text,
    }
}

/// Why a script could not be read, and which ones could.
fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let shown = path.display();
    let (folder, message) = match error.kind() {
        io::ErrorKind::NotFound => {
            let full = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
            let looked = if path.is_absolute() { String::new() } else { format!(": looked for {}", full.display()) };
            (path.parent().unwrap_or(Path::new("")).to_path_buf(), format!("there is no script {shown}{looked}"))
        }
        _ if path.is_dir() => (path.to_path_buf(), format!("{shown} is a folder; expected a script")),
        _ => return Failure::Storage(format!("cannot read the script {shown}: {error}")),
    };
    let failure = Failure::command(message);
    match nearby(&folder, path) {
        Some(help) => failure.with_help(help),
        None => failure,
    }
}

/// Says which `.sql` files there are in the folder.
fn nearby(folder: &Path, wanted: &Path) -> Option<String> {
    let folder_or_here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = match fs::read_dir(folder_or_here) {
        Ok(entries) => entries,
        Err(_) => return Some(format!("there is no folder {} either", folder_or_here.display())),
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql")))
        .collect();
    names.sort();
    let full = |name: &str| folder.join(name).display().to_string();
    let wanted = wanted.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some(name) = tidegate_options::nearest(&wanted, names.iter().map(String::as_str)) {
        return Some(format!("did you mean {}?", full(name)));
    }
    if names.is_empty() {
        return Some(format!("there are no .sql files in {}", folder_or_here.display()));
    }
    let listed: Vec<String> = names.iter().take(NEARBY_MAX).map(|name| full(name)).collect();
    let more = match names.len().saturating_sub(NEARBY_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!("scripts there: {}{more}", listed.join(", ")))
}

/// The parameters of `--param`.
pub(crate) fn parameters(args: &SessionArgs) -> Result<Parameters, Failure> {
    let mut parameters = Parameters::default();
    for (name, value) in &args.parameters {
        parameters
            .give(name, value.as_str())
            .map_err(|message| Failure::command(format!("--param {name}: {message}")))?;
    }
    Ok(parameters)
}

/// What a session begins with, as the command line wants it.
pub(crate) fn config(
    global: &GlobalArgs,
    args: &SessionArgs,
    parameters: Parameters,
    script_dir: &Path,
) -> SessionConfig {
    SessionConfig {
        script_dir: script_dir.to_path_buf(),
        home: global.home.clone(),
        settings: args.settings.clone(),
        parameters,
    }
}

/// A session as the command line wants it.
pub(crate) fn session(
    global: &GlobalArgs,
    args: &SessionArgs,
    parameters: Parameters,
    script_dir: &Path,
) -> Result<Session, Failure> {
    Ok(Session::new(config(global, args, parameters, script_dir))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_script_names_its_neighbours() {
        let folder = tempfile::tempdir().unwrap();
        let failure = ScriptText::open(&folder.path().join("jobs.sql")).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        assert_eq!(failure.help(), Some(format!("there are no .sql files in {}", folder.path().display())));

        for name in ["job.sql", "train.sql", "notes.txt"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let failure = ScriptText::open(&folder.path().join("jobs.sql")).unwrap_err();
        assert_eq!(failure.help(), Some(format!("did you mean {}?", folder.path().join("job.sql").display())));

        let failure = ScriptText::open(&folder.path().join("x.sql")).unwrap_err();
        let both =
            format!("{}, {}", folder.path().join("job.sql").display(), folder.path().join("train.sql").display());
        assert_eq!(failure.help(), Some(format!("scripts there: {both}")));

        let failure = ScriptText::open(folder.path()).unwrap_err();
        assert_eq!(failure.to_string(), format!("{} is a folder; expected a script", folder.path().display()));

        let failure = ScriptText::open(&folder.path().join("no").join("x.sql")).unwrap_err();
        assert_eq!(failure.help(), Some(format!("there is no folder {} either", folder.path().join("no").display())));
    }

    #[test]
    fn a_script_is_utf_8_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sql");
        fs::write(&path, b"SELECT 1;\nSELECT '\xff';").unwrap();
        let failure = ScriptText::open(&path).unwrap_err();
        assert!(failure.to_string().ends_with("is not UTF-8 text: line 2 has other bytes"), "{failure}");
        fs::write(&path, "\u{feff}SELECT 1;").unwrap();
        let script = ScriptText::open(&path).unwrap();
        assert_eq!(script.text, "SELECT 1;");
        assert_eq!(script.folder, folder.path());
    }
}
