//! `tidegate report`: one page on a version of a model.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tidegate_engine::Session;
use tidegate_ml::ModelSpec;
use tidegate_sql::{Located, Statement};

use super::models::reference;
use crate::args::{GlobalArgs, ReportArgs};
use crate::console::Console;
use crate::failure::Failure;
use crate::observer::Reporter;
use crate::report::{Question, Subject, gather, page};
use crate::script::{ScriptText, parameters, session};
use crate::stop::Stop;

pub(crate) fn report(global: &GlobalArgs, args: &ReportArgs, console: &Console) -> Result<(), Failure> {
    let parameters = parameters(&args.session)?;
    let text = match &args.script {
        Some(path) => ScriptText::open(path)?,
        None => ScriptText::here("command line", ""),
    };
    let script = text.parse_whole(&parameters, console)?;
    let mut session = session(global, &args.session, parameters, &text.folder)?;
    let stop = Stop::on_signals().map_err(|error| Failure::Storage(format!("cannot listen for Ctrl-C: {error}")))?;
    let reporter = Reporter::new(console, &stop);
    for located in script.statements.iter().filter_map(declaration) {
        session.execute(&script.source, &located, &tidegate_engine::Silent)?;
    }
    let subject = subject(&session, &args.model)?;
    let question = Question {
        data: args.data.clone(),
        base: args.base.clone(),
        label: args.label.clone(),
        time: args.time.clone(),
        slices: args.slices.clone(),
        args: args.args.clone(),
        false_positive_cost: args.false_positive_cost,
        false_negative_cost: args.false_negative_cost,
    };
    let gathered = gather(&mut session, &subject, &question, &reporter);
    reporter.end();
    let findings = gathered?;
    let path = args.output.clone().unwrap_or_else(|| default_path(&subject));
    write(&path, &page(&findings))?;
    match console.json {
        true => console.print_tagged("report", json!({ "path": path, "findings": findings })),
        false => console.print_line(path.display().to_string()),
    }
    Ok(())
}

/// What a statement declares; `None` for what would run.
fn declaration(located: &Located) -> Option<Located> {
    match &located.statement {
        Statement::Set { .. } | Statement::CreateTable(_) | Statement::CreateView(_) => Some(located.clone()),
        Statement::CreateModel(model) => {
            let mut located = located.clone();
            located.statement = Statement::CreateModel(tidegate_sql::CreateModel { query: None, ..model.clone() });
            // Without its query it may not say what its columns are; its versions do.
            (!model.input.is_empty()).then_some(located)
        }
        _ => None,
    }
}

fn subject(session: &Session, model: &str) -> Result<Subject, Failure> {
    let (name, version) = reference(model)?;
    let registry = session.registry()?;
    let version = registry.resolve(&name, &version)?;
    let versions = registry.versions(&name)?;
    let spec: ModelSpec = serde_json::from_value(version.facts.spec.clone()).map_err(|error| {
        Failure::Storage(format!("version {} of model '{name}' has no readable specification: {error}", version.number))
    })?;
    Ok(Subject { version, versions, spec })
}

fn default_path(subject: &Subject) -> PathBuf {
    // A model's name may hold a slash, which would be a folder.
    let safe: String =
        subject.version.model.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    PathBuf::from(format!("{safe}-{}.html", subject.version.number))
}

fn write(path: &Path, page: &str) -> Result<(), Failure> {
    fs::write(path, page)
        .map_err(|error| Failure::Storage(format!("cannot write the report {}: {error}", path.display())))
}
