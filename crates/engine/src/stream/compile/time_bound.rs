//! How the condition of a join bounds the time of one side by the time of the other.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Join, Operator};

use crate::plan::attribute::delay_ms;
use crate::stream::interval_join::Interval;
use crate::stream::join::Side;

const NANOSECONDS: i64 = 1_000_000;

/// What a join's condition says about the times of both sides.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TimeBound {
    /// The event time columns of both sides.
    pub left: usize,
    pub right: usize,
    pub interval: Interval,
    /// What the interval does not say, of the conditions beside the equalities.
    pub residual: Vec<Expr>,
}

/// What one condition says of `right time - left time`.
struct Relation {
    left: usize,
    right: usize,
    lower_ms: Option<i64>,
    upper_ms: Option<i64>,
    /// Whether it says no more than that.
    exact: bool,
}

/// The bound of the first two event times that are bounded on both sides.
pub(super) fn time_bound(join: &Join) -> Option<TimeBound> {
    let schemas = (join.left.schema().as_ref(), join.right.schema().as_ref());
    let conditions = join.filter.iter().flat_map(split_conjunction);
    let conditions: Vec<(&Expr, Option<Relation>)> = conditions.map(|expr| (expr, relation(expr, schemas))).collect();
    let equalities = join.on.iter().filter_map(|(left, right)| compared(left, Operator::Eq, right, schemas));
    let relations: Vec<Relation> = equalities.collect();
    let all = || conditions.iter().filter_map(|(_, relation)| relation.as_ref()).chain(&relations);
    all().find_map(|first| {
        let same = |other: &&Relation| (other.left, other.right) == (first.left, first.right);
        let lower_ms = all().filter(same).filter_map(|relation| relation.lower_ms).max()?;
        let upper_ms = all().filter(same).filter_map(|relation| relation.upper_ms).min()?;
        let said = |relation: &Option<Relation>| relation.as_ref().is_some_and(|r| same(&r) && r.exact);
        let residual = conditions.iter().filter(|(_, relation)| !said(relation)).map(|(expr, _)| (*expr).clone());
        Some(TimeBound {
            left: first.left,
            right: first.right,
            interval: Interval { lower_ms, upper_ms },
            residual: residual.collect(),
        })
    })
}

fn relation(expr: &Expr, schemas: (&DFSchema, &DFSchema)) -> Option<Relation> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => compared(left, *op, right, schemas),
        Expr::Between(between) if !between.negated => {
            let low = compared(&between.expr, Operator::GtEq, &between.low, schemas)?;
            let high = compared(&between.expr, Operator::LtEq, &between.high, schemas)?;
            ((low.left, low.right) == (high.left, high.right)).then_some(Relation {
                lower_ms: low.lower_ms.or(high.lower_ms),
                upper_ms: low.upper_ms.or(high.upper_ms),
                exact: low.exact && high.exact,
                ..low
            })
        }
        _ => None,
    }
}

/// `one op other`, where one is a time of one side plus a constant, and the other of the other side.
fn compared(one: &Expr, op: Operator, other: &Expr, schemas: (&DFSchema, &DFSchema)) -> Option<Relation> {
    let (one, other) = (shifted(one, schemas)?, shifted(other, schemas)?);
    let (left, op, right) = match (one.side, other.side) {
        (Side::Left, Side::Right) => (one, op, other),
        (Side::Right, Side::Left) => (other, op.swap()?, one),
        _ => return None,
    };
    // left + a <= right + b says that right - left >= a - b. What is finer than milliseconds is rounded outwards.
    let apart = left.plus.checked_sub(right.plus)?;
    let exact = left.in_milliseconds && right.in_milliseconds && apart % NANOSECONDS == 0;
    let apart_ms = apart.div_euclid(NANOSECONDS);
    let (below, above) = if exact { (apart_ms, apart_ms) } else { (apart_ms - 2, apart_ms + 3) };
    let (lower_ms, upper_ms) = match op {
        Operator::LtEq => (Some(below), None),
        Operator::Lt => (Some(below + i64::from(exact)), None),
        Operator::GtEq => (None, Some(above)),
        Operator::Gt => (None, Some(above - i64::from(exact))),
        Operator::Eq => (Some(below), Some(above)),
        _ => return None,
    };
    Some(Relation { left: left.column, right: right.column, lower_ms, upper_ms, exact })
}

/// An event time of one side, plus a constant.
struct Shifted {
    side: Side,
    column: usize,
    /// In nanoseconds.
    plus: i64,
    in_milliseconds: bool,
}

fn shifted(expr: &Expr, schemas: (&DFSchema, &DFSchema)) -> Option<Shifted> {
    match expr {
        Expr::Column(column) => {
            [(Side::Left, schemas.0), (Side::Right, schemas.1)].into_iter().find_map(|(side, schema)| {
                let column = schema.maybe_index_of_column(column)?;
                let field = schema.field(column);
                delay_ms(field)?;
                let in_milliseconds =
                    matches!(field.data_type(), DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, _));
                Some(Shifted { side, column, plus: 0, in_milliseconds })
            })
        }
        Expr::Alias(alias) => shifted(&alias.expr, schemas),
        // A cast to a coarser unit would move the time.
        Expr::Cast(cast) => {
            let time = shifted(&cast.expr, schemas)?;
            match cast.field.data_type() {
                DataType::Timestamp(TimeUnit::Nanosecond, _) => Some(time),
                DataType::Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond, _) => {
                    time.in_milliseconds.then_some(time)
                }
                _ => None,
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (op, left.as_ref(), right.as_ref()) {
            (Operator::Plus, time, Expr::Literal(by, _)) | (Operator::Plus, Expr::Literal(by, _), time) => {
                let time = shifted(time, schemas)?;
                Some(Shifted { plus: time.plus.checked_add(nanoseconds(by)?)?, ..time })
            }
            (Operator::Minus, time, Expr::Literal(by, _)) => {
                let time = shifted(time, schemas)?;
                Some(Shifted { plus: time.plus.checked_sub(nanoseconds(by)?)?, ..time })
            }
            _ => None,
        },
        _ => None,
    }
}

/// The length of an interval; `None` for one of months, which have no one length.
fn nanoseconds(interval: &ScalarValue) -> Option<i64> {
    const DAY: i64 = 24 * 60 * 60 * 1000 * NANOSECONDS;
    match interval {
        ScalarValue::IntervalDayTime(Some(interval)) => {
            let milliseconds = i64::from(interval.milliseconds).checked_mul(NANOSECONDS)?;
            i64::from(interval.days).checked_mul(DAY)?.checked_add(milliseconds)
        }
        ScalarValue::IntervalMonthDayNano(Some(interval)) if interval.months == 0 => {
            i64::from(interval.days).checked_mul(DAY)?.checked_add(interval.nanoseconds)
        }
        ScalarValue::DurationMillisecond(Some(milliseconds)) => milliseconds.checked_mul(NANOSECONDS),
        _ => None,
    }
}
