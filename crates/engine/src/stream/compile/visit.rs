//! Questions about a plan: what it reads, and whether it must run as a stream.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::LogicalPlan;

use crate::Result;
use crate::catalog::table::ConnectorTable;
use crate::plan::node::TrainNode;
use crate::stream::stage::StageTable;

/// Whether a plan must run as a stream: it trains a model row by row, or reads what does not end.
pub(crate) fn must_stream(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    visit(plan, &mut |node| {
        found |= train_node(node).is_some() || connector_table(node).is_some_and(|t| !t.table.is_bounded());
        Ok(())
    })?;
    Ok(found)
}

/// The tables of connectors that a plan reads.
pub(crate) fn tables(plan: &LogicalPlan) -> Result<Vec<Arc<dyn TableProvider>>> {
    let mut found = Vec::new();
    visit(plan, &mut |node| {
        if let LogicalPlan::TableScan(scan) = node {
            let provider = source_as_provider(&scan.source)?;
            if provider.downcast_ref::<ConnectorTable>().is_some() {
                found.push(provider);
            }
        }
        Ok(())
    })?;
    Ok(found)
}

/// Visits every node, those of subqueries included.
pub(super) fn visit(plan: &LogicalPlan, see: &mut dyn FnMut(&LogicalPlan) -> Result<()>) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        see(node)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// The ML_TRAIN that this node is.
pub(super) fn train_node(plan: &LogicalPlan) -> Option<&TrainNode> {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
        _ => None,
    }
}

/// The table of a connector that this node scans.
pub(super) fn connector_table(plan: &LogicalPlan) -> Option<Arc<ConnectorTable>> {
    let LogicalPlan::TableScan(scan) = plan else { return None };
    let provider = source_as_provider(&scan.source).ok()?;
    let provider: Arc<dyn std::any::Any + Send + Sync> = provider;
    provider.downcast().ok()
}

/// The stage that this node scans.
pub(super) fn stage_table(plan: &LogicalPlan) -> Option<Arc<StageTable>> {
    let LogicalPlan::TableScan(scan) = plan else { return None };
    let provider = source_as_provider(&scan.source).ok()?;
    let provider: Arc<dyn std::any::Any + Send + Sync> = provider;
    provider.downcast().ok()
}
