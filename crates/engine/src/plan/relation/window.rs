//! TUMBLE, HOP, CUMULATE and SESSION: what they take, and calls of them to plan nodes.

use datafusion::common::Result;
use datafusion::logical_expr::LogicalPlan;
use tidegate_sql::call::{Kind, Parameter, Signature};
use tidegate_sql::literal;
use tidegate_sql::sqlparser::ast::Expr;

use super::{CallPlanner, extension};
use crate::plan::attribute::to_milliseconds;
use crate::plan::window::{SessionNode, WINDOW_COLUMNS, WindowFunction, WindowNode, Windows};

/// The most windows that a row may be in: a day in steps of a minute. Each is a copy of the row.
const WINDOWS_A_ROW_MAX: i64 = 1440;

const DATA: Parameter = Parameter::required("DATA", Kind::Table, "The rows.");
const TIMECOL: Parameter =
    Parameter::required("TIMECOL", Kind::Descriptor, "The time column; over an unbounded table its event time.");
const OFFSET: Parameter =
    Parameter::optional("OFFSET", Kind::Scalar, "Shifts where windows begin, an INTERVAL, which may be negative.");

pub(super) const TUMBLE: Signature = Signature {
    name: "TUMBLE",
    doc: "Gives each row the window it falls into: windows of one size, one after the other. Adds `window_start`, `window_end` and `window_time`, the last moment of the window and its event time. A row whose time is NULL is in no window and left out.",
    parameters: &[
        DATA,
        TIMECOL,
        Parameter::required("SIZE", Kind::Scalar, "The length of the windows, an INTERVAL."),
        OFFSET,
    ],
};

pub(super) const HOP: Signature = Signature {
    name: "HOP",
    doc: "Gives each row every window it falls into: windows of one size that begin at intervals of `SLIDE` and overlap. A row comes out once for each, with the columns that TUMBLE adds.",
    parameters: &[
        DATA,
        TIMECOL,
        Parameter::required("SLIDE", Kind::Scalar, "From the start of one window to that of the next, an INTERVAL."),
        Parameter::required("SIZE", Kind::Scalar, "The length of the windows, an INTERVAL: a multiple of SLIDE."),
        OFFSET,
    ],
};

pub(super) const CUMULATE: Signature = Signature {
    name: "CUMULATE",
    doc: "Gives each row every window it falls into: windows that begin together and end at intervals of `STEP`, up to `SIZE`, when the next ones begin. A row comes out once for each, with the columns that TUMBLE adds.",
    parameters: &[
        DATA,
        TIMECOL,
        Parameter::required("STEP", Kind::Scalar, "From the end of one window to that of the next, an INTERVAL."),
        Parameter::required("SIZE", Kind::Scalar, "The length of the longest window, an INTERVAL: a multiple of STEP."),
        OFFSET,
    ],
};

pub(super) const SESSION: Signature = Signature {
    name: "SESSION",
    doc: "Gives each row its session: rows of one key (`TABLE t PARTITION BY key, …`) with no more than `GAP` from one to the next. A session's window ends `GAP` after its last row. Over a stream rows come out when their session has closed. Adds the columns that TUMBLE adds.",
    parameters: &[
        Parameter::required(
            "DATA",
            Kind::Table,
            "The rows, PARTITION BY the columns of the key; without it all are of one key.",
        ),
        TIMECOL,
        Parameter::required("GAP", Kind::Scalar, "How long nothing comes before a session ends, an INTERVAL."),
    ],
};

