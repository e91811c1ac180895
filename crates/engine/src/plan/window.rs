//! Windows of event time: which ones a time falls into, and the plan nodes of TUMBLE, HOP, CUMULATE and SESSION.
//!
//! ```text
//!  size 6, step 2      0   2   4   6   8
//!  TUMBLE              [-----------)              a time is in one window
//!  HOP                 [-----------)              … in size / step of them, each a step later
//!                          [-----------)
//!  CUMULATE            [---)                      … in those of its TUMBLE window that end after it, each a step longer
//!                      [-------)
//!                      [-----------)
//! ```

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef};
use datafusion::common::{DFSchema, DFSchemaRef, Result, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

use super::attribute::{WindowEdge, delay_ms, ordinary, with_rowtime, with_window_edge};

/// The columns that every window function adds.
pub(crate) const WINDOW_COLUMNS: [&str; 3] = ["window_start", "window_end", "window_time"];

/// A function that gives each row windows by its time alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd)]
pub(crate) enum WindowFunction {
    Tumble,
    Hop,
    Cumulate,
}

impl WindowFunction {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tumble => "TUMBLE",
            Self::Hop => "HOP",
            Self::Cumulate => "CUMULATE",
        }
    }
}

/// The windows of one call, in milliseconds. The size is a multiple of the step; for TUMBLE they are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd)]
pub(crate) struct Windows {
    pub function: WindowFunction,
    /// From one window to the next: SLIDE, STEP, or the size.
    pub step_ms: i64,
    /// The length of a window; of CUMULATE the greatest.
    pub size_ms: i64,
    /// Shifts where windows begin; 0: at multiples of the step, for CUMULATE of the size, since 1970-01-01.
    pub offset_ms: i64,
}

impl Windows {
    /// The windows that a time falls into, as (start, end), the earliest end first.
    pub(crate) fn of(&self, time: i64) -> impl Iterator<Item = (i64, i64)> {
        let Self { function, step_ms: step, size_ms: size, offset_ms: offset } = *self;
        let step_start = floor(time, step, offset);
        let (start, moves, first_end, count) = match function {
            WindowFunction::Tumble | WindowFunction::Hop => {
                let start = step_start.saturating_sub(size - step);
                (start, step, start.saturating_add(size), size / step)
            }
            WindowFunction::Cumulate => {
                let start = floor(time, size, offset);
                let first_end = step_start.saturating_add(step);
                (start, 0, first_end, start.saturating_add(size).saturating_sub(first_end) / step + 1)
            }
        };
        (0..count).map(move |i| (start.saturating_add(i * moves), first_end.saturating_add(i * step)))
    }

    /// The most windows that a row is in.
    pub(crate) fn a_row_max(&self) -> i64 {
        self.size_ms / self.step_ms
    }
}

/// The greatest multiple of `step`, shifted by `offset`, that is not after `time`.
fn floor(time: i64, step: i64, offset: i64) -> i64 {
    // The offset alone is brought below the step first: then nothing overflows, whatever the offset.
    time.saturating_sub((time.rem_euclid(step) - offset.rem_euclid(step)).rem_euclid(step))
}

/// The columns of the input, and those that a window function adds.
///
/// `window_time` is the event time of what comes out. What was an event time or an edge of a window before is an ordinary
/// column from here on, as in Flink: SESSION reorders rows. With a watermark `window_delay_ms` behind the greatest
/// `window_time` so far no row is late.
fn output(input: &LogicalPlan, time: usize, window_delay_ms: Option<i64>) -> Result<DFSchemaRef> {
    let data_type = input.schema().field(time).data_type();
    let added = WINDOW_COLUMNS.map(|name| Field::new(name, data_type.clone(), true));
    let [start, end, last] = added;
    let last = with_window_edge(last, WindowEdge::Last);
    let last = match window_delay_ms {
        Some(delay) => with_rowtime(last, delay),
        None => last,
    };
    let mut fields: Vec<(Option<TableReference>, FieldRef)> = input
        .schema()
        .iter()
        .map(|(table, field)| (table.cloned(), Arc::new(ordinary(field.as_ref().clone()))))
        .collect();
    let added = [with_window_edge(start, WindowEdge::Start), with_window_edge(end, WindowEdge::End), last];
    fields.extend(added.map(|field| (None, Arc::new(field))));
    Ok(Arc::new(DFSchema::new_with_metadata(fields, input.schema().metadata().clone())?))
}

