//! `tidegate models`: what is in the registry.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::Path;

use serde_json::json;
use tidegate_registry::{Registry, Version, VersionRef};

use crate::args::{GlobalArgs, ModelsArgs, ModelsCommand};
use crate::console::Console;
use crate::failure::Failure;
use crate::render::cell::Column;
use crate::render::datetime::moment;
use crate::render::table::Table;
use crate::render::{facts, number};

pub(crate) fn models(global: &GlobalArgs, args: &ModelsArgs, console: &Console) -> Result<(), Failure> {
    let folder = args.registry.clone().unwrap_or_else(|| global.home.join("registry"));
    // Looking must not leave an empty registry behind.
    let registry = match (folder.is_dir(), &args.command) {
        (true, _) => Registry::open(&folder)?,
        (false, ModelsCommand::List) => return list(&[], console),
        (false, _) => return Err(no_registry(&folder)),
    };
    match &args.command {
        ModelsCommand::List => list(&registry.models()?, console),
        ModelsCommand::Show { model } => {
            let (model, version) = reference(model)?;
            show(&registry.resolve(&model, &version)?, console)
        }
        ModelsCommand::Versions { model } => {
            let (model, version) = reference(model)?;
            let all = registry.versions(&model)?;
            let versions = match version {
                VersionRef::Current => all,
                one => vec![registry.resolve(&model, &one)?],
            };
            list_versions(&versions, console)
        }
        ModelsCommand::Alias { model, alias, version, .. } => {
            let plain = plain_model(model)?;
            match version {
                Some(version) => set_alias(&registry, &plain, alias, version, console),
                None => drop_alias(&registry, &plain, alias, console),
            }
        }
        ModelsCommand::Delete { model, yes } => {
            let (model, version) = reference(model)?;
            delete(&registry, &model, &version, *yes, console)
        }
    }
}

fn no_registry(folder: &Path) -> Failure {
    Failure::command(format!("there is no registry in {}, so there is no model", folder.display())).with_help(
        "CREATE MODEL … AS SELECT and ML_TRAIN make it; name another folder with --home DIR or --registry DIR",
    )
}

/// Reads `intent`, `intent$3`, `intent@3`, `intent$candidate`.
pub(super) fn reference(text: &str) -> Result<(String, VersionRef), Failure> {
    match text.rsplit_once(['$', '@']) {
        None => Ok((text.to_string(), VersionRef::Current)),
        Some((model, version)) => Ok((model.to_string(), version.parse()?)),
    }
}

fn plain_model(text: &str) -> Result<String, Failure> {
    match reference(text)? {
        (model, VersionRef::Current) => Ok(model),
        (model, version) => Err(Failure::command(format!("'{text}' names a version; expected a model"))
            .with_help(format!("write: tidegate models alias {model} ALIAS {version}"))),
    }
}

fn list(models: &[tidegate_registry::ModelSummary], console: &Console) -> Result<(), Failure> {
    if console.json {
        models.iter().for_each(|model| console.print_tagged("model", model));
        return Ok(());
    }
    if models.is_empty() {
        console.note("no models yet; CREATE MODEL … AS SELECT and ML_TRAIN make them");
        return Ok(());
    }
    let table = Table::from_columns(vec![
        Column::texts("model", models.iter().map(|model| &model.name)),
        Column::texts("versions", models.iter().map(|model| number::count(model.versions))).right_aligned(),
        Column::optional("current", models.iter().map(|model| model.current().map(|n| n.to_string()))).right_aligned(),
        Column::texts("aliases", models.iter().map(|model| aliases(&model.aliases))),
        Column::texts("created", models.iter().map(|model| moment(model.created_at))),
    ]);
    console.print(|out| table.write(out, console.canvas()));
    Ok(())
}

fn aliases(aliases: &BTreeMap<String, u64>) -> String {
    let each: Vec<String> = aliases.iter().map(|(alias, number)| format!("{alias}: {number}")).collect();
    each.join(", ")
}

fn metrics(metrics: &BTreeMap<String, f64>, separator: &str) -> String {
    let each: Vec<String> = metrics.iter().map(|(name, value)| format!("{name}: {}", number::float(*value))).collect();
    each.join(separator)
}

fn list_versions(versions: &[Version], console: &Console) -> Result<(), Failure> {
    if console.json {
        versions.iter().for_each(|version| console.print_tagged("version", version));
        return Ok(());
    }
    let table = Table::from_columns(vec![
        Column::texts("version", versions.iter().map(|version| version.number.to_string())).right_aligned(),
        Column::texts("aliases", versions.iter().map(|version| version.aliases.join(", "))),
        Column::texts("created", versions.iter().map(|version| moment(version.created_at))),
        Column::texts("rows", versions.iter().map(|version| number::count(version.facts.rows))).right_aligned(),
        Column::optional("trained until", versions.iter().map(|version| version.facts.trained_until.map(moment))),
        Column::texts("size", versions.iter().map(|version| number::bytes(version.artifact_bytes))).right_aligned(),
        Column::texts("job", versions.iter().map(|version| &version.facts.job)),
        Column::texts("metrics", versions.iter().map(|version| metrics(&version.facts.metrics, ", "))),
    ]);
    console.print(|out| table.write(out, console.canvas()));
    Ok(())
}

