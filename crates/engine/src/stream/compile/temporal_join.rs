//! Joins with the versions of a table.

use std::sync::Arc;

use super::Compiler;
use super::expression::physical_all;
use super::join::residual;
use crate::Result;
use crate::plan::temporal::{Matched, TemporalJoinNode};
use crate::stream::dataflow::Output;
use crate::stream::identity::{Description, columns, expressions};
use crate::stream::temporal_join::{KeyAndTime, Probe, TemporalJoin, Versions};

impl Compiler<'_> {
    pub(super) fn lower_temporal_join(&mut self, node: &TemporalJoinNode) -> Result<Output> {
        let (left_time, right_time) = node.times()?;
        let left = self.lower(&self.in_time(&node.left, left_time, "temporal JOIN, left input")?)?;
        let right = self.lower(&self.in_time(&node.right, right_time, "temporal JOIN, right input")?)?;
        let threads = || Arc::clone(&self.setting.threads);
        let (probe, versions) = sides(node, self.setting.state_ttl_ms, self.setting.shards, Some(threads()))?;
        let operator = TemporalJoin::new(probe, versions, threads());
        let (left_schema, right_schema) = (node.left.schema(), node.right.schema());
        let Matched { left: left_keys, right: right_keys, .. } = node.matched()?;
        let description = Description::new("temporal join")
            .on("keys", format!("{} = {}", expressions(&left_keys), expressions(&right_keys)))
            .on("left time", left_schema.field(left_time).name())
            .on("right time", right_schema.field(right_time).name())
            .on("left rows of", columns(left_schema.as_arrow()))
            .on("right rows of", columns(right_schema.as_arrow()));
        Ok(self.dataflow.add_described(Box::new(operator), description, &[left, right]))
    }
}

/// Both sides of a temporal join as they run, without rows yet. Without threads the work is not spread.
pub(crate) fn sides(
    node: &TemporalJoinNode,
    ttl_ms: Option<i64>,
    shards: usize,
    threads: Option<Arc<rayon::ThreadPool>>,
) -> Result<(Probe, Versions)> {
    let (left_time, right_time) = node.times()?;
    let (left, right) = (node.left.schema(), node.right.schema());
    let Matched { left: left_keys, right: right_keys, residual: predicate } = node.matched()?;
    let probe = Probe {
        by: KeyAndTime { keys: physical_all(&left_keys, left)?, time: left_time },
        residual: residual(&node.schema, left, predicate)?,
        outer: node.outer,
        schema: Arc::clone(node.schema.inner()),
    };
    let by = KeyAndTime { keys: physical_all(&right_keys, right)?, time: right_time };
    let probed = left.field(left_time).data_type();
    Ok((probe, Versions::new(by, Arc::clone(right.inner()), probed, ttl_ms, shards, threads)?))
}
