//! Reading a table of a connector inside DataFusion: its parts dealt out over the partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use tidegate_connectors::{Chunk, PartEvent, PartOrder, Scan};

use crate::catalog::monitor::{SourceMonitor, storage};

/// Batches that may wait between the thread that reads and the query.
const BATCHES_AHEAD: usize = 2;
/// How long a reader of several parts waits before it looks again.
const PATIENCE: Duration = Duration::from_millis(100);

/// Reads a table.
#[derive(Debug)]
pub(crate) struct ScanExec {
    table: String,
    scan: Arc<dyn Scan>,
    schema: SchemaRef,
    monitor: Arc<SourceMonitor>,
    properties: Arc<PlanProperties>,
}

impl ScanExec {
    pub(crate) fn new(
        table: String,
        scan: Arc<dyn Scan>,
        schema: SchemaRef,
        monitor: Arc<SourceMonitor>,
        partitions: usize,
        bounded: bool,
    ) -> Self {
        let partitions = match scan.order() {
            PartOrder::OneByOne => scan.parts().clamp(1, partitions.max(1)),
            PartOrder::SideBySide | PartOrder::AsTheyAppear => 1,
        };
        let boundedness = match bounded {
            true => Boundedness::Bounded,
            false => Boundedness::Unbounded { requires_infinite_memory: false },
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            boundedness,
        );
        Self { table, scan, schema, monitor, properties: Arc::new(properties) }
    }
}

impl DisplayAs for ScanExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "ScanExec: table={} columns=[{}] parts={}", self.table, columns.join(", "), self.scan.parts())
    }
}

impl ExecutionPlan for ScanExec {
    fn name(&self) -> &str {
        "ScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match children.is_empty() {
            true => Ok(self),
            false => internal_err!("a scan has no input"),
        }
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition == 0 {
            self.monitor.begin_scan();
        }
        let mut stream = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), BATCHES_AHEAD);
        let sender = stream.tx();
        let (scan, monitor, schema) = (Arc::clone(&self.scan), Arc::clone(&self.monitor), Arc::clone(&self.schema));
        let partitions = self.properties.partitioning.partition_count();
        stream.spawn_blocking(move || {
            let mut bytes_read: BTreeMap<u64, u64> = BTreeMap::new();
            // Whether the query wants more.
            let mut give = |chunk: Chunk| -> Result<bool> {
                let before = bytes_read.insert(chunk.position.part, chunk.bytes).unwrap_or_default();
                monitor.add(chunk.batch.num_rows() as u64, chunk.bytes.saturating_sub(before), &chunk.bad)?;
                Ok(chunk.batch.num_rows() == 0 || sender.blocking_send(Ok(with_schema(chunk.batch, &schema)?)).is_ok())
            };
            if scan.order() != PartOrder::OneByOne {
                let mut reader = scan.open_all(&BTreeMap::new()).map_err(storage)?;
                loop {
                    match reader.next(PATIENCE, &BTreeSet::new()).map_err(storage)? {
                        PartEvent::Chunk(chunk) => {
                            if !give(chunk)? {
                                return Ok(());
                            }
                        }
                        PartEvent::End => return Ok(()),
                        PartEvent::Found(_) | PartEvent::CaughtUp(_) | PartEvent::Ended(_) | PartEvent::Nothing => {}
                    }
                }
            }
            // Neighbouring parts go to one partition, so that a scan by one partition keeps the table's order.
            let parts = scan.parts();
            for part in partition * parts / partitions..(partition + 1) * parts / partitions {
                let mut reader = scan.open(part, None).map_err(storage)?;
                while let Some(chunk) = reader.next().map_err(storage)? {
                    if !give(chunk)? {
                        return Ok(());
                    }
                }
            }
            Ok(())
        });
        Ok(stream.build())
    }
}

/// The same columns under the schema that the plan knows, which marks the event time.
pub(crate) fn with_schema(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if Arc::ptr_eq(&batch.schema(), schema) {
        return Ok(batch);
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options)?)
}
