//! Metrics as SQL aggregates: each entry of [`METRICS`] becomes an aggregate function, usable in any `GROUP BY` or window.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err, plan_datafusion_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Literal;
use tidegate_ml::Expression;
use tidegate_ml::metric::{FADING_METRICS, GroupedMetric, METRICS, Metric, MetricDef};

use crate::Error;

/// All metrics as aggregate functions.
pub(crate) fn metric_functions() -> impl Iterator<Item = AggregateUDF> {
    METRICS.iter().chain(FADING_METRICS).map(|def| metric_function(def))
}

/// A metric as an aggregate function.
pub(crate) fn metric_function(def: &'static MetricDef) -> AggregateUDF {
    AggregateUDF::new_from_impl(MetricFunction::new(def))
}

/// A metric seen as an aggregate function.
#[derive(Debug)]
struct MetricFunction {
    def: &'static MetricDef,
    name: String,
    signature: Signature,
}

impl MetricFunction {
    fn new(def: &'static MetricDef) -> Self {
        // DataFusion resolves functions in lower case.
        Self { def, name: def.name.to_lowercase(), signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl PartialEq for MetricFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for MetricFunction {}

impl std::hash::Hash for MetricFunction {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for MetricFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        self.def.coerce(given).map_err(|error| plan_datafusion_err!("{error}"))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let metric = (self.def.make)(&literals(self.def, &args)?).map_err(|error| refusal(self.def, error))?;
        Ok(Box::new(MetricAccumulator { def: self.def, metric }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let parameters = literals(self.def, &args)?;
        Ok(Box::new(SlidingAccumulator { def: self.def, parameters, columns: Vec::new() }))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let parameters = literals(self.def, &args)?;
        let metric = (self.def.make_grouped)(&parameters).map_err(|error| refusal(self.def, error))?;
        Ok(Box::new(GroupedAccumulator { def: self.def, parameters, metric, groups: 0 }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[state]", args.name), DataType::Binary, true))])
    }
}

/// The literal arguments that follow a metric's columns.
fn literals(def: &MetricDef, args: &AccumulatorArgs) -> Result<Vec<Expression>> {
    args.exprs[def.arguments.len().min(args.exprs.len())..]
        .iter()
        .map(|expr| match expr.downcast_ref::<Literal>() {
            Some(literal) => parameter(def, literal.value()),
            None => plan_err!("{}: what follows its columns must be literals ({})", def.name, def.parameters),
        })
        .collect()
}

fn parameter(def: &MetricDef, value: &ScalarValue) -> Result<Expression> {
    match value {
        ScalarValue::Utf8(Some(t)) | ScalarValue::LargeUtf8(Some(t)) | ScalarValue::Utf8View(Some(t)) => {
            Ok(Expression::Text(t.clone()))
        }
        ScalarValue::Boolean(Some(flag)) => Ok(Expression::Flag(*flag)),
        other => match other.cast_to(&DataType::Float64) {
            Ok(ScalarValue::Float64(Some(number))) => Ok(Expression::Number(number)),
            _ => plan_err!("{}: {other} is not a literal that it takes ({})", def.name, def.parameters),
        },
    }
}

/// A metric's refusal is about the data or the call: it names the function.
fn refusal(def: &MetricDef, error: tidegate_ml::Error) -> datafusion::error::DataFusionError {
    Error::Data(format!("{}: {error}", def.name)).into()
}

/// A metric being taken for one group.
#[derive(Debug)]
struct MetricAccumulator {
    def: &'static MetricDef,
    metric: Box<dyn Metric>,
}

impl Accumulator for MetricAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.metric.update(&values[..self.def.arguments.len()]).map_err(|error| refusal(self.def, error))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.metric.value()))
    }

    fn size(&self) -> usize {
        self.metric.state_bytes()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(Some(self.metric.save()))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states = saved_states(self.def, states)?;
        for state in states.iter().flatten() {
            self.metric.merge(state).map_err(|error| refusal(self.def, error))?;
        }
        Ok(())
    }
}

/// A metric of a frame that rows leave: its rows are kept, and it is taken anew for each row. Cost a row: as many as the frame has.
#[derive(Debug)]
struct SlidingAccumulator {
    def: &'static MetricDef,
    parameters: Vec<Expression>,
    columns: Vec<ArrayRef>,
}

impl SlidingAccumulator {
    fn metric(&self) -> Result<Box<dyn Metric>> {
        let taken = (self.def.make)(&self.parameters).and_then(|mut metric| {
            if !self.columns.is_empty() {
                metric.update(&self.columns)?;
            }
            Ok(metric)
        });
        taken.map_err(|error| refusal(self.def, error))
    }
}

impl Accumulator for SlidingAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = &values[..self.def.arguments.len()];
        self.columns = match self.columns.is_empty() {
            true => values.to_vec(),
            false => {
                let both = self.columns.iter().zip(values).map(|(held, new)| concat(&[held.as_ref(), new.as_ref()]));
                both.collect::<std::result::Result<_, _>>()?
            }
        };
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let leaving = values.first().map_or(0, |column| column.len());
        for column in &mut self.columns {
            let leaving = leaving.min(column.len());
            *column = column.slice(leaving, column.len() - leaving);
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.metric()?.value()))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.columns.iter().map(|column| column.get_array_memory_size()).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(Some(self.metric()?.save()))])
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        internal_err!("{}: a sliding frame is taken from rows", self.def.name)
    }
}