/// `TUMBLE(…)`, `HOP(…)`, `CUMULATE(…)`: each row with the windows that its time falls into, once for each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct WindowNode {
    pub input: LogicalPlan,
    /// The time column.
    pub time: Expr,
    pub windows: Windows,
    /// The delay of the time column's watermark, when it is an event time.
    pub delay_ms: Option<i64>,
    pub schema: DFSchemaRef,
}

impl WindowNode {
    pub(crate) fn try_new(input: LogicalPlan, time: usize, windows: Windows) -> Result<Self> {
        let delay_ms = delay_ms(input.schema().field(time));
        // A row's last window ends at most `size` after its time.
        let window_delay_ms = delay_ms.map(|delay| delay.saturating_add(windows.size_ms - 1));
        let schema = output(&input, time, window_delay_ms)?;
        Ok(Self { time: column(&input, time), input, windows, delay_ms, schema })
    }
}

impl PartialOrd for WindowNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.windows.partial_cmp(&other.windows).filter(|o| *o != Ordering::Equal || self == other)
    }
}

impl UserDefinedLogicalNodeCore for WindowNode {
    fn name(&self) -> &str {
        self.windows.function.name()
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![self.time.clone()]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Windows { function, step_ms, size_ms, offset_ms } = self.windows;
        write!(f, "{}: time={}", function.name(), self.time)?;
        match function {
            WindowFunction::Tumble => {}
            WindowFunction::Hop => write!(f, " slide={step_ms} ms")?,
            WindowFunction::Cumulate => write!(f, " step={step_ms} ms")?,
        }
        write!(f, " size={size_ms} ms")?;
        if offset_ms != 0 {
            write!(f, " offset={offset_ms} ms")?;
        }
        Ok(())
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let (input, time) = (inputs.remove(0), exprs.remove(0));
        // What the input's times mean may have changed: a join below, once compiled, gives them another delay.
        match place(&input, &time) {
            Some(time) => Self::try_new(input, time, self.windows),
            None => Ok(Self { input, time, ..self.clone() }),
        }
    }
}

/// `SESSION(…)`: each row with the session of its key that it is part of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SessionNode {
    pub input: LogicalPlan,
    /// The time column.
    pub time: Expr,
    /// The columns of PARTITION BY: each combination of values has sessions of its own.
    pub keys: Vec<Expr>,
    /// A session ends when nothing comes for so long.
    pub gap_ms: i64,
    /// The delay of the time column's watermark, when it is an event time.
    pub delay_ms: Option<i64>,
    pub schema: DFSchemaRef,
}

impl SessionNode {
    pub(crate) fn try_new(input: LogicalPlan, time: usize, keys: &[usize], gap_ms: i64) -> Result<Self> {
        let delay_ms = delay_ms(input.schema().field(time));
        // Sessions come out in the order of their ends, several with the same end one after the other.
        let schema = output(&input, time, delay_ms.map(|_| 1))?;
        let keys = keys.iter().map(|key| column(&input, *key)).collect();
        Ok(Self { time: column(&input, time), keys, input, gap_ms, delay_ms, schema })
    }
}

impl PartialOrd for SessionNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.gap_ms.partial_cmp(&other.gap_ms).filter(|o| *o != Ordering::Equal || self == other)
    }
}

impl UserDefinedLogicalNodeCore for SessionNode {
    fn name(&self) -> &str {
        "SESSION"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        std::iter::once(&self.time).chain(&self.keys).cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SESSION: time={} gap={} ms", self.time, self.gap_ms)?;
        if !self.keys.is_empty() {
            let keys: Vec<String> = self.keys.iter().map(|key| key.to_string()).collect();
            write!(f, " partition by=[{}]", keys.join(", "))?;
        }
        Ok(())
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let (input, time) = (inputs.remove(0), exprs.remove(0));
        let keys: Option<Vec<usize>> = exprs.iter().map(|key| place(&input, key)).collect();
        match (place(&input, &time), keys) {
            (Some(time), Some(keys)) => Self::try_new(input, time, &keys, self.gap_ms),
            _ => Ok(Self { input, time, keys: exprs, ..self.clone() }),
        }
    }
}

/// Where a column stands in the input; `None` for other expressions.
fn place(input: &LogicalPlan, expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Column(column) => input.schema().maybe_index_of_column(column),
        _ => None,
    }
}

