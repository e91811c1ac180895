//! CREATE MODEL, ALTER MODEL, and training on history.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::DFSchema;
use datafusion::logical_expr::LogicalPlan;
use tidegate_ml::keys::can_be_key;
use tidegate_ml::{Expression, InputKind, Transform};
use tidegate_sql::sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Query, Spanned, WindowType};
use tidegate_sql::{AlterModel, AlterModelAction, CreateModel, Span, TransformItem, literal};

use super::table::declared_field;
use super::{Place, Session};
use crate::catalog::models::{storage, version_ref};
use crate::checkpoint::JobFolder;
use crate::job::{self, HistoryColumns};
use crate::{Error, JobReport, Observer, Result};
use tidegate_training::{ModelEntry, Refusal};

impl Session {
    pub(crate) fn create_model(&mut self, place: &Place<'_>, create: &CreateModel) -> Result<String> {
        let name = &create.name.value;
        if self.models.declared(name).is_some() && !create.or_replace {
            if create.if_not_exists {
                return Ok(format!("model {name} is there already"));
            }
            return Err(place.refuse_with_help(
                format!("model '{name}' is declared already"),
                "write CREATE OR REPLACE MODEL, or CREATE MODEL IF NOT EXISTS",
            ));
        }
        let fields = |columns: &[tidegate_sql::Column]| {
            columns.iter().map(|column| declared_field(place, column)).collect::<Result<Vec<_>>>().map(Schema::new)
        };
        let (input, output) = (fields(&create.input)?, fields(&create.output)?);
        let transforms =
            create.transform.iter().map(|item| transform(place, item)).collect::<Result<Vec<Transform>>>()?;
        let mut options = BTreeMap::new();
        for pair in &create.options {
            if options.insert(pair.key.clone(), pair.value.clone()).is_some() {
                return Err(place.at(Some(pair.key_span)).refuse(format!("option '{}' is given twice", pair.key)));
            }
        }
        let entry = ModelEntry::declare(name, &input, &output, transforms, options, create.comment.clone()).map_err(
            |Refusal { option, message }| {
                let pair = option.and_then(|key| create.options.iter().find(|pair| pair.key == key));
                let span =
                    pair.map(|pair| if message.starts_with("unknown") { pair.key_span } else { pair.value_span });
                place.at(span).refuse(message)
            },
        )?;
        self.models.declare(entry);
        Ok(format!("model {name} created"))
    }

    pub(super) fn alter_model(&mut self, place: &Place<'_>, alter: &AlterModel) -> Result<String> {
        let name = &alter.name.value;
        let declared = self.models.declared(name);
        let refuse = |error: tidegate_registry::Error| place.refuse(error.to_string());
        match &alter.action {
            AlterModelAction::SetAlias { alias, version } => {
                let registry = self.models.registry()?;
                if self.checking {
                    return Ok(format!("alias {} of model {name} set", alias.value));
                }
                let found = registry.resolve(name, &version_ref(version)).map_err(refuse)?;
                registry.set_alias(name, &alias.value, found.number).map_err(refuse)?;
                Ok(format!("alias {} of model {name} points at version {}", alias.value, found.number))
            }
            AlterModelAction::DropAlias(alias) => {
                if !self.checking {
                    self.models.registry()?.drop_alias(name, &alias.value).map_err(refuse)?;
                }
                Ok(format!("alias {} of model {name} dropped", alias.value))
            }
            AlterModelAction::RenameTo(new) => {
                let registry = self.models.registry()?;
                let registered = registry.models().map_err(storage)?.iter().any(|model| &model.name == name);
                if declared.is_none() && !registered {
                    return self.absent(place, name, alter.if_exists);
                }
                if registered && !self.checking {
                    registry.rename_model(name, &new.value).map_err(refuse)?;
                }
                if let Some(entry) = declared {
                    let mut spec = entry.spec.clone();
                    spec.name.clone_from(&new.value);
                    self.models.undeclare(name);
                    let entry =
                        ModelEntry::registered(spec, entry.options.clone()).map_err(|r| place.refuse(r.message))?;
                    self.models.declare(entry);
                }
                Ok(format!("model {name} renamed to {}", new.value))
            }
            AlterModelAction::SetOptions(pairs) => {
                let Some(entry) = declared else { return self.absent(place, name, alter.if_exists) };
                let mut options = entry.options.clone();
                options.extend(pairs.iter().map(|pair| (pair.key.clone(), pair.value.clone())));
                self.redeclare(place, &entry, options)
            }
            AlterModelAction::ResetOptions(keys) => {
                let Some(entry) = declared else { return self.absent(place, name, alter.if_exists) };
                let mut options = entry.options.clone();
                for key in keys {
                    if options.remove(key).is_none() {
                        return Err(place.refuse(format!("option '{key}' of model '{name}' is not set")));
                    }
                }
                self.redeclare(place, &entry, options)
            }
        }
    }

