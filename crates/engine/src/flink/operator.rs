//! ML functions as operators of Flink: what is planned here is handed to native code there.

use std::path::Path;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, LogicalPlan};
use serde_json::json;
use tidegate_ml::{InputKind, LabelKind, ModelSpec};
use tidegate_sql::flink::quoted;
use tidegate_training::ModelEntry;

use super::program::{Operator, Output, Read};
use crate::Result;
use crate::catalog::bad_rows::BadRows;
use crate::plan::node::{PredictNode, ReportNode, TrainNode};
use crate::types::sql_type;

/// In which order rows have to come to what learns from them.
pub(super) enum Order {
    /// In that of their sources, which one task reads.
    OfSources,
    /// Several tasks read partitions of a source, at a pace of their own: what is the same each time is the order of event time.
    OfEventTime,
}

impl Order {
    /// Whether sources are read by one task, and the column by which rows are sorted.
    fn of(self, model: &str, event_time: Option<&str>) -> Result<(bool, Option<String>), Unsupported> {
        match (self, event_time) {
            (Self::OfSources, _) => Ok((true, None)),
            (Self::OfEventTime, Some(time)) => Ok((false, Some(time.to_string()))),
            (Self::OfEventTime, None) => unsupported(
                format!(
                    "in Flink the partitions of a topic come in no certain order, so model '{model}' would be another one each time"
                ),
                "declare an event time, by which the rows are sorted: WATERMARK FOR ts AS ts - INTERVAL '5' SECOND",
            ),
        }
    }
}

/// Where versions are, and what names a run.
pub(super) struct RunFacts<'a> {
    pub(super) registry: &'a Path,
    pub(super) key: &'a str,
    pub(super) job: &'a str,
    /// Threads for the models of keys.
    pub(super) threads: usize,
}

/// Why an operator cannot be had in Flink: the construct, and what to do.
pub(super) struct Unsupported {
    pub(super) message: String,
    pub(super) help: &'static str,
}

fn unsupported<T>(message: impl Into<String>, help: &'static str) -> Result<T, Unsupported> {
    Err(Unsupported { message: message.into(), help })
}

fn read(name: &str, form: &str) -> Read {
    Read { name: name.to_string(), form: form.to_string() }
}

/// How a model's inputs are read.
fn inputs<'a>(spec: &ModelSpec, names: impl Iterator<Item = &'a str>) -> Vec<Read> {
    let form = |kind| match kind {
        InputKind::Number => "NUMBER",
        InputKind::Flag => "BOOLEAN",
        InputKind::Text => "TEXT",
    };
    spec.inputs.iter().zip(names).map(|(input, name)| read(name, form(input.kind))).collect()
}

/// How a label is read, where there is one. An integer is a label of two classes, too.
fn label(spec: &ModelSpec, schema: &DFSchema, place: Option<usize>) -> Option<Read> {
    let form = match spec.label {
        LabelKind::Boolean => "TRUTH",
        LabelKind::Integer => "INTEGER",
        LabelKind::Text => "TEXT",
        LabelKind::Number => "NUMBER",
        LabelKind::None => return None,
    };
    place.map(|place| read(schema.field(place).name(), form))
}

const SPREAD: &str = "rows cannot be spread by";
const KEYED: &str = "there can be no model for each value of";

/// The columns by which rows are spread over replicas, or have models: what they are in the message.
fn shards(schema: &DFSchema, what: &str, places: &[usize]) -> Result<Vec<Read>, Unsupported> {
    let shard = |place: &usize| {
        let field = schema.field(*place);
        let form = match field.data_type() {
            DataType::Boolean => "BOOLEAN",
            t if t.is_integer() => "INTEGER",
            t if t.is_string() => "TEXT",
            other => {
                return unsupported(
                    format!("in Flink {what} '{}', which is {}", field.name(), sql_type(other)),
                    "take a BOOLEAN, an integer or a STRING",
                );
            }
        };
        Ok(read(field.name(), form))
    };
    places.iter().map(shard).collect()
}

fn outputs(spec: &ModelSpec) -> Vec<Output> {
    columns_of(&spec.output_schema())
}

fn columns_of(schema: &Schema) -> Vec<Output> {
    let output = |field: &std::sync::Arc<arrow::datatypes::Field>| Output {
        name: field.name().clone(),
        data_type: sql_type(field.data_type()),
    };
    schema.fields().iter().map(output).collect()
}

