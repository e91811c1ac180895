//! `tidegate functions`: what can be called.

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde_json::json;
use tidegate_engine::{Observer, Session};
use tidegate_ml::metric::{Argument, FADING_METRICS, METRICS, MetricDef};
use tidegate_ml::transform::TRANSFORMS;
use tidegate_options::nearest;
use tidegate_sql::Parameters;
use unicode_width::UnicodeWidthStr;

use super::sql::execute;
use crate::args::{FunctionsArgs, GlobalArgs, SessionArgs};
use crate::console::{Console, Stream};
use crate::failure::Failure;
use crate::render::cell::Column;
use crate::render::facts::wrap;
use crate::script::{ScriptText, session};

/// How wide texts are where there is no terminal.
const TEXT_WIDTH: usize = 100;

/// A function.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// How it is called, form by form.
    pub(super) forms: Vec<String>,
    pub(super) doc: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Transform,
    Metric,
    Other,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Transform => "transform",
            Self::Metric => "metric",
            Self::Other => "function",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Transform => "Transforms, in CREATE MODEL … TRANSFORM (…)",
            Self::Metric => "Metrics, which are aggregates",
            Self::Other => "Functions",
        }
    }
}

pub(crate) fn functions(global: &GlobalArgs, args: &FunctionsArgs, console: &Console) -> Result<(), Failure> {
    let none = SessionArgs { parameters: Vec::new(), settings: Vec::new() };
    let mut session = session(global, &none, Parameters::default(), Path::new("."))?;
    let functions = all(&names(&mut session)?);
    let chosen = chosen(&functions, args.name.as_deref())?;
    if console.json {
        for function in chosen {
            let Function { name, kind, forms, doc } = function;
            console.print_tagged("function", json!({ "name": name, "kind": kind.word(), "forms": forms, "doc": doc }));
        }
        return Ok(());
    }
    console.print(|out| match chosen.as_slice() {
        [one] => explain(out, console.out, one),
        many => list(out, console.out, many),
    });
    Ok(())
}

/// The functions that a session knows. `Session::names` would open the registry, which looking should not create.
fn names(session: &mut Session) -> Result<Vec<String>, Failure> {
    let names = Names::default();
    execute(session, &ScriptText::here("functions", "SHOW FUNCTIONS;").parse(&Parameters::default())?, &names)?;
    Ok(names.0.into_inner())
}

/// Keeps the first column of a result.
#[derive(Default)]
struct Names(RefCell<Vec<String>>);

impl Observer for Names {
    fn rows(&self, schema: &SchemaRef, batches: &[RecordBatch]) {
        let Some(field) = schema.fields().first() else { return };
        let parts: Vec<_> = batches.iter().filter_map(|batch| batch.columns().first().cloned()).collect();
        self.0.borrow_mut().extend(Column::from_arrow(field, &parts, usize::MAX).cells.into_iter().flatten());
    }
}

/// Every function: ours with their docs, then the other names that a session knows.
pub(super) fn all(names: &[String]) -> Vec<Function> {
    let transforms = TRANSFORMS.iter().map(|transform| Function {
        name: transform.name.to_string(),
        kind: Kind::Transform,
        forms: transform.arguments.iter().map(|arguments| format!("{}({arguments})", transform.name)).collect(),
        doc: transform.doc.trim(),
    });
    let metrics = METRICS.iter().chain(FADING_METRICS).map(|metric| Function {
        name: metric.name.to_string(),
        kind: Kind::Metric,
        forms: vec![form(metric)],
        doc: metric.doc.trim(),
    });
    let mut functions: Vec<Function> = transforms.chain(metrics).collect();
    for name in names {
        if !functions.iter().any(|function| function.name.eq_ignore_ascii_case(name)) {
            functions.push(Function { name: name.to_uppercase(), kind: Kind::Other, forms: Vec::new(), doc: "" });
        }
    }
    functions.sort_by(|a, b| (a.kind as u8, &a.name).cmp(&(b.kind as u8, &b.name)));
    functions
}

/// How a metric is called.
fn form(metric: &MetricDef) -> String {
    let argument = |argument: &Argument| match argument {
        Argument::Class => "class",
        Argument::Cluster => "cluster",
        Argument::Binary => "label",
        Argument::Score => "score DOUBLE",
        Argument::Number => "number DOUBLE",
        Argument::Sample => "sample",
        Argument::Category => "category",
        Argument::Value => "value",
    };
    let mut arguments: Vec<&str> = metric.arguments.iter().map(argument).collect();
    if !metric.parameters.is_empty() {
        arguments.push(metric.parameters);
    }
    format!("{}({})", metric.name, arguments.join(", "))
}

