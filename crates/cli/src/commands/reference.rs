//! `tidegate reference`: the page with all options and functions, written from the tables that the code itself reads.

use std::io::{self, Write};

use tidegate_engine::TABLE_FUNCTIONS;
use tidegate_sql::call::Signature;

use super::functions::{self, Function, Kind};
use super::options::{self, Entry, Group};
use crate::console::Console;
use crate::failure::Failure;

pub(crate) fn reference(console: &Console) -> Result<(), Failure> {
    console.print(|out| page(out));
    Ok(())
}

fn page(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# Reference")?;
    writeln!(out)?;
    writeln!(out, "Written by `tidegate reference` from the declarations in the code; a test keeps this page true.")?;
    writeln!(out, "Where the language differs from Flink SQL: [differences.md](differences.md).")?;
    writeln!(out, "\n## Functions of the FROM clause")?;
    for signature in TABLE_FUNCTIONS {
        table_function(out, signature)?;
    }
    let functions = functions::all(&[]);
    for kind in [Kind::Transform, Kind::Metric] {
        writeln!(out, "\n## {}", kind.title())?;
        for function in functions.iter().filter(|function| function.kind == kind) {
            scalar_function(out, function)?;
        }
    }
    writeln!(out, "\n## Options")?;
    for group in options::all() {
        options_of(out, &group)?;
    }
    Ok(())
}

fn table_function(out: &mut dyn Write, signature: &Signature) -> io::Result<()> {
    writeln!(out, "\n### {}\n\n{}", signature.name, signature.doc)?;
    writeln!(out, "\n| parameter | | |\n|---|---|---|")?;
    for parameter in signature.parameters {
        let need = if parameter.required { "required" } else { "optional" };
        writeln!(out, "| `{}` | {need} | {} |", parameter.name, cell(parameter.doc))?;
    }
    Ok(())
}

fn scalar_function(out: &mut dyn Write, function: &Function) -> io::Result<()> {
    writeln!(out, "\n### {}\n", function.name)?;
    for form in &function.forms {
        writeln!(out, "    {form}")?;
    }
    for paragraph in function.doc.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        writeln!(out, "\n{}", one_line(paragraph))?;
    }
    Ok(())
}

fn options_of(out: &mut dyn Write, group: &Group) -> io::Result<()> {
    writeln!(out, "\n### {}", group.title)?;
    for paragraph in group.doc.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        writeln!(out, "\n{}", one_line(paragraph))?;
    }
    if group.options.is_empty() {
        return writeln!(out, "\nNo options of its own.");
    }
    writeln!(out, "\n| option | type | default | |\n|---|---|---|---|")?;
    for Entry { option, only } in &group.options {
        let default = match option.default {
            Some(default) => format!("`{}`", cell(default)),
            None if option.required => "required".to_string(),
            None => String::new(),
        };
        let only = only.map(|side| format!(" ({side} only)")).unwrap_or_default();
        let kind = cell(&option.kind.to_string());
        writeln!(out, "| `{}` | {kind} | {default} | {}{only} |", option.name, cell(option.doc))?;
    }
    Ok(())
}

/// Text on one line: the docs are wrapped for the source.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    one_line(text).replace('|', "\\|")
}
