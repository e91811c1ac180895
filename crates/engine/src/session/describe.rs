//! SHOW and DESCRIBE: what there is, as rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use tidegate_ml::learner::LEARNERS;
use tidegate_ml::model::ChosenFeature;
use tidegate_ml::{InputKind, OutputRole};
use tidegate_options::OptionDef;
use tidegate_sql::settings::SETTINGS;
use tidegate_sql::sqlparser::ast::Ident;
use tidegate_sql::{ObjectKind, Show, Span};

use super::{Place, Session};
use crate::Result;
use crate::catalog::models::{ReferenceError, storage};
use crate::plan::attribute::delay_ms;
use crate::plan::relation::TABLE_FUNCTIONS;
use crate::types::sql_type;
use tidegate_training::ModelEntry;

fn texts<T: Into<String>>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    Arc::new(StringArray::from_iter(values.into_iter().map(|value| Some(value.into()))))
}

fn optional_texts(values: impl IntoIterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(StringArray::from_iter(values))
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    Ok(RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))?)
}

impl Session {
    pub(super) fn show_settings(&self) -> Result<RecordBatch> {
        table(vec![
            ("key", texts(self.set.iter().map(|(key, _)| key.clone()))),
            ("value", texts(self.set.iter().map(|(_, value)| value.clone()))),
        ])
    }

    pub(super) fn show(&self, place: &Place<'_>, show: &Show) -> Result<RecordBatch> {
        let named = |is_view: bool| {
            let names = self.declared.iter().filter(move |(_, declared)| declared.is_view == is_view);
            texts(names.map(|(name, _)| name.clone()))
        };
        match show {
            Show::Tables => table(vec![("table name", texts(self.declared.keys().cloned()))]),
            Show::Views => table(vec![("view name", named(true))]),
            Show::Models => {
                let names = self.names().models;
                let registered = self.registry()?.models().map_err(storage)?;
                let find = |name: &String| registered.iter().find(|model| &model.name == name);
                let versions = names.iter().map(|name| find(name).map_or(0, |model| model.versions).to_string());
                let aliases = names.iter().map(|name| {
                    find(name).map_or_else(String::new, |model| {
                        let aliases: Vec<String> =
                            model.aliases.iter().map(|(alias, n)| format!("{alias} = {n}")).collect();
                        aliases.join(", ")
                    })
                });
                table(vec![("versions", texts(versions)), ("aliases", texts(aliases))]).and_then(|rest| {
                    let mut columns = vec![("model name", texts(names.iter().cloned()))];
                    columns.push(("versions", Arc::clone(rest.column(0))));
                    columns.push(("aliases", Arc::clone(rest.column(1))));
                    table(columns)
                })
            }
            Show::Functions => table(vec![("function name", texts(self.function_names()))]),
            Show::Options => options_table(SETTINGS),
            Show::CreateTable(name) | Show::CreateView(name) => match self.declared.get(&name.value) {
                Some(declared) => table(vec![("result", texts([declared.text.clone()]))]),
                None => Err(self.no_such_table(&place.at(Span::from_parser(name.span)), &name.value)),
            },
            Show::CreateModel(name) => {
                let entry = self.declared_model(place, name)?;
                table(vec![("result", texts([create_model_text(&entry)]))])
            }
        }
    }

    pub(super) fn describe(
        &self,
        place: &Place<'_>,
        kind: ObjectKind,
        name: &Ident,
        extended: bool,
    ) -> Result<RecordBatch> {
        if kind == ObjectKind::Model {
            return self.describe_model(place, name, extended);
        }
        let at_name = place.at(Span::from_parser(name.span));
        if !self.declared.contains_key(&name.value) {
            return Err(self.no_such_table(&at_name, &name.value));
        }
        let execution = &self.execution;
        let reference = super::table::bare(&name.value);
        let provider = execution.run(async { Ok(execution.context.table_provider(reference).await?) })?;
        let schema = provider.schema();
        let fields = schema.fields();
        table(vec![
            ("name", texts(fields.iter().map(|field| field.name().clone()))),
            ("type", texts(fields.iter().map(|field| sql_type(field.data_type())))),
            ("null", Arc::new(BooleanArray::from_iter(fields.iter().map(|field| Some(field.is_nullable()))))),
            (
                "watermark",
                optional_texts(fields.iter().map(|field| {
                    delay_ms(field).map(|ms| format!("{} - INTERVAL '{}' SECOND", field.name(), ms as f64 / 1000.0))
                })),
            ),
        ])
    }

