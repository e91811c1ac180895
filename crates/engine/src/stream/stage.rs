//! A cut in a plan: what lies below runs as operators, and the plan above sees a table.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};

use super::spill::SpillReader;
use crate::Error;
use crate::batch::scan::with_schema;

/// The rows that come out of an operator, as a table of a plan.
#[derive(Debug)]
pub(crate) struct StageTable {
    /// The place of the operator among those of the job.
    pub id: usize,
    pub schema: SchemaRef,
    /// Where the rows were collected, once they have been.
    rows: Mutex<Option<Collected>>,
}

/// A file with some of the columns.
#[derive(Debug, Clone)]
struct Collected {
    path: PathBuf,
    columns: Vec<usize>,
}

impl StageTable {
    pub(crate) fn new(id: usize, schema: SchemaRef) -> Self {
        Self { id, schema, rows: Mutex::new(None) }
    }

    /// Tells where the rows were collected, and which of their columns.
    pub(crate) fn collected(&self, path: &Path, columns: &[usize]) {
        let collected = Collected { path: path.to_path_buf(), columns: columns.to_vec() };
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner) = Some(collected);
    }
}

#[async_trait]
impl TableProvider for StageTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let collected = self.rows.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(Collected { path, columns }) = collected else {
            return Err(Error::Internal(format!("the rows of stage {} were not collected", self.id)).into());
        };
        let wanted: Vec<usize> = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let places = wanted.iter().map(|column| columns.binary_search(column)).collect::<Result<Vec<_>, _>>();
        let Ok(places) = places else {
            return Err(Error::Internal(format!("a column of stage {} was not collected", self.id)).into());
        };
        let schema = Arc::new(self.schema.project(&columns)?);
        let rows = Arc::new(CollectedRows { path, schema: Arc::clone(&schema) });
        let exec = StreamingTableExec::try_new(schema, vec![rows], Some(&places), None, false, limit)?;
        Ok(Arc::new(exec))
    }
}

/// Collected rows, read back.
#[derive(Debug)]
struct CollectedRows {
    path: PathBuf,
    schema: SchemaRef,
}

impl PartitionStream for CollectedRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let mut reader = SpillReader::open(&self.path, 0);
        let batches = std::iter::from_fn(move || match &mut reader {
            Ok(reader) => match reader.next() {
                Ok(batch) => batch.map(|(batch, _)| with_schema(batch, &schema)),
                Err(error) => Some(Err(error.into())),
            },
            Err(error) => {
                let error = std::mem::replace(error, Error::Internal("read after an error".into()));
                Some(Err(error.into()))
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::iter(batches)))
    }
}