    fn absent(&self, place: &Place<'_>, name: &str, if_exists: bool) -> Result<String> {
        if if_exists {
            return Ok(format!("there is no model {name}"));
        }
        let known = self.models.declared_names();
        let message = format!("there is no model '{name}' in this script");
        Err(match tidegate_options::nearest(name, known.iter().map(String::as_str)) {
            Some(near) => place.refuse_with_help(message, format!("did you mean '{near}'?")),
            None => place.refuse_with_help(message, "declare it with CREATE MODEL"),
        })
    }

    fn redeclare(&self, place: &Place<'_>, entry: &ModelEntry, options: BTreeMap<String, String>) -> Result<String> {
        let changed = entry.with_options(options).map_err(|refusal| place.refuse(refusal.message))?;
        self.models.declare(changed);
        Ok(format!("model {} altered", entry.name))
    }

    /// Removes a model of the registry with all its versions; false if there is none.
    pub(super) fn delete_registered(&self, name: &str) -> Result<bool> {
        let registry = self.models.registry()?;
        let registered = registry.models().map_err(storage)?.iter().any(|model| model.name == name);
        if registered && !self.checking {
            registry.delete_model(name).map_err(storage)?;
        }
        Ok(registered)
    }

    /// `CREATE MODEL … AS SELECT`: learns from the rows of a bounded query, several times if wanted, and registers a version.
    pub(super) fn train_on_history(
        &mut self,
        place: &Place<'_>,
        create: &CreateModel,
        query: &Query,
        observer: &dyn Observer,
        folder: Option<(&mut JobFolder, usize)>,
    ) -> Result<JobReport> {
        let (entry, plan, columns) = self.plan_history(place, create, query)?;
        let Some((folder, step)) = folder else { return Err(Error::Internal("a job needs a folder".into())) };
        let key = format!("{}-{step}", folder.run_id());
        let path = folder.step(step)?;
        let mut context = self.job_context(place, path, key, observer)?;
        context.run = Some(folder.handle(step));
        let done = |logs: &[PathBuf]| folder.step_done(step, logs);
        job::train(&entry, &plan, &columns, &context, done).map_err(|error| place.running(error))
    }

    /// Plans a `CREATE MODEL … AS SELECT` whose model is declared.
    pub(crate) fn plan_history(
        &self,
        place: &Place<'_>,
        create: &CreateModel,
        query: &Query,
    ) -> Result<(Arc<ModelEntry>, LogicalPlan, HistoryColumns)> {
        let entry = self
            .models
            .declared(&create.name.value)
            .ok_or_else(|| Error::Internal("the model was just declared".into()))?;
        let plan = self.plan(place, query)?;
        let columns = history_columns(place, &entry, plan.schema())?;
        Ok((entry, plan, columns))
    }
}

