//! Aggregates OVER rows in the order of event time.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Date64Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalUnit, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Expr, LogicalPlan, Window, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition,
};
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Compiler;
use super::expression::{physical, physical_all};
use crate::plan::attribute::{Rowtime, delay_ms};
use crate::stream::dataflow::Output;
use crate::stream::identity::{Description, columns, expressions};
use crate::stream::over::accumulated::{Accumulated, Recomputed};
use crate::stream::over::frame::Frame;
use crate::stream::over::function::OverFunction;
use crate::stream::over::numbering::{Numbered, Numbering};
use crate::stream::over::running::{Average, Count, Extremum, Measure, Running, Spread, Sum};
use crate::stream::over::value::{EarlierValue, LastValue, Which};
use crate::stream::over::{Call, MakeFunction, Over, Sharding};
use crate::{Error, Result};

/// A construct that is refused, and what to write instead.
pub(crate) type Refused = (&'static str, &'static str);

const ORDER: Refused = (
    "an OVER aggregate that is not in the order of an event time",
    "order it by the column of WATERMARK FOR alone, ascending, or compute it over a bounded table, with INSERT INTO",
);
const FRAME: Refused = (
    "an OVER aggregate with this frame",
    "write RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW, or ROWS BETWEEN 9 PRECEDING AND CURRENT ROW; UNBOUNDED \
     PRECEDING works with both",
);
const MONTHS: Refused =
    ("an OVER aggregate with a RANGE in months", "say how many days: RANGE BETWEEN INTERVAL '30' DAY PRECEDING …");
const DIFFERENT: Refused =
    ("several OVER aggregates of one order but different keys", "compute one of them in a subquery of FROM");
const FUNCTION: Refused = (
    "an OVER aggregate of this function",
    "use an aggregate, FIRST_VALUE, LAST_VALUE, LAG, ROW_NUMBER, RANK or DENSE_RANK: those that look ahead, such as LEAD, \
     need a bounded table",
);
const NULLS: Refused = ("an OVER aggregate with IGNORE NULLS", "filter the NULLs out in a subquery of FROM");
const FILTER: Refused = (
    "FILTER of this OVER aggregate",
    "use COUNT, SUM, AVG, MIN, MAX, STDDEV or VAR, or an argument of CASE WHEN … THEN … END",
);

/// The columns that rows are keyed by and ordered by.
pub(super) struct Order<'a> {
    pub partition: &'a [Expr],
    pub rowtime: Rowtime,
}

impl Compiler<'_> {
    /// Functions OVER the rows before each row.
    pub(super) fn lower_over(&mut self, plan: &LogicalPlan, window: &Window) -> Result<Output> {
        let sharding = Sharding { shards: self.setting.shards, threads: Arc::clone(&self.setting.threads) };
        match over_operator(window, &sharding)? {
            Ok(operator) => {
                let input = self.lower(&window.input)?;
                let description = Description::new("OVER")
                    .on("functions", expressions(&window.window_expr))
                    .on("rows of", columns(window.input.schema().as_arrow()))
                    .on("'execution.shards'", self.setting.shards);
                Ok(self.dataflow.add_described(Box::new(operator), description, &[input]))
            }
            Err((construct, instead)) => self.elsewhere(plan, construct, instead),
        }
    }
}

/// The operator of a window, or why there is none.
pub(crate) fn over_operator(window: &Window, sharding: &Sharding) -> Result<std::result::Result<Over, Refused>> {
    let (order, calls) = match plan_calls(window)? {
        Ok(planned) => planned,
        Err(refused) => return Ok(Err(refused)),
    };
    let schema = window.input.schema();
    let partition = physical_all(order.partition, schema)?;
    let output = Arc::clone(window.schema.inner());
    Ok(Ok(Over::new(order.rowtime, partition, calls, schema.as_arrow(), output, sharding)?))
}