/// The column of states that an accumulator of the same metric gave.
fn saved_states(def: &MetricDef, states: &[ArrayRef]) -> Result<BinaryArray> {
    match states {
        [states] => Ok(cast(states, &DataType::Binary)?.as_binary().clone()),
        _ => internal_err!("{}: {} columns of states", def.name, states.len()),
    }
}

/// A metric being taken for many groups.
#[derive(Debug)]
struct GroupedAccumulator {
    def: &'static MetricDef,
    parameters: Vec<Expression>,
    metric: Box<dyn GroupedMetric>,
    /// How many groups there are; the last ones may not have been seen by the metric.
    groups: usize,
}

impl GroupedAccumulator {
    /// What `of` says of the groups to emit, which are then gone.
    fn emit<T>(&mut self, emit_to: EmitTo, of: impl Fn(&dyn GroupedMetric, usize) -> Option<T>) -> Vec<Option<T>> {
        let count = match emit_to {
            EmitTo::All => self.groups,
            EmitTo::First(count) => count.min(self.groups),
        };
        let emitted = (0..count).map(|group| of(self.metric.as_ref(), group)).collect();
        self.metric.discard(count);
        self.groups -= count;
        emitted
    }
}

impl GroupsAccumulator for GroupedAccumulator {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups = total_num_groups;
        self.metric
            .update(&values[..self.def.arguments.len()], group_indices, opt_filter, total_num_groups)
            .map_err(|error| refusal(self.def, error))
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(Arc::new(Float64Array::from(self.emit(emit_to, |metric, group| metric.value(group)))))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let states = self.emit(emit_to, |metric, group| Some(metric.save(group)));
        Ok(vec![Arc::new(BinaryArray::from_iter(states))])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.groups = total_num_groups;
        let states = saved_states(self.def, values)?;
        for (state, group) in states.iter().zip(group_indices) {
            if let Some(state) = state {
                self.metric.merge(*group, state).map_err(|error| refusal(self.def, error))?;
            }
        }
        Ok(())
    }

    /// Each row as a group of its own.
    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let metric = (self.def.make_grouped)(&self.parameters).map_err(|error| refusal(self.def, error))?;
        let mut rows = Self { def: self.def, parameters: Vec::new(), metric, groups: 0 };
        let count = values.first().map_or(0, |column| column.len());
        let groups: Vec<usize> = (0..count).collect();
        rows.update_batch(values, &groups, opt_filter, count)?;
        rows.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.metric.state_bytes()
    }
}