    /// The declared model, or the registry's newest.
    fn declared_model(&self, place: &Place<'_>, name: &Ident) -> Result<Arc<ModelEntry>> {
        if let Some(entry) = self.models.declared(&name.value) {
            return Ok(entry);
        }
        let reference =
            tidegate_sql::call::ModelRef { name: name.value.clone(), version: tidegate_sql::ModelVersion::Latest };
        let place = place.at(Span::from_parser(name.span));
        self.models.for_training(&reference).map(|(entry, _)| entry).map_err(|error| match error {
            ReferenceError::Wrong(message) => place.refuse(message),
            ReferenceError::Registry(error) => error,
        })
    }

    fn describe_model(&self, place: &Place<'_>, name: &Ident, extended: bool) -> Result<RecordBatch> {
        let entry = self.declared_model(place, name)?;
        let spec = &entry.spec;
        let mut rows: Vec<(String, String, String)> = spec
            .inputs
            .iter()
            .map(|input| {
                let kind = match input.kind {
                    InputKind::Number => "DOUBLE",
                    InputKind::Flag => "BOOLEAN",
                    InputKind::Text => "STRING",
                };
                (input.name.clone(), kind.to_string(), "input".to_string())
            })
            .collect();
        let schema = spec.output_schema();
        rows.extend(spec.outputs.iter().zip(schema.fields()).map(|(output, field)| {
            let role = match output.role {
                OutputRole::Predicted => "output: prediction",
                OutputRole::Probability => "output: probability",
                OutputRole::Probabilities => "output: probabilities",
                OutputRole::ModelVersion => "output: model version",
                OutputRole::Cluster => "output: cluster",
                OutputRole::Distance => "output: distance",
                OutputRole::AnomalyScore => "output: score",
                OutputRole::IsAnomaly => "output: is anomaly",
                OutputRole::Changed => "output: change",
                OutputRole::Warning => "output: warning",
            };
            (output.name.clone(), sql_type(field.data_type()), role.to_string())
        }));
        if spec.options.contains_key("select") {
            let version = tidegate_sql::ModelVersion::Latest;
            let reference = tidegate_sql::call::ModelRef { name: entry.name.clone(), version };
            let chosen = match self.models.load(&reference) {
                Ok(loaded) => loaded.model.chosen_features().unwrap_or_default(),
                // There is no version yet.
                Err(ReferenceError::Wrong(_)) => Vec::new(),
                Err(ReferenceError::Registry(error)) => return Err(error),
            };
            for feature in chosen {
                let ChosenFeature { processed_input, category, score } = feature;
                let name =
                    category.map_or(processed_input.clone(), |category| format!("{processed_input} = {category}"));
                rows.push((name, format!("score {score:.6}"), "feature chosen".to_string()));
            }
        }
        if extended {
            rows.extend(entry.options.iter().map(|(key, value)| (key.clone(), value.clone(), "option".to_string())));
            let registered = self.registry()?.models().map_err(storage)?.into_iter().any(|m| m.name == entry.name);
            if registered {
                for version in self.registry()?.versions(&entry.name).map_err(storage)? {
                    let facts = &version.facts;
                    let mut told = vec![format!("{} rows", facts.rows)];
                    told.extend(facts.metrics.iter().map(|(key, value)| format!("{key} {value:.4}")));
                    let role = match version.aliases.is_empty() {
                        true => "version".to_string(),
                        false => format!("version: {}", version.aliases.join(", ")),
                    };
                    rows.push((format!("${}", version.number), told.join(", "), role));
                }
            }
        }
        table(vec![
            ("name", texts(rows.iter().map(|row| row.0.clone()))),
            ("type", texts(rows.iter().map(|row| row.1.clone()))),
            ("role", texts(rows.iter().map(|row| row.2.clone()))),
        ])
    }