/// The functions of a window, all over the same keys in the same order, or why they cannot stream.
fn plan_calls(window: &Window) -> Result<std::result::Result<(Order<'_>, Vec<Call>), Refused>> {
    let schema = window.input.schema();
    let mut order: Option<Order<'_>> = None;
    let mut calls = Vec::with_capacity(window.window_expr.len());
    for (i, expr) in window.window_expr.iter().enumerate() {
        let Some(function) = window_function(expr) else {
            return Err(Error::Internal(format!("{expr} is not a window function")));
        };
        let mine = match event_time_order(&function.params, schema) {
            Some(order) => order,
            None => return Ok(Err(ORDER)),
        };
        if order.as_ref().is_some_and(|known| known.partition != mine.partition || known.rowtime != mine.rowtime) {
            return Ok(Err(DIFFERENT));
        }
        let time = schema.field(mine.rowtime.column).data_type();
        let frame = match frame(&function.params.window_frame, time)? {
            Ok(frame) => frame,
            Err(refused) => return Ok(Err(refused)),
        };
        let result = window.schema.field(schema.fields().len() + i).data_type();
        match call(function, frame, schema, result)? {
            Ok(call) => calls.push(call),
            Err(refused) => return Ok(Err(refused)),
        }
        order = Some(mine);
    }
    match order {
        Some(order) => Ok(Ok((order, calls))),
        None => Err(Error::Internal("a window without functions".into())),
    }
}

/// The window function that an expression is.
pub(super) fn window_function(expr: &Expr) -> Option<&WindowFunction> {
    match expr {
        Expr::WindowFunction(function) => Some(function),
        Expr::Alias(alias) => window_function(&alias.expr),
        _ => None,
    }
}

/// The keys and the order of a function, if the order is that of an event time, ascending.
pub(super) fn event_time_order<'a>(params: &'a WindowFunctionParams, schema: &DFSchema) -> Option<Order<'a>> {
    let [sort] = params.order_by.as_slice() else { return None };
    sort.asc
        .then(|| rowtime_column(&sort.expr, schema))
        .flatten()
        .map(|rowtime| Order { partition: &params.partition_by, rowtime })
}

/// The event time that an expression is.
pub(super) fn rowtime_column(expr: &Expr, schema: &DFSchema) -> Option<Rowtime> {
    let Expr::Column(column) = expr else { return None };
    let column = schema.maybe_index_of_column(column)?;
    Some(Rowtime { column, delay_ms: delay_ms(schema.field(column))? })
}

/// The frame, in the unit of the time column.
fn frame(frame: &WindowFrame, time: &DataType) -> Result<std::result::Result<Frame, Refused>> {
    if frame.end_bound != WindowFrameBound::CurrentRow {
        return Ok(Err(FRAME));
    }
    let range = match (frame.units, &frame.start_bound) {
        (WindowFrameUnits::Rows, WindowFrameBound::CurrentRow) => return Ok(Ok(Frame::Rows(0))),
        (WindowFrameUnits::Range, WindowFrameBound::CurrentRow) => return Ok(Ok(Frame::Range(0))),
        (WindowFrameUnits::Rows, WindowFrameBound::Preceding(rows)) if rows.is_null() => return Ok(Ok(Frame::AllRows)),
        (WindowFrameUnits::Range, WindowFrameBound::Preceding(range)) if range.is_null() => {
            return Ok(Ok(Frame::AllTime));
        }
        (WindowFrameUnits::Rows, WindowFrameBound::Preceding(ScalarValue::UInt64(Some(rows)))) => {
            return Ok(Ok(Frame::Rows(*rows)));
        }
        (WindowFrameUnits::Range, WindowFrameBound::Preceding(range)) => range,
        _ => return Ok(Err(FRAME)),
    };
    let interval = range.cast_to(&DataType::Interval(IntervalUnit::MonthDayNano))?;
    let ScalarValue::IntervalMonthDayNano(Some(interval)) = interval else { return Ok(Err(FRAME)) };
    if interval.months != 0 {
        return Ok(Err(MONTHS));
    }
    let nanoseconds = i128::from(interval.days) * 86_400_000_000_000 + i128::from(interval.nanoseconds);
    let tick = match time {
        DataType::Timestamp(TimeUnit::Second, _) => 1_000_000_000,
        DataType::Timestamp(TimeUnit::Millisecond, _) => 1_000_000,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
        _ => 1,
    };
    match i64::try_from(nanoseconds / tick) {
        Ok(ticks) if nanoseconds >= 0 => Ok(Ok(Frame::Range(ticks))),
        _ => Ok(Err(FRAME)),
    }
}

