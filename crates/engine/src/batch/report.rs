//! ML_EVALUATE, ML_CONFUSION_MATRIX and ML_ROC_CURVE inside DataFusion: all rows in, one small batch out.

use std::fmt;
use std::sync::Arc;

use arrow::array::Float64Builder;
use arrow::array::{
    ArrayRef, BooleanArray, Datum, Float64Array, Int64Array, MapBuilder, MapFieldNames, RecordBatch, Scalar,
    StringArray, StringBuilder,
};
use arrow::compute::cast;
use arrow::compute::kernels::cmp::eq;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use futures::StreamExt;
use tidegate_ml::Task;
use tidegate_ml::metric::{ClassValue, ConfusionMatrix, Evaluation, RocPoint, Scores, roc_curve};

use crate::Error;
use crate::plan::node::ReportKind;

/// The most thresholds that a ROC curve shows.
const ROC_POINTS_MAX: usize = 100;

/// A report over all rows.
#[derive(Debug)]
pub(crate) struct ReportExec {
    pub kind: ReportKind,
    pub task: Task,
    pub classes: Vec<String>,
    pub input: Arc<dyn ExecutionPlan>,
    /// The label, the prediction, and the probability if there is one.
    pub columns: Vec<Arc<dyn PhysicalExpr>>,
    pub schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl ReportExec {
    pub(crate) fn new(
        kind: ReportKind,
        task: Task,
        classes: Vec<String>,
        input: Arc<dyn ExecutionPlan>,
        columns: Vec<Arc<dyn PhysicalExpr>>,
        schema: SchemaRef,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self { kind, task, classes, input, columns, schema, properties: Arc::new(properties) }
    }
}

impl DisplayAs for ReportExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReportExec: {:?}", self.kind)
    }
}

impl ExecutionPlan for ReportExec {
    fn name(&self) -> &str {
        "ReportExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self::new(
                self.kind,
                self.task,
                self.classes.clone(),
                input,
                self.columns.clone(),
                Arc::clone(&self.schema),
            ))),
            _ => internal_err!("a report has one input"),
        }
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for column in &self.columns {
            if let TreeNodeRecursion::Stop = visit(column)? {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut input = self.input.execute(partition, context)?;
        let (columns, schema) = (self.columns.clone(), Arc::clone(&self.schema));
        let classes = self.classes.clone();
        let predicted = self.columns[1].data_type(&self.input.schema())?;
        let positive = positive_class(&classes, &predicted);
        let mut state = State::new(self.kind, self.task, positive);
        let report = async move {
            while let Some(batch) = input.next().await {
                let batch = batch?;
                let columns = columns
                    .iter()
                    .map(|column| column.evaluate(&batch)?.into_array(batch.num_rows()))
                    .collect::<Result<Vec<_>>>()?;
                state.update(&columns)?;
            }
            Ok(state.finish(&classes, &schema)?)
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::once(report))))
    }
}

/// A report being taken.
enum State {
    Evaluation(Box<Evaluation>),
    ConfusionMatrix(ConfusionMatrix),
    /// The second class, whose probability is given, where that is not just TRUE.
    RocCurve(Scores, Option<ClassValue>),
}

/// The class that a model's probability is of: the second of two. `None` where there are more, and for BOOLEAN, whose is TRUE.
fn positive_class(classes: &[String], predicted: &DataType) -> Option<ClassValue> {
    match (classes, predicted) {
        ([_, second], DataType::Utf8) => Some(ClassValue::Text(second.clone())),
        ([_, second], DataType::Int64) => second.parse().ok().map(ClassValue::Integer),
        _ => None,
    }
}

/// Which labels are of a class.
fn is_of_class(label: &ArrayRef, class: &ClassValue) -> crate::Result<ArrayRef> {
    let scalar: Box<dyn Datum> = match class {
        ClassValue::Text(text) => Box::new(StringArray::new_scalar(text)),
        ClassValue::Integer(number) => Box::new(Int64Array::new_scalar(*number)),
        ClassValue::Boolean(flag) => Box::new(Scalar::new(BooleanArray::from(vec![*flag]))),
    };
    Ok(Arc::new(eq(label, scalar.as_ref())?))
}

impl State {
    fn new(kind: ReportKind, task: Task, positive: Option<ClassValue>) -> Self {
        match kind {
            ReportKind::Evaluation => Self::Evaluation(Box::new(match positive {
                Some(class) => Evaluation::with_positive_class(class),
                None => Evaluation::new(task),
            })),
            ReportKind::ConfusionMatrix => Self::ConfusionMatrix(ConfusionMatrix::default()),
            ReportKind::RocCurve => Self::RocCurve(Scores::default(), positive),
        }
    }

    fn update(&mut self, columns: &[ArrayRef]) -> crate::Result<()> {
        let [label, predicted, rest @ ..] = columns else {
            return Err(Error::Internal("a report has a label and a prediction".into()));
        };
        // The label may be an integer where the prediction is a BOOLEAN.
        let label = cast(label, predicted.data_type())?;
        let taken = match (self, rest.first()) {
            (Self::Evaluation(state), probability) => state.update(&label, predicted, probability),
            (Self::ConfusionMatrix(state), _) => state.update(&label, predicted),
            (Self::RocCurve(state, None), Some(probability)) => state.update(&label, probability),
            (Self::RocCurve(state, Some(class)), Some(probability)) => {
                state.update(&is_of_class(&label, class)?, probability)
            }
            (Self::RocCurve(..), None) => return Err(Error::Internal("a ROC curve needs a probability".into())),
        };
        taken.map_err(|error| Error::Data(error.to_string()))
    }

    fn finish(self, classes: &[String], schema: &SchemaRef) -> crate::Result<RecordBatch> {
        let columns: Vec<ArrayRef> = match self {
            Self::Evaluation(state) => {
                let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
                let mut map = MapBuilder::new(Some(names), StringBuilder::new(), Float64Builder::new());
                for (key, value) in state.values() {
                    map.keys().append_value(key);
                    map.values().append_option(value);
                }
                map.append(true)?;
                vec![Arc::new(map.finish())]
            }
            Self::ConfusionMatrix(state) => {
                let occurred = state.classes();
                let rows = state.rows();
                let place = |class: &String| occurred.iter().position(|known| known.to_string() == *class);
                let count = |expected: &String, predicted: &String| match (place(expected), place(predicted)) {
                    (Some(row), Some(column)) => rows[row].counts[column] as i64,
                    _ => 0,
                };
                let expected: ArrayRef = Arc::new(StringArray::from_iter_values(classes));
                let columns = classes.iter().map(|predicted| {
                    let counts = classes.iter().map(|expected| count(expected, predicted));
                    Arc::new(Int64Array::from_iter_values(counts)) as ArrayRef
                });
                std::iter::once(expected).chain(columns).collect()
            }
            Self::RocCurve(state, _) => {
                let points = roc_curve(&state.rank(), Some(ROC_POINTS_MAX));
                let rate = |of: fn(&RocPoint) -> Option<f64>| {
                    Arc::new(points.iter().map(of).collect::<Float64Array>()) as ArrayRef
                };
                let count = |of: fn(&RocPoint) -> u64| {
                    Arc::new(Int64Array::from_iter_values(points.iter().map(|point| of(point) as i64))) as ArrayRef
                };
                vec![
                    rate(|point| Some(point.threshold)),
                    rate(|point| point.recall),
                    rate(|point| point.false_positive_rate),
                    count(|point| point.true_positives),
                    count(|point| point.false_positives),
                    count(|point| point.true_negatives),
                    count(|point| point.false_negatives),
                ]
            }
        };
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}