impl CallPlanner<'_> {
    /// TUMBLE, HOP or CUMULATE.
    pub(super) fn window(&mut self, function: WindowFunction) -> Result<LogicalPlan> {
        let (input, time, keys) = self.windowed()?;
        if !keys.is_empty() {
            return self.refuse(
                "DATA",
                format!(
                    "{} takes no PARTITION BY: each row has its windows by its time alone; put the key into GROUP BY",
                    function.name()
                ),
            );
        }
        let size_ms = self.length_ms("SIZE")?;
        let (step_name, step_ms) = match function {
            WindowFunction::Tumble => ("SIZE", size_ms),
            WindowFunction::Hop => ("SLIDE", self.length_ms("SLIDE")?),
            WindowFunction::Cumulate => ("STEP", self.length_ms("STEP")?),
        };
        if size_ms % step_ms != 0 {
            let message = format!(
                "{}: SIZE must be a multiple of {step_name}, but {size_ms} ms is not one of {step_ms} ms",
                function.name()
            );
            return self.refuse("SIZE", message);
        }
        let offset_ms = match self.bound.expr("OFFSET") {
            None => 0,
            Some(expr) => match signed_ms(expr) {
                Some(offset) => offset,
                None => return self.refuse("OFFSET", "OFFSET takes an INTERVAL such as INTERVAL '1' HOUR"),
            },
        };
        let windows = Windows { function, step_ms, size_ms, offset_ms };
        if windows.a_row_max() > WINDOWS_A_ROW_MAX {
            let message = format!(
                "{}: each row would be in {} windows, of which {WINDOWS_A_ROW_MAX} is the most: take a greater {step_name}",
                function.name(),
                windows.a_row_max()
            );
            return self.refuse(step_name, message);
        }
        Ok(extension(WindowNode::try_new(input, time, windows)?))
    }

    /// SESSION.
    pub(super) fn session(&mut self) -> Result<LogicalPlan> {
        let (input, time, keys) = self.windowed()?;
        let gap_ms = self.length_ms("GAP")?;
        Ok(extension(SessionNode::try_new(input, time, &keys, gap_ms)?))
    }

    /// What every window function takes: the rows, their time, and the columns of PARTITION BY.
    fn windowed(&mut self) -> Result<(LogicalPlan, usize, Vec<usize>)> {
        let Some(table) = self.bound.table("DATA") else { return self.refuse("DATA", "expected a table") };
        let input = self.table("DATA", table)?;
        let schema = input.schema();
        let Some(time) = self.single_column(schema, "TIMECOL")? else {
            return self.refuse("TIMECOL", "expected a time column");
        };
        let field = schema.field(time);
        if to_milliseconds(field.data_type()).is_none() {
            let message = format!(
                "'{}' is {}; a window needs a TIMESTAMP",
                field.name(),
                crate::types::sql_type(field.data_type())
            );
            return self.refuse("TIMECOL", message);
        }
        if let Some(taken) = WINDOW_COLUMNS.iter().find(|name| schema.fields().iter().any(|f| f.name() == *name)) {
            let message =
                format!("the input already has a column '{taken}', which the window would add: rename it with AS");
            return self.refuse("DATA", message);
        }
        let keys = self.partition("DATA", table, schema)?;
        Ok((input, time, keys))
    }

    /// A length of time, at least a millisecond.
    fn length_ms(&self, argument: &str) -> Result<i64> {
        let length = self.bound.expr(argument).and_then(signed_ms);
        match length {
            Some(length) if length > 0 => Ok(length),
            Some(_) => self.refuse(argument, format!("{argument} must be positive, at least a millisecond")),
            None => self.refuse(argument, format!("{argument} takes an INTERVAL such as INTERVAL '1' HOUR")),
        }
    }
}

/// `PARTITION BY (a, b)` means `PARTITION BY a, b`.
pub(super) fn listed(expr: &Expr) -> &[Expr] {
    match expr {
        Expr::Nested(inner) => listed(inner),
        Expr::Tuple(several) => several,
        single => std::slice::from_ref(single),
    }
}

/// The length of an interval in milliseconds, with its sign. One that does not end within the calendar is as long as can be.
fn signed_ms(expr: &Expr) -> Option<i64> {
    let (negative, length) = literal::signed_interval(expr)?;
    let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    Some(if negative { -length } else { length })
}