/// One function as the operator runs it. `result` is the type that the plan has for it.
fn call(
    function: &WindowFunction,
    frame: Frame,
    schema: &DFSchema,
    result: &DataType,
) -> Result<std::result::Result<Call, Refused>> {
    let params = &function.params;
    if params.null_treatment == Some(NullTreatment::IgnoreNulls) {
        return Ok(Err(NULLS));
    }
    let mut arguments = physical_all(&params.args, schema)?;
    let filter = params.filter.as_ref().map(|filter| physical(filter, schema)).transpose()?;
    let (make, remembers) = match &function.fun {
        WindowFunctionDefinition::AggregateUDF(aggregate) => {
            let types: Vec<DataType> =
                arguments.iter().map(|a| Ok(a.data_type(schema.as_arrow())?)).collect::<Result<_>>()?;
            let known = if params.distinct { None } else { running(aggregate.name(), &types, result, frame) };
            match known {
                Some(make) => (make, false),
                None if filter.is_some() => return Ok(Err(FILTER)),
                None => {
                    let expr = AggregateExprBuilder::new(Arc::clone(aggregate), arguments.clone())
                        .schema(Arc::new(schema.as_arrow().clone()))
                        .alias(aggregate.name())
                        .with_distinct(params.distinct)
                        .build()?;
                    (accumulated(Arc::new(expr), frame), false)
                }
            }
        }
        WindowFunctionDefinition::WindowUDF(window) => {
            let made: MakeFunction = match window.name() {
                "row_number" => numbered(Numbering::RowNumber),
                "rank" => numbered(Numbering::Rank),
                "dense_rank" => numbered(Numbering::DenseRank),
                "first_value" => earlier(Which::First(frame), ScalarValue::try_from(result)?),
                "last_value" => Box::new(move || Ok(Box::new(LastValue::new(frame)))),
                "lag" => {
                    let Some((offset, default)) = lag(&params.args[1..], result)? else { return Ok(Err(FUNCTION)) };
                    earlier(Which::Lag(offset), default)
                }
                _ => return Ok(Err(FUNCTION)),
            };
            if filter.is_some() {
                return Ok(Err(FILTER));
            }
            // What follows the first argument are literals, which were read here.
            arguments.truncate(1);
            (made, !matches!(window.name(), "first_value" | "last_value"))
        }
    };
    Ok(Ok(Call { make, arguments, filter, frame, remembers }))
}

/// The offset and the default of LAG; nothing if it looks ahead.
fn lag(literals: &[Expr], result: &DataType) -> Result<Option<(u64, ScalarValue)>> {
    let literal = |expr: &Expr| match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        _ => None,
    };
    let offset = match literals.first() {
        None => 1,
        Some(expr) => match literal(expr).map(|value| value.cast_to(&DataType::Int64)).transpose()? {
            Some(ScalarValue::Int64(Some(offset))) => offset,
            Some(ScalarValue::Int64(None)) => 1,
            _ => return Err(Error::Data(format!("LAG: the offset must be a whole number, not {expr}"))),
        },
    };
    let default = match literals.get(1) {
        None => ScalarValue::try_from(result)?,
        Some(expr) => match literal(expr) {
            Some(default) => default.cast_to(result)?,
            None => return Err(Error::Data(format!("LAG: the default must be a literal, not {expr}"))),
        },
    };
    Ok(u64::try_from(offset).ok().map(|offset| (offset, default)))
}

fn numbered(numbering: Numbering) -> MakeFunction {
    Box::new(move || Ok(Box::new(Numbered::new(numbering))))
}

fn earlier(which: Which, default: ScalarValue) -> MakeFunction {
    Box::new(move || Ok(Box::new(EarlierValue::new(which, &default)?)))
}

fn accumulated(function: Arc<AggregateFunctionExpr>, frame: Frame) -> MakeFunction {
    Box::new(move || {
        let function = Arc::clone(&function);
        Ok(match frame.is_bounded() {
            true => Box::new(Recomputed::new(function, frame)),
            false => Box::new(Accumulated::new(function, frame)),
        })
    })
}

