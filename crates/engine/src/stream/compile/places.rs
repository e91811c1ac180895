//! Where in a script operators stand, for messages about their state.

use std::collections::BTreeMap;

use datafusion::logical_expr::LogicalPlan;

use crate::plan::node::TrainNode;
use crate::plan::temporal::TemporalJoinNode;
use crate::plan::window::{SessionNode, WindowNode};
use crate::stream::identity::Description;

/// The view that each kind of operator of a plan stands in, and its line, for kinds of which all stand in the same one.
pub(super) fn views(plan: &LogicalPlan, known: &BTreeMap<String, u32>) -> BTreeMap<&'static str, (String, u32)> {
    let mut found = BTreeMap::new();
    look(plan, None, known, &mut found);
    let one = |(kind, view): (&'static str, Option<Option<&str>>)| {
        let view = view.flatten()?;
        Some((kind, (view.to_string(), known.get(view).copied()?)))
    };
    found.into_iter().filter_map(one).collect()
}

/// Notes the view of every operator below; `Some(None)` for none, `None` for different ones.
fn look<'p>(
    plan: &'p LogicalPlan,
    within: Option<&'p str>,
    known: &BTreeMap<String, u32>,
    found: &mut BTreeMap<&'static str, Option<Option<&'p str>>>,
) {
    let within = match plan {
        LogicalPlan::SubqueryAlias(alias) if known.contains_key(alias.alias.table()) => Some(alias.alias.table()),
        _ => within,
    };
    if let Some(kind) = kind(plan) {
        let noted = found.entry(kind).or_insert(Some(within));
        if *noted != Some(within) {
            *noted = None;
        }
    }
    plan.inputs().into_iter().for_each(|input| look(input, within, known, found));
}

/// What the operator of a node is called in its description.
fn kind(plan: &LogicalPlan) -> Option<&'static str> {
    match plan {
        LogicalPlan::Aggregate(_) => Some("GROUP BY"),
        LogicalPlan::Window(_) => Some("OVER"),
        LogicalPlan::Distinct(_) => Some("DISTINCT"),
        LogicalPlan::Join(_) => Some("interval join"),
        LogicalPlan::Extension(extension) => {
            let node = extension.node.as_any();
            match node.downcast_ref::<WindowNode>() {
                Some(window) => Some(window.windows.function.name()),
                None if node.is::<SessionNode>() => Some("SESSION"),
                None if node.is::<TemporalJoinNode>() => Some("temporal join"),
                None => node.is::<TrainNode>().then_some("ML_TRAIN"),
            }
        }
        _ => None,
    }
}

/// What a model's state rests on: its declaration, and what it learns from.
pub(super) fn training(node: &TrainNode) -> Description {
    let spec = &node.model.0.spec;
    let column = |index: &usize| node.input.schema().field(*index).name().clone();
    let list = |parts: Vec<String>| parts.join(", ");
    let mut description = Description::named("ML_TRAIN", &spec.name)
        .on("INPUT", list(spec.inputs.iter().map(|input| format!("{} {:?}", input.name, input.kind)).collect()))
        .on("OUTPUT", list(spec.outputs.iter().map(|output| output.name.clone()).collect()))
        .on(
            "TRANSFORM",
            list(
                spec.transforms
                    .iter()
                    .map(|transform| format!("{} AS {}", transform.expression, transform.alias))
                    .collect(),
            ),
        );
    if let Some(label) = &node.label {
        description = description.on("label", column(label));
    }
    let training = &node.model.0.training;
    for name in ["training.parallelism", "training.sync-rows", "keyed.unknown"] {
        // Left out where they mean nothing: of one model, and of models without a key.
        if match name {
            "keyed.unknown" => !node.keys.is_empty(),
            _ => node.model.0.replicas() > 1,
        } {
            let value =
                training.int_opt(name).map_or_else(|| training.text(name).to_string(), |value| value.to_string());
            description = description.on(&format!("option '{name}'"), value);
        }
    }
    if !node.shard_by.is_empty() {
        description = description.on("option 'training.shard-by'", list(node.shard_by.iter().map(column).collect()));
    }
    if !node.keys.is_empty() {
        description = description.on("PARTITION BY", list(node.keys.iter().map(column).collect()));
    }
    for (name, value) in &spec.options {
        description = description.on(&format!("option '{name}'"), value);
    }
    if let Some(time) = &node.label_time {
        description = description.on("LABEL_TIME", column(time));
    }
    description.on("ARGS", list(node.args.iter().map(column).collect()))
}