/// Whether rows that a model does not take are passed over, by what their tables say.
fn passes_over(bad_rows: &BadRows) -> Result<bool, Unsupported> {
    match bad_rows.keeps_dead_letters() {
        true => unsupported(
            "'on-error' = 'dead-letter' cannot be had in Flink for rows that a model does not take",
            "set 'on-error' = 'skip', or filter such rows out",
        ),
        false => Ok(!bad_rows.stop_the_job()),
    }
}

fn forms(reads: &[Read]) -> Vec<&str> {
    reads.iter().map(|read| read.form.as_str()).collect()
}

/// The task of native code that trains.
fn training(entry: &ModelEntry, start: Option<u64>, run: &RunFacts<'_>) -> serde_json::Value {
    json!({
        "spec": entry.spec,
        "options": entry.options,
        "start": start,
        "registry": run.registry,
        "key": run.key,
        "job": run.job,
        "threads": entry.replicas(),
        "weight": false,
        "event_time": false,
        "label_time": false,
        "shards": [],
        "keys": [],
        "delay_ms": 0,
        "pass_over": false,
        "history": null,
        "distributed": false,
    })
}

/// `ML_TRAIN`
pub(super) fn train(
    node: &TrainNode,
    (view, input): (String, String),
    bad_rows: &BadRows,
    order: Order,
    run: &RunFacts<'_>,
) -> Result<Operator, Unsupported> {
    let entry = &node.model.0;
    let distributed = entry.is_distributed();
    if distributed && !entry.version_points.is_empty() {
        return unsupported(
            format!("'version.at' cannot be had in Flink with 'training.distributed': model '{}'", entry.name),
            "leave one of the two out: the tasks of replicas come to a time at different moments",
        );
    }
    let schema = node.input.schema();
    let name = |place: usize| schema.field(place).name().as_str();
    let mut columns = inputs(&entry.spec, node.args.iter().map(|place| name(*place)));
    columns.extend(label(&entry.spec, schema, node.label));
    columns.extend(node.weight.map(|place| read(name(place), "NUMBER")));
    columns.extend(node.rowtime.map(|rowtime| read(name(rowtime.column), "MILLISECONDS")));
    columns.extend(node.label_time.map(|place| read(name(place), "MILLISECONDS")));
    let shards = match node.keys.is_empty() {
        true => shards(schema, SPREAD, &node.shard_by)?,
        false => shards(schema, KEYED, &node.keys)?,
    };
    let mut task = training(entry, node.start, run);
    if !node.keys.is_empty() {
        task["keys"] = node.keys.iter().map(|key| name(*key)).collect();
        task["threads"] = run.threads.into();
    }
    task["weight"] = node.weight.is_some().into();
    task["event_time"] = node.rowtime.is_some().into();
    task["label_time"] = node.label_time.is_some().into();
    task["delay_ms"] = node.rowtime.map_or(0, |rowtime| rowtime.delay_ms).into();
    task["shards"] = forms(&shards).into();
    task["pass_over"] = passes_over(bad_rows)?.into();
    task["distributed"] = distributed.into();
    let (mut replicas, mut sync_rows) = (0, 0);
    if distributed {
        task["threads"] = 1.into();
        replicas = entry.replicas();
        sync_rows = (entry.training.int("training.sync-rows") as u64 / replicas as u64).max(1);
    }
    columns.extend(shards);
    let event_time = node.rowtime.map(|rowtime| name(rowtime.column));
    // Replicas in tasks of their own depend on timing in any case.
    let (in_order, sorted_by) = if distributed { (false, None) } else { order.of(&entry.name, event_time)? };
    Ok(Operator {
        view,
        input,
        function: "ML_TRAIN".into(),
        name: format!("ML_TRAIN {}", entry.name),
        columns,
        outputs: outputs(&entry.spec),
        event_time: event_time.map(str::to_string),
        in_order,
        sorted_by,
        replicas,
        sync_rows,
        task,
    })
}