fn chosen<'a>(functions: &'a [Function], wanted: Option<&str>) -> Result<Vec<&'a Function>, Failure> {
    let Some(wanted) = wanted else { return Ok(functions.iter().collect()) };
    let upper = wanted.to_uppercase();
    if let Some(exact) = functions.iter().find(|function| function.name == upper) {
        return Ok(vec![exact]);
    }
    let found: Vec<&Function> = functions.iter().filter(|function| function.name.contains(&upper)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let failure = Failure::command(format!("there is no function '{wanted}'"));
    Err(match nearest(wanted, functions.iter().map(|function| function.name.as_str())) {
        Some(near) => failure.with_help(format!("did you mean {near}?")),
        None => failure,
    })
}

/// One function in full.
fn explain(out: &mut dyn Write, stream: Stream, function: &Function) -> io::Result<()> {
    let paint = stream.paint;
    writeln!(out, "{}  {}", paint.bold(&function.name), paint.dim(function.kind.word()))?;
    for form in &function.forms {
        writeln!(out, "  {}", paint.cyan(form))?;
    }
    for paragraph in function.doc.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        writeln!(out)?;
        for line in wrap(paragraph, stream.width.unwrap_or(TEXT_WIDTH)) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// Ours with a line each; the others as names.
fn list(out: &mut dyn Write, stream: Stream, functions: &[&Function]) -> io::Result<()> {
    let (paint, room) = (stream.paint, stream.width.unwrap_or(TEXT_WIDTH));
    let mut first = true;
    for kind in [Kind::Transform, Kind::Metric, Kind::Other] {
        let of_kind: Vec<&&Function> = functions.iter().filter(|function| function.kind == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        if !std::mem::take(&mut first) {
            writeln!(out)?;
        }
        writeln!(out, "{}", paint.bold(paint.green(kind.title())))?;
        let width = of_kind.iter().map(|function| function.name.width()).max().unwrap_or(0);
        if kind == Kind::Other {
            let names: Vec<&str> = of_kind.iter().map(|function| function.name.as_str()).collect();
            for line in wrap(&names.join(" "), room.saturating_sub(2)) {
                writeln!(out, "  {line}")?;
            }
            continue;
        }
        for function in of_kind {
            let gap = " ".repeat(width - function.name.width());
            let idea = wrap(first_sentence(function.doc), room.saturating_sub(width + 4).max(20));
            writeln!(out, "  {}{gap}  {}", paint.cyan(&function.name), idea.first().map_or("", String::as_str))?;
            for line in idea.iter().skip(1) {
                writeln!(out, "  {}  {line}", " ".repeat(width))?;
            }
        }
    }
    Ok(())
}

/// Up to the first full stop that ends a sentence.
fn first_sentence(doc: &str) -> &str {
    let paragraph = doc.split("\n\n").next().unwrap_or_default();
    paragraph
        .match_indices('.')
        .map(|(at, _)| at + 1)
        .find(|end| paragraph[*end..].chars().next().is_none_or(char::is_whitespace))
        .map_or(paragraph, |end| &paragraph[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Function> {
        let function = |name: &str, kind, doc| Function { name: name.to_string(), kind, forms: Vec::new(), doc };
        vec![
            function("ML_ONE", Kind::Transform, "Makes one of x. More."),
            function("ML_ACC", Kind::Metric, "Share of rows, 0.5 by chance."),
            function("ABS", Kind::Other, ""),
            function("SIN", Kind::Other, ""),
        ]
    }

    #[test]
    fn functions_are_listed_by_kind() {
        let functions = sample();
        let mut out = Vec::new();
        list(&mut out, Stream::default(), &functions.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\
Transforms, in CREATE MODEL … TRANSFORM (…)
  ML_ONE  Makes one of x.

Metrics, which are aggregates
  ML_ACC  Share of rows, 0.5 by chance.

Functions
  ABS SIN
"
        );
    }

    #[test]
    fn a_name_chooses_one_or_those_that_contain_it() {
        let functions = sample();
        let names =
            |wanted| chosen(&functions, Some(wanted)).unwrap().iter().map(|f| f.name.clone()).collect::<Vec<_>>();
        assert_eq!(names("abs"), ["ABS"]);
        assert_eq!(names("ml_"), ["ML_ONE", "ML_ACC"]);
        assert_eq!(chosen(&functions, Some("ml_onee")).unwrap_err().help(), Some("did you mean ML_ONE?".to_string()));
    }

    #[test]
    fn ours_are_told_apart_from_the_sessions() {
        let functions = all(&["abs".to_string()]);
        assert!(functions.iter().any(|function| function.name == "ABS" && function.kind == Kind::Other));
        assert!(functions.iter().any(|function| function.kind == Kind::Transform && !function.doc.is_empty()));
    }
}