/// Finds the model's inputs by their names, and the label: the column that `'label'` names, or the one that is left.
fn history_columns(place: &Place<'_>, entry: &ModelEntry, schema: &DFSchema) -> Result<HistoryColumns> {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let find = |name: &str, what: &str| {
        names.iter().position(|known| *known == name).ok_or_else(|| {
            let message = format!("the query has no column '{name}', {what} of model '{}'", entry.name);
            match tidegate_options::nearest(name, names.iter().copied()) {
                Some(near) => place.refuse_with_help(message, format!("did you mean '{near}'?")),
                None => place.refuse_with_help(message, format!("its columns are {}", names.join(", "))),
            }
        })
    };
    let mut inputs = Vec::with_capacity(entry.spec.inputs.len());
    for input in &entry.spec.inputs {
        let index = find(&input.name, "an input")?;
        let data_type = schema.field(index).data_type();
        if InputKind::of(data_type) != Some(input.kind) {
            return Err(place.refuse(format!(
                "input '{}' of model '{}' does not take {}",
                input.name,
                entry.name,
                crate::types::sql_type(data_type)
            )));
        }
        inputs.push(index);
    }
    let weight = match entry.training.text_opt("weight") {
        Some(name) => Some(find(name, "the weight")?),
        None => None,
    };
    let shard_by = entry.shard_by().into_iter().map(|name| find(name, "a shard")).collect::<Result<Vec<_>>>()?;
    if let Some(column) = shard_by.iter().find(|column| !can_be_key(schema.field(**column).data_type())) {
        return Err(place.refuse(format!(
            "option 'training.shard-by' of model '{}': rows cannot be spread by {} '{}'",
            entry.name,
            crate::types::sql_type(schema.field(*column).data_type()),
            names[*column]
        )));
    }
    let label = match entry.training.text_opt("label") {
        Some(_) if !entry.spec.task.has_labels() => {
            return Err(place.refuse(format!(
                "option 'label' of model '{}': {} has no labels",
                entry.name,
                entry.spec.task.name()
            )));
        }
        Some(name) => Some(find(name, "the label")?),
        None if !entry.spec.task.has_labels() => None,
        None => {
            let left: Vec<usize> = (0..names.len())
                .filter(|i| !inputs.contains(i) && Some(*i) != weight && !shard_by.contains(i))
                .collect();
            match left.as_slice() {
                [label] => Some(*label),
                [] => {
                    return Err(
                        place.refuse(format!("the query of model '{}' has no column left for the label", entry.name))
                    );
                }
                several => {
                    let several: Vec<&str> = several.iter().map(|i| names[*i]).collect();
                    return Err(place.refuse_with_help(
                        format!(
                            "the query of model '{}' has several columns that could be the label: {}",
                            entry.name,
                            several.join(", ")
                        ),
                        "name it in WITH ('label' = '…'), or select only it and the inputs",
                    ));
                }
            }
        }
    };
    let label = match (label, entry.spec.label.data_type()) {
        (Some(label), Some(label_type)) => {
            let found = schema.field(label).data_type();
            if !entry.spec.label.takes(found) {
                return Err(place.refuse(format!(
                    "the label '{}' is {}, which does not fit the OUTPUT of model '{}'",
                    names[label],
                    crate::types::sql_type(found),
                    entry.name
                )));
            }
            Some((label, label_type))
        }
        _ => None,
    };
    Ok(HistoryColumns { inputs, label, weight, shard_by })
}

/// An item of the TRANSFORM clause.
fn transform(place: &Place<'_>, item: &TransformItem) -> Result<Transform> {
    let expression = expression(&item.expr).map_err(|(span, message)| {
        let span = span.and_then(Span::from_parser).or(Some(item.span));
        place.at(span).refuse_with_help(
            message,
            "a TRANSFORM item is a column, or an ML_ function over columns and literals, followed by OVER () if it learns",
        )
    })?;
    Ok(Transform { expression, alias: item.alias.value.clone() })
}

type Misfit = (Option<tidegate_sql::sqlparser::tokenizer::Span>, String);

fn expression(expr: &Expr) -> Result<Expression, Misfit> {
    if let Some(number) = literal::number(expr) {
        return Ok(Expression::Number(number));
    }
    if let Some(text) = literal::text(expr) {
        return Ok(Expression::Text(text.to_string()));
    }
    if let Some(flag) = literal::bool(expr) {
        return Ok(Expression::Flag(flag));
    }
    match expr {
        Expr::Identifier(name) => Ok(Expression::Column(name.value.clone())),
        Expr::Nested(inner) => expression(inner),
        Expr::Array(array) => array.elem.iter().map(expression).collect::<Result<_, _>>().map(Expression::List),
        Expr::Function(function) => {
            let learned = match &function.over {
                None => false,
                Some(WindowType::WindowSpec(spec))
                    if spec.partition_by.is_empty() && spec.order_by.is_empty() && spec.window_frame.is_none() =>
                {
                    true
                }
                Some(_) => {
                    return Err((Some(expr.span()), "OVER takes nothing here: the statistics are of all rows".into()));
                }
            };
            let FunctionArguments::List(list) = &function.args else {
                return Err((Some(expr.span()), format!("{} needs arguments", function.name)));
            };
            let args = list
                .args
                .iter()
                .map(|arg| match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => expression(arg),
                    _ => Err((Some(expr.span()), format!("{} takes positional arguments", function.name))),
                })
                .collect::<Result<_, _>>()?;
            Ok(Expression::Call { function: function.name.to_string().to_ascii_uppercase(), learned, args })
        }
        other => Err((Some(other.span()), format!("'{other}' cannot stand in TRANSFORM"))),
    }
}