    pub(super) fn describe_algorithm(&self, place: &Place<'_>, name: &Ident) -> Result<RecordBatch> {
        let Some(def) = LEARNERS.iter().find(|def| def.name.eq_ignore_ascii_case(&name.value)) else {
            let place = place.at(Span::from_parser(name.span));
            let names = || LEARNERS.iter().map(|def| def.name);
            let message = format!("there is no algorithm '{}'", name.value);
            return Err(match tidegate_options::nearest(&name.value, names()) {
                Some(near) => place.refuse_with_help(message, format!("did you mean '{near}'?")),
                None => {
                    place.refuse_with_help(message, format!("there are: {}", names().collect::<Vec<_>>().join(", ")))
                }
            });
        };
        options_table(&def.options.iter().flat_map(|table| table.iter().copied()).collect::<Vec<_>>())
    }

    /// Every function that a query can call.
    pub(super) fn function_names(&self) -> Vec<String> {
        let state = self.execution.context.state();
        let mut names: Vec<String> = TABLE_FUNCTIONS.iter().map(|signature| signature.name.to_string()).collect();
        names.extend(state.scalar_functions().keys().map(|name| name.to_uppercase()));
        names.extend(state.aggregate_functions().keys().map(|name| name.to_uppercase()));
        names.extend(state.window_functions().keys().map(|name| name.to_uppercase()));
        names.sort();
        names.dedup();
        names
    }
}

/// A table of options: what `SHOW OPTIONS` and `DESCRIBE ALGORITHM` print.
fn options_table(options: &[OptionDef]) -> Result<RecordBatch> {
    table(vec![
        ("name", texts(options.iter().map(|def| def.name))),
        ("takes", texts(options.iter().map(|def| def.kind.to_string()))),
        ("default", optional_texts(options.iter().map(|def| def.default.map(str::to_string)))),
        ("what it does", texts(options.iter().map(|def| def.doc))),
    ])
}

/// The statement that would declare the model again.
fn create_model_text(entry: &ModelEntry) -> String {
    let spec = &entry.spec;
    let mut text = format!("CREATE MODEL {}", spec.name);
    if !spec.transforms.is_empty() {
        let items: Vec<String> = spec.transforms.iter().map(|t| format!("{} AS {}", t.expression, t.alias)).collect();
        text += &format!("\n  TRANSFORM ({})", items.join(",\n             "));
    }
    let inputs: Vec<String> = spec
        .inputs
        .iter()
        .map(|input| {
            let kind = match input.kind {
                InputKind::Number => "DOUBLE",
                InputKind::Flag => "BOOLEAN",
                InputKind::Text => "STRING",
            };
            format!("{} {kind}", input.name)
        })
        .collect();
    text += &format!("\n  INPUT ({})", inputs.join(", "));
    let schema = spec.output_schema();
    let outputs: Vec<String> =
        schema.fields().iter().map(|field| format!("{} {}", field.name(), sql_type(field.data_type()))).collect();
    text += &format!("\n  OUTPUT ({})", outputs.join(", "));
    if let Some(comment) = &entry.comment {
        text += &format!("\n  COMMENT '{}'", comment.replace('\'', "''"));
    }
    let options: Vec<String> =
        entry.options.iter().map(|(key, value)| format!("'{key}' = '{}'", value.replace('\'', "''"))).collect();
    text += &format!("\n  WITH ({})", options.join(", "));
    text
}
