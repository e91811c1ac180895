//! Parts of a plan that are the same are one operator, and scans of one table are one source.
//!
//! ```text
//!   SELECT … FROM bid JOIN (SELECT MAX(price) … FROM bid …)      bid(auction, price, time) ─┬─────────────────► JOIN
//!                                                                                           └─ (price, time) ─► MAX
//! ```
//! A table that is read once is read in step by all that need it, and what both sides of a join begin with is done once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan, TableScanBuilder};

use super::visit::{connector_table, visit};
use crate::Result;
use crate::stream::dataflow::Output;

/// What was lowered of one plan.
#[derive(Default)]
pub(super) struct Sharing {
    lowered: HashMap<LogicalPlan, Output>,
    /// For each table, and what is asked of its rows, the columns that any scan reads; `None` for all.
    columns: HashMap<(TableReference, Vec<Expr>), Option<BTreeSet<usize>>>,
}

impl Sharing {
    /// Gets to know the scans of a plan before it is lowered.
    pub(super) fn begin(&mut self, plan: &LogicalPlan) -> Result<()> {
        self.columns.clear();
        visit(plan, &mut |node| {
            if let Some((scan, key)) = shareable(node) {
                let known = self.columns.entry(key).or_insert_with(|| Some(BTreeSet::new()));
                match (&mut *known, &scan.projection) {
                    (Some(columns), Some(more)) => columns.extend(more),
                    _ => *known = None,
                }
            }
            Ok(())
        })
    }

    /// Forgets what was lowered: the next plan has operators of its own.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    pub(super) fn lowered(&self, plan: &LogicalPlan) -> Option<Output> {
        self.lowered.get(plan).copied()
    }

    pub(super) fn keep(&mut self, plan: &LogicalPlan, output: Output) {
        self.lowered.insert(plan.clone(), output);
    }

    /// For a scan of a table of which another scan reads other columns: the scan that reads both, and where in it the columns of
    /// this one are.
    pub(super) fn wider(&self, plan: &LogicalPlan) -> Result<Option<(LogicalPlan, Vec<usize>)>> {
        let Some((scan, key)) = shareable(plan) else { return Ok(None) };
        let (Some(own), Some(all)) = (&scan.projection, self.columns.get(&key)) else { return Ok(None) };
        let all: Option<Vec<usize>> = all.as_ref().map(|columns| columns.iter().copied().collect());
        let places: Option<Vec<usize>> = match &all {
            None => Some(own.clone()),
            Some(all) if all == own => return Ok(None),
            Some(all) => own.iter().map(|column| all.binary_search(column).ok()).collect(),
        };
        let Some(places) = places else { return Ok(None) };
        let wide = TableScanBuilder::new(scan.table_name.clone(), Arc::clone(&scan.source));
        let wide = wide.with_projection(all).with_filters(scan.filters.clone()).build()?;
        Ok(Some((LogicalPlan::TableScan(wide), places)))
    }
}

/// A scan that may be one with others, and what they must have in common.
fn shareable(plan: &LogicalPlan) -> Option<(&TableScan, (TableReference, Vec<Expr>))> {
    let LogicalPlan::TableScan(scan) = plan else { return None };
    connector_table(plan)?;
    scan.fetch.is_none().then(|| (scan, (scan.table_name.clone(), scan.filters.clone())))
}