/// `ML_PREDICT`
pub(super) fn predict(
    node: &PredictNode,
    (view, input): (String, String),
    bad_rows: &BadRows,
    run: &RunFacts<'_>,
) -> Result<Operator, Unsupported> {
    let model = &node.model.0;
    let spec = model.model.spec();
    let columns = |exprs: &[Expr]| {
        let name = |expr: &Expr| match expr {
            Expr::Column(Column { name, .. }) => Ok(name.clone()),
            other => unsupported(format!("ML_PREDICT over '{other}'"), "select it as a column first"),
        };
        exprs.iter().map(name).collect::<Result<Vec<_>, _>>()
    };
    let schema = node.input.schema();
    let mut reads = inputs(spec, columns(&node.args)?.iter().map(String::as_str));
    let place = |key: &String| schema.fields().iter().position(|field| field.name() == key);
    let places: Vec<usize> = columns(&node.keys)?.iter().filter_map(place).collect();
    let keys = shards(schema, KEYED, &places)?;
    let key_forms: Vec<String> = keys.iter().map(|key| key.form.clone()).collect();
    reads.extend(keys);
    let event_time = crate::plan::attribute::rowtime(node.input.schema())
        .map(|rowtime| node.input.schema().field(rowtime.column).name().clone());
    let pass_over = passes_over(bad_rows)?;
    Ok(Operator {
        view,
        input,
        function: "ML_PREDICT".into(),
        name: format!("ML_PREDICT {}", model.reference),
        columns: reads,
        outputs: outputs(spec),
        event_time,
        in_order: false,
        sorted_by: None,
        replicas: 0,
        sync_rows: 0,
        task: json!({
            "registry": run.registry,
            "reference": model.reference,
            "keys": key_forms,
            "pass_over": pass_over,
        }),
    })
}

/// `ML_EVALUATE`, `ML_CONFUSION_MATRIX`, `ML_ROC_CURVE`: over the view of the predictions.
pub(super) fn report(
    node: &ReportNode,
    reference: &str,
    (view, predictions): (String, &str),
) -> Result<Operator, Unsupported> {
    let schema = node.input.schema();
    let name = |expr: &Expr| match expr {
        Expr::Column(Column { name, .. }) => Ok(name.clone()),
        other => unsupported(format!("{} over '{other}'", node.kind.name()), "select it as a column first"),
    };
    let predicted = name(&node.predicted)?;
    let (form, label_form) = match schema.field_with_unqualified_name(&predicted).map(|field| field.data_type()) {
        Ok(DataType::Boolean) => ("BOOLEAN", "TRUTH"),
        Ok(DataType::Int64) => ("INTEGER", "INTEGER"),
        Ok(DataType::Utf8) => ("TEXT", "TEXT"),
        _ => ("NUMBER", "NUMBER"),
    };
    let mut columns = vec![read(&name(&node.label)?, label_form), read(&predicted, form)];
    if let Some(probability) = &node.probability {
        columns.push(read(&name(probability)?, "NUMBER"));
    }
    let task = json!({
        "kind": node.kind,
        "task": node.task,
        "classes": node.classes,
        "predicted": form,
        "probability": node.probability.is_some(),
    });
    Ok(Operator {
        view,
        input: format!("SELECT * FROM {}", quoted(predictions)),
        function: node.kind.name().into(),
        name: format!("{} {reference}", node.kind.name()),
        columns,
        outputs: columns_of(node.schema.as_arrow()),
        event_time: None,
        in_order: false,
        sorted_by: None,
        replicas: 0,
        sync_rows: 0,
        task,
    })
}

/// `CREATE MODEL … AS SELECT`: an operator that learns, and gives no row.
pub(super) fn history(
    entry: &ModelEntry,
    plan: &LogicalPlan,
    columns: &crate::job::HistoryColumns,
    (view, input): (String, String),
    order: Order,
    run: &RunFacts<'_>,
) -> Result<Operator, Unsupported> {
    let schema = plan.schema();
    let name = |place: usize| schema.field(place).name().as_str();
    let mut reads = inputs(&entry.spec, columns.inputs.iter().map(|place| name(*place)));
    reads.extend(label(&entry.spec, schema, columns.label.as_ref().map(|(place, _)| *place)));
    reads.extend(columns.weight.map(|place| read(name(place), "NUMBER")));
    let shards = shards(schema, SPREAD, &columns.shard_by)?;
    let mut task = training(entry, None, run);
    task["weight"] = columns.weight.is_some().into();
    task["shards"] = forms(&shards).into();
    task["history"] = entry.training.int("epochs").into();
    reads.extend(shards);
    let event_time = crate::plan::attribute::rowtime(schema).map(|rowtime| name(rowtime.column));
    let (in_order, sorted_by) = order.of(&entry.name, event_time)?;
    Ok(Operator {
        view,
        input,
        function: "CREATE MODEL".into(),
        name: format!("CREATE MODEL {}", entry.name),
        columns: reads,
        outputs: Vec::new(),
        event_time: None,
        in_order,
        sorted_by,
        replicas: 0,
        sync_rows: 0,
        task,
    })
}
