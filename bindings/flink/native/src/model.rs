//! A version of a model from a registry, that is looked for anew when wanted.

use std::path::Path;

use arrow::datatypes::SchemaRef;
use tidegate_ml::{InputKind, LabelKind, Model, ModelSpec, OutputRole};
use tidegate_registry::{Registry, VersionRef};
use tidegate_training::{KeyedVersion, keyed_version};

use crate::batch::{self, Rows};
use crate::exception::Failure;

/// A model that predicts.
pub(crate) struct Scorer {
    registry: Registry,
    name: String,
    reference: VersionRef,
    model: Model,
    schema: SchemaRef,
}

/// The name of a model and which version of it: `intent`, `intent$3`, `intent$candidate`.
fn parse(reference: &str) -> Result<(&str, VersionRef), Failure> {
    Ok(match reference.split_once('$') {
        None => (reference, VersionRef::Current),
        Some((_, "")) => {
            return Err(Failure::Contract(format!("'{reference}': a version or an alias is expected after '$'")));
        }
        Some((name, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => match version.parse() {
            Ok(number) => (name, VersionRef::Number(number)),
            Err(_) => return Err(Failure::Contract(format!("'{reference}': there is no version of that number"))),
        },
        Some((name, alias)) => (name, VersionRef::Alias(alias.to_string())),
    })
}

/// The registry in a folder, which has to be there.
fn open(registry: &str) -> Result<Registry, Failure> {
    let folder = Path::new(registry);
    // Opening would make one, on a machine that does not see the folder.
    if !folder.is_dir() {
        return Err(Failure::Contract(format!(
            "there is no registry at '{registry}': 'registry' is the folder where `tidegate run` keeps models, which every task manager has to see"
        )));
    }
    Ok(Registry::open(folder)?)
}

/// The models that have a version, a line each.
pub(crate) fn names(registry: &str) -> Result<String, Failure> {
    let models = open(registry)?.models()?;
    Ok(models.iter().filter(|model| model.current().is_some()).map(|model| format!("{}\n", model.name)).collect())
}

fn load(registry: &Registry, name: &str, reference: &VersionRef) -> Result<Model, Failure> {
    let version = registry.resolve(name, reference)?;
    let mut model = Model::load(&registry.load(&version)?)?;
    model.set_version(version.number);
    Ok(model)
}

/// A version with a model a key, and the model of them that has learned nothing.
pub(crate) fn keyed(registry: &str, reference: &str) -> Result<(KeyedVersion, Model), Failure> {
    let (name, reference) = parse(reference)?;
    let registry = open(registry)?;
    let number = registry.resolve(name, &reference)?.number;
    let Some(reader) = keyed_version(&registry, name, number)? else {
        return Err(Failure::Contract(format!("version {number} of model '{name}' is one model for all rows")));
    };
    let mut model = Model::load(&reader.header().untrained)?;
    model.set_version(number);
    Ok((KeyedVersion::new(number, reader), model))
}

impl Scorer {
    /// Opens the registry in a folder and loads the version that the reference means.
    pub(crate) fn open(registry: &str, reference: &str) -> Result<Self, Failure> {
        let (name, reference) = parse(reference)?;
        let registry = open(registry)?;
        let model = load(&registry, name, &reference)?;
        let schema = batch::input_schema(model.spec());
        Ok(Self { registry, name: name.to_string(), reference, model, schema })
    }

    /// The model.
    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// Loads the version that the reference means by now, if that is another one; returns whether it is.
    pub(crate) fn reload(&mut self) -> Result<bool, Failure> {
        let version = self.registry.resolve(&self.name, &self.reference)?;
        if version.number == self.model.version() {
            return Ok(false);
        }
        let model = load(&self.registry, &self.name, &VersionRef::Number(version.number))?;
        if describe(model.spec()) != describe(self.model.spec()) {
            return Err(Failure::Contract(format!(
                "version {} of model '{}' has other inputs or outputs than version {}, which this job was started with",
                version.number,
                self.name,
                self.model.version()
            )));
        }
        self.model = model;
        Ok(true)
    }

    /// The version that predicts.
    pub(crate) fn version(&self) -> u64 {
        self.model.version()
    }

    /// What it reads and gives, for Java: see [`describe`].
    pub(crate) fn describe(&self) -> String {
        describe(self.model.spec())
    }

    /// Predicts rows that Java has written, writes the predictions for Java, and gives the bytes of their texts.
    pub(crate) fn predict(&self, rows: &Rows<'_>, output: &mut [u8]) -> Result<Vec<u8>, Failure> {
        let read = batch::read(&self.schema, rows)?;
        batch::write(&self.model.predict(&read)?, output, rows.capacity)
    }
}

/// A line a column: `input` or `output`, what it holds, and its name, with tabs between them.
fn describe(spec: &ModelSpec) -> String {
    let inputs = spec.inputs.iter().map(|input| {
        let kind = match input.kind {
            InputKind::Number => "number",
            InputKind::Flag => "boolean",
            InputKind::Text => "text",
        };
        ("input", kind, &input.name)
    });
    let outputs = spec.outputs.iter().map(|output| {
        let kind = match (output.role, spec.label) {
            (OutputRole::Predicted, LabelKind::Boolean) => "boolean",
            (OutputRole::Predicted, LabelKind::Integer) | (OutputRole::ModelVersion, _) => "integer",
            (OutputRole::Predicted, LabelKind::Text) => "text",
            (OutputRole::Predicted, LabelKind::Number | LabelKind::None) | (OutputRole::Probability, _) => "number",
            (OutputRole::Probabilities, _) => "map",
            (OutputRole::Cluster, _) => "integer",
            (OutputRole::Distance | OutputRole::AnomalyScore, _) => "number",
            (OutputRole::IsAnomaly | OutputRole::Changed | OutputRole::Warning, _) => "boolean",
        };
        ("output", kind, &output.name)
    });
    inputs.chain(outputs).map(|(side, kind, name)| format!("{side}\t{kind}\t{name}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_name_and_perhaps_a_version() {
        let version = |text| parse(text).unwrap();
        assert_eq!(version("intent"), ("intent", VersionRef::Current));
        assert_eq!(version("intent$3"), ("intent", VersionRef::Number(3)));
        assert_eq!(version("intent$candidate"), ("intent", VersionRef::Alias("candidate".into())));
        assert!(parse("intent$").is_err());
        assert!(parse("intent$99999999999999999999").is_err());
    }

    #[test]
    fn a_folder_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("models");
        let error = Scorer::open(path.to_str().unwrap(), "intent").err().unwrap().to_string();
        assert!(error.contains("there is no registry at"), "{error}");
        assert!(!path.exists());
        let error = Scorer::open(folder.path().to_str().unwrap(), "intent").err().unwrap().to_string();
        assert!(error.contains("intent"), "{error}");
    }

    /// A model of one number, that predicts whether it is so.
    fn model(input: &str) -> Vec<u8> {
        let options = [("provider", "tidegate"), ("task", "classification"), ("algorithm", "logistic_regression")];
        let spec = ModelSpec {
            name: "intent".into(),
            task: tidegate_ml::Task::Classification,
            inputs: vec![tidegate_ml::Input { name: input.into(), kind: InputKind::Number }],
            transforms: Vec::new(),
            outputs: vec![tidegate_ml::Output { name: "predicted".into(), role: OutputRole::Predicted }],
            label: LabelKind::Boolean,
            options: options.map(|(key, value)| (key.to_string(), value.to_string())).into(),
        };
        Model::new(spec).unwrap().save()
    }

    #[test]
    fn another_version_is_found_where_the_reference_means_one() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path()).unwrap();
        let register = |input: &str, key: &str| {
            let facts = tidegate_registry::VersionFacts { key: key.into(), ..Default::default() };
            registry.register("intent", &model(input), &facts).unwrap()
        };
        register("x", "first");
        registry.set_alias("intent", "candidate", 1).unwrap();
        let open = |reference| Scorer::open(folder.path().to_str().unwrap(), reference).unwrap();
        let (mut latest, mut fixed, mut candidate) = (open("intent"), open("intent$1"), open("intent$candidate"));
        assert_eq!(latest.describe(), "input\tnumber\tx\noutput\tboolean\tpredicted\n");
        assert!(!latest.reload().unwrap());
        register("x", "second");
        assert!(latest.reload().unwrap());
        assert_eq!(latest.version(), 2);
        assert!(!fixed.reload().unwrap());
        assert!(!candidate.reload().unwrap());
        registry.set_alias("intent", "candidate", 2).unwrap();
        assert!(candidate.reload().unwrap());
        // One that reads something else does not take its place.
        register("y", "third");
        assert!(latest.reload().unwrap_err().to_string().contains("other inputs or outputs"));
        assert_eq!(latest.version(), 2);
    }
}