fn show(version: &Version, console: &Console) -> Result<(), Failure> {
    if console.json {
        console.print_tagged("version", version);
        return Ok(());
    }
    let known = &version.facts;
    let parameters: Vec<String> = known.parameters.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let specification = match &known.spec {
        serde_json::Value::Null => String::new(),
        spec => serde_json::to_string_pretty(spec).unwrap_or_default(),
    };
    let rows: Vec<(String, String)> = [
        ("model", version.model.clone()),
        ("version", version.number.to_string()),
        ("aliases", version.aliases.join(", ")),
        ("created", format!("{} UTC", moment(version.created_at))),
        ("job", known.job.clone()),
        ("rows learned", number::count(known.rows)),
        ("trained until", known.trained_until.map(moment).unwrap_or_default()),
        ("metrics", metrics(&known.metrics, "\n")),
        ("parameters", parameters.join("\n")),
        ("data", known.data_fingerprint.clone().unwrap_or_default()),
        ("artifact", format!("{}, sha256 {}", number::bytes(version.artifact_bytes), version.artifact_sha256)),
        ("specification", specification),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name.to_string(), value))
    .collect();
    console.print(|out| facts::write(out, console.out.paint, &rows));
    Ok(())
}

fn set_alias(registry: &Registry, model: &str, alias: &str, version: &str, console: &Console) -> Result<(), Failure> {
    let number = registry.resolve(model, &version.parse()?)?.number;
    let before = registry.set_alias(model, alias, number)?;
    if console.json {
        console.print_tagged("alias", json!({ "model": model, "alias": alias, "version": number, "before": before }));
    } else {
        let moved = match before {
            Some(before) if before == number => ", as it did before".to_string(),
            Some(before) => format!("; before, it pointed at version {before}"),
            None => String::new(),
        };
        console.print_line(format!("alias '{alias}' of model '{model}' points at version {number}{moved}"));
    }
    Ok(())
}

fn drop_alias(registry: &Registry, model: &str, alias: &str, console: &Console) -> Result<(), Failure> {
    let before = registry.drop_alias(model, alias)?;
    if console.json {
        console.print_tagged("alias", json!({ "model": model, "alias": alias, "version": null, "before": before }));
    } else {
        console.print_line(format!("alias '{alias}' of model '{model}' dropped; it pointed at version {before}"));
    }
    Ok(())
}

fn delete(registry: &Registry, model: &str, version: &VersionRef, yes: bool, console: &Console) -> Result<(), Failure> {
    let (what, number) = match version {
        VersionRef::Current => {
            let versions = registry.versions(model)?.len() as u64;
            (format!("model '{model}' with {}", number::counted(versions, "version")), None)
        }
        one => {
            let number = registry.resolve(model, one)?.number;
            (format!("version {number} of model '{model}'"), Some(number))
        }
    };
    if !yes && !confirmed(&what, console)? {
        console.note("nothing was deleted");
        return Ok(());
    }
    match number {
        Some(number) => registry.delete_version(model, number)?,
        None => registry.delete_model(model)?,
    }
    match console.json {
        true => console.print_tagged("deleted", json!({ "model": model, "version": number })),
        false => console.print_line(format!("{what} deleted")),
    }
    Ok(())
}

/// Asks on a terminal. Elsewhere nobody can answer.
fn confirmed(what: &str, console: &Console) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() || !console.err.terminal {
        return Err(Failure::command(format!("will not delete {what} without being asked to")).with_help("add --yes"));
    }
    console.note(format!("delete {what}? It cannot be brought back. [y/N]"));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|error| Failure::Storage(format!("cannot read the answer: {error}")))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let read = |text| reference(text).unwrap();
        assert_eq!(read("intent"), ("intent".to_string(), VersionRef::Current));
        assert_eq!(read("intent$3"), ("intent".to_string(), VersionRef::Number(3)));
        assert_eq!(read("intent@12"), ("intent".to_string(), VersionRef::Number(12)));
        assert_eq!(read("a.b-c@candidate"), ("a.b-c".to_string(), VersionRef::Alias("candidate".to_string())));
        assert!(reference("intent@").is_err());
        assert_eq!(plain_model("intent@3").unwrap_err().exit_code(), 2);
    }

    #[test]
    fn maps_read_well() {
        let of = |pairs: &[(&str, f64)]| pairs.iter().map(|(k, v)| (k.to_string(), *v)).collect();
        assert_eq!(metrics(&of(&[("Accuracy", 0.81234567), ("LogLoss", 0.5)]), ", "), "Accuracy: 0.8123, LogLoss: 0.5");
        assert_eq!(aliases(&BTreeMap::from([("production".to_string(), 3)])), "production: 3");
    }
}