fn column(input: &LogicalPlan, index: usize) -> Expr {
    Expr::Column(datafusion::common::Column::from(input.schema().qualified_field(index)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn windows(function: WindowFunction, step_ms: i64, size_ms: i64, offset_ms: i64) -> Windows {
        Windows { function, step_ms, size_ms, offset_ms }
    }

    fn of(windows: Windows, time: i64) -> Vec<(i64, i64)> {
        windows.of(time).collect()
    }

    #[test]
    fn tumbling_windows_begin_at_multiples_of_their_size_also_before_1970() {
        let tumble = |size, offset| windows(WindowFunction::Tumble, size, size, offset);
        assert_eq!(of(tumble(10, 0), 0), [(0, 10)]);
        assert_eq!(of(tumble(10, 0), 19), [(10, 20)]);
        assert_eq!(of(tumble(10, 0), -1), [(-10, 0)]);
        assert_eq!(of(tumble(10, 3), 19), [(13, 23)]);
        assert_eq!(of(tumble(10, 3), 12), [(3, 13)]);
    }

    #[test]
    fn hopping_windows_cover_a_time_from_the_earliest_on() {
        let hop = |offset| windows(WindowFunction::Hop, 5, 15, offset);
        assert_eq!(of(hop(0), 12), [(0, 15), (5, 20), (10, 25)]);
        assert_eq!(of(hop(0), -1), [(-15, 0), (-10, 5), (-5, 10)]);
        assert_eq!(of(hop(2), 12), [(2, 17), (7, 22), (12, 27)]);
        assert_eq!(of(hop(2), 11), [(-3, 12), (2, 17), (7, 22)]);
    }

    #[test]
    fn cumulating_windows_grow_to_their_size() {
        let cumulate = |offset| windows(WindowFunction::Cumulate, 2, 6, offset);
        assert_eq!(of(cumulate(0), 0), [(0, 2), (0, 4), (0, 6)]);
        assert_eq!(of(cumulate(0), 3), [(0, 4), (0, 6)]);
        assert_eq!(of(cumulate(0), 5), [(0, 6)]);
        assert_eq!(of(cumulate(0), -1), [(-6, 0)]);
        assert_eq!(of(cumulate(1), 0), [(-5, 1)]);
        assert_eq!(of(cumulate(1), 1), [(1, 3), (1, 5), (1, 7)]);
    }

    /// The table under "Window Offset" in Flink's documentation: 00:00:04 in windows of ten minutes. Minutes from midnight.
    #[test]
    fn offsets_shift_windows_as_in_flink() {
        let minute = 60_000;
        for (offset, start) in [(-16, -6), (-6, -6), (-4, -4), (0, 0), (4, -6), (6, -4), (16, -4)] {
            let tumble = windows(WindowFunction::Tumble, 10 * minute, 10 * minute, offset * minute);
            assert_eq!(of(tumble, 4_000), [(start * minute, (start + 10) * minute)], "{offset}");
        }
    }

    #[test]
    fn times_at_the_ends_of_the_range_do_not_overflow() {
        for function in [WindowFunction::Hop, WindowFunction::Cumulate] {
            for time in [i64::MIN, i64::MAX] {
                for offset in [i64::MIN, 0, i64::MAX] {
                    assert!(windows(function, 10, 30, offset).of(time).count() <= 4);
                }
            }
        }
    }

    proptest! {
        /// Every window of a function holds the time, and together they are all windows of that form that do.
        #[test]
        fn exactly_the_windows_that_hold_a_time(
            time in -500i64..500, step in 1i64..20, times in 1i64..6, offset in -50i64..50, grows: bool,
        ) {
            let size = step * times;
            let function = if grows { WindowFunction::Cumulate } else { WindowFunction::Hop };
            let all: Vec<(i64, i64)> = (-100..100)
                .flat_map(|i| (0..times).map(move |j| (i, j)))
                .filter_map(|(i, j)| match grows {
                    true => Some((i * size + offset, i * size + offset + (j + 1) * step)),
                    false => (j == 0).then_some((i * step + offset, i * step + offset + size)),
                })
                .filter(|(start, end)| (*start..*end).contains(&time))
                .collect();
            // As many steps either way as the greatest time and offset need.
            prop_assume!(grows || (time - offset).abs() < 90 * step);
            prop_assume!(!grows || (time - offset).abs() < 90 * size);
            prop_assert_eq!(of(windows(function, step, size, offset), time), all);
        }
    }
}