/// An aggregate of which we have a version that takes constant time a row, for arguments of these types.
fn running(name: &str, arguments: &[DataType], result: &DataType, frame: Frame) -> Option<MakeFunction> {
    let [argument] = arguments else { return None };
    let same = argument == result;
    let doubles = same && *result == DataType::Float64;
    match name {
        "count" => Some(measure(frame, || Count)),
        "sum" if same && *result == DataType::Int64 => Some(sum::<Int64Type>(result, frame)),
        "sum" if same && *result == DataType::UInt64 => Some(sum::<UInt64Type>(result, frame)),
        "sum" if doubles => Some(sum::<Float64Type>(result, frame)),
        "sum" => match (argument, result) {
            (DataType::Decimal128(_, a), DataType::Decimal128(_, b)) if a == b => {
                Some(sum::<Decimal128Type>(result, frame))
            }
            _ => None,
        },
        "avg" if doubles => Some(measure(frame, || Average)),
        "min" | "max" if same => extremum(result, name == "max", frame),
        "var" if doubles => Some(measure(frame, || Spread { sample: true, root: false })),
        "var_pop" if doubles => Some(measure(frame, || Spread { sample: false, root: false })),
        "stddev" if doubles => Some(measure(frame, || Spread { sample: true, root: true })),
        "stddev_pop" if doubles => Some(measure(frame, || Spread { sample: false, root: true })),
        _ => None,
    }
}

fn measure<M: Measure>(frame: Frame, of: impl Fn() -> M + Send + 'static) -> MakeFunction {
    Box::new(move || Ok(Box::new(Running::new(of(), frame)) as Box<dyn OverFunction>))
}

fn sum<T: ArrowPrimitiveType>(result: &DataType, frame: Frame) -> MakeFunction
where
    T::Native: Serialize + DeserializeOwned,
{
    let result = result.clone();
    measure(frame, move || Sum::<T> { result: result.clone(), of: PhantomData })
}

/// MIN or MAX of numbers, dates and times.
fn extremum(result: &DataType, greatest: bool, frame: Frame) -> Option<MakeFunction> {
    fn of<T: ArrowPrimitiveType>(result: &DataType, greatest: bool, frame: Frame) -> Option<MakeFunction>
    where
        T::Native: Serialize + DeserializeOwned,
    {
        let result = result.clone();
        Some(measure(frame, move || Extremum::<T> { result: result.clone(), greatest, of: PhantomData }))
    }
    match result {
        DataType::Int8 => of::<Int8Type>(result, greatest, frame),
        DataType::Int16 => of::<Int16Type>(result, greatest, frame),
        DataType::Int32 => of::<Int32Type>(result, greatest, frame),
        DataType::Int64 => of::<Int64Type>(result, greatest, frame),
        DataType::UInt8 => of::<UInt8Type>(result, greatest, frame),
        DataType::UInt16 => of::<UInt16Type>(result, greatest, frame),
        DataType::UInt32 => of::<UInt32Type>(result, greatest, frame),
        DataType::UInt64 => of::<UInt64Type>(result, greatest, frame),
        DataType::Float32 => of::<Float32Type>(result, greatest, frame),
        DataType::Float64 => of::<Float64Type>(result, greatest, frame),
        DataType::Decimal128(_, _) => of::<Decimal128Type>(result, greatest, frame),
        DataType::Date32 => of::<Date32Type>(result, greatest, frame),
        DataType::Date64 => of::<Date64Type>(result, greatest, frame),
        DataType::Timestamp(TimeUnit::Second, _) => of::<TimestampSecondType>(result, greatest, frame),
        DataType::Timestamp(TimeUnit::Millisecond, _) => of::<TimestampMillisecondType>(result, greatest, frame),
        DataType::Timestamp(TimeUnit::Microsecond, _) => of::<TimestampMicrosecondType>(result, greatest, frame),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => of::<TimestampNanosecondType>(result, greatest, frame),
        _ => None,
    }
}
