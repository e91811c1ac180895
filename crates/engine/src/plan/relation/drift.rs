//! How far the rows of one table are from those of another: ML_VALIDATE_DATA_DRIFT; and what the columns of one hold: ML_DESCRIBE_DATA.
//!
//! Both are plans of aggregates, one pass over the rows, whose single row is then turned: a row a column of the input.
//!
//! ```text
//!  BASE  ─► (false, a, b, …) ─┐
//!                             ├─ UNION ALL ─► distances d0, d1, … ─┐
//!  STUDY ─► (true,  a, b, …) ─┘                                    ├─ CROSS JOIN ─► a row an input
//!                            (0, 'a', metric, threshold), (1, 'b', …) ┘
//! ```

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, Result};
use datafusion::functions_aggregate::expr_fn::{approx_median, avg, count, count_distinct, max, min, stddev_pop, sum};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, col, lit, when};
use tidegate_ml::metric::{DISTANCES, DistanceDef};
use tidegate_sql::Diagnostic;
use tidegate_sql::sqlparser::ast::Ident;

use super::{CallPlanner, refused};
use crate::function::metric_function;

/// A distance above which a column has drifted, if nothing else is said: as BigQuery ML has it.
const THRESHOLD: f64 = 0.3;

/// What can be measured of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Category,
}

impl Kind {
    /// Times, and what is made of several values, are not measured.
    fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            t if t.is_numeric() => Some(Self::Number),
            DataType::Boolean => Some(Self::Category),
            t if t.is_string() => Some(Self::Category),
            DataType::Dictionary(_, value) if value.is_string() => Some(Self::Category),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Number => "numbers",
            Self::Category => "categories",
        }
    }
}

/// A column of the input as it is measured: a number, of which those that are not finite count as missing, or a category's text.
fn measured(schema: &DFSchema, place: usize, kind: Kind) -> Result<Expr> {
    let column = Expr::Column(Column::from(schema.qualified_field(place)));
    match kind {
        Kind::Category => Ok(cast(column, DataType::Utf8)),
        Kind::Number => {
            let number = cast(column, DataType::Float64);
            // Of NaN and the infinities this difference is NaN.
            when((number.clone() - number.clone()).eq(lit(0.0)), number).end()
        }
    }
}

fn turned(name: &str, place: usize) -> String {
    format!("{name}{place}")
}

/// What an aggregate gives of the input in this row: one of its columns `name0`, `name1`, …
fn of_input(name: &str, inputs: usize, data_type: &DataType) -> Result<Expr> {
    let mut choice = when(col("place").eq(lit(0i64)), cast(col(turned(name, 0)), data_type.clone()));
    for place in 1..inputs {
        choice = choice.when(col("place").eq(lit(place as i64)), cast(col(turned(name, place)), data_type.clone()));
    }
    Ok(choice.end()?.alias(name))
}

/// The single row of `aggregates`, beside a row an input, which has its place and whatever `inputs` say, named `columns`.
fn beside(aggregates: LogicalPlan, inputs: Vec<Vec<Expr>>, columns: &[&str]) -> Result<LogicalPlanBuilder> {
    let named: Vec<Expr> =
        columns.iter().enumerate().map(|(place, name)| col(format!("column{}", place + 1)).alias(*name)).collect();
    let inputs = LogicalPlanBuilder::values(inputs)?.project(named)?.build()?;
    LogicalPlanBuilder::from(aggregates).cross_join(inputs)?.sort(vec![col("place").sort(true, false)])
}

impl CallPlanner<'_> {
    /// ML_VALIDATE_DATA_DRIFT.
    pub(super) fn drift(&mut self) -> Result<LogicalPlan> {
        let (base, study) = (self.whole("BASE")?, self.whole("STUDY")?);
        let columns = self.common_columns(base.schema(), study.schema())?;
        let distances = [
            self.distance("NUMERIC_METRIC", "jensen_shannon", Kind::Number)?,
            self.distance("CATEGORICAL_METRIC", "l_infinity", Kind::Category)?,
        ];
        let defaults = [self.threshold("NUMERIC_THRESHOLD")?, self.threshold("CATEGORICAL_THRESHOLD")?];
        let names: Vec<&str> = columns.iter().map(|column| base.schema().field(column.0).name().as_str()).collect();
        let thresholds = self.thresholds(&names)?;
        let side = |rows: &LogicalPlan, study: bool, place: fn(&(usize, usize, Kind)) -> usize| {
            let mut values = vec![lit(study).alias("sample")];
            for (index, column) in columns.iter().enumerate() {
                values.push(measured(rows.schema(), place(column), column.2)?.alias(turned("input", index)));
            }
            LogicalPlanBuilder::from(rows.clone()).project(values)?.build()
        };
        let (before, after) = (side(&base, false, |column| column.0)?, side(&study, true, |column| column.1)?);
        let (mut values, mut inputs) = (Vec::new(), Vec::new());
        for (index, (.., kind)) in columns.iter().enumerate() {
            let of_kind = usize::from(*kind == Kind::Category);
            let distance: &DistanceDef = distances[of_kind];
            let threshold = thresholds[index].unwrap_or(defaults[of_kind]);
            let value = metric_function(distance.metric).call(vec![col("sample"), col(turned("input", index))]);
            values.push(value.alias(turned("value", index)));
            inputs.push(vec![lit(index as i64), lit(names[index]), lit(distance.name), lit(threshold)]);
        }
        let aggregates =
            LogicalPlanBuilder::from(before).union(after)?.aggregate(Vec::<Expr>::new(), values)?.build()?;
        let value = of_input("value", columns.len(), &DataType::Float64)?;
        beside(aggregates, inputs, &["place", "input", "metric", "threshold"])?
            .project(vec![col("input"), col("metric"), col("threshold"), value])?
            .project(vec![
                col("input"),
                col("metric"),
                col("threshold"),
                col("value"),
                col("value").gt(col("threshold")).alias("is_anomaly"),
            ])?
            .build()
    }

    /// ML_DESCRIBE_DATA.
    pub(super) fn describe_data(&mut self) -> Result<LogicalPlan> {
        let rows = self.whole("INPUT")?;
        let schema = rows.schema();
        let places: Vec<usize> = match self.bound.get("ARGS") {
            Some(_) => {
                self.bound.descriptor("ARGS").iter().map(|name| self.column(schema, name)).collect::<Result<_>>()?
            }
            None => (0..schema.fields().len()).filter(|at| Kind::of(schema.field(*at).data_type()).is_some()).collect(),
        };
        let (mut columns, mut aggregates, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
        let missing = |of: DataType| cast(lit(datafusion::common::ScalarValue::Null), of);
        for (index, place) in places.iter().enumerate() {
            let field = schema.field(*place);
            let Some(kind) = Kind::of(field.data_type()) else {
                let found = crate::types::sql_type(field.data_type());
                return self
                    .refuse("ARGS", format!("'{}' is {found}: expected a number, BOOLEAN or STRING", field.name()));
            };
            let input = turned("input", index);
            columns.push(measured(schema, *place, kind)?.alias(&input));
            let value = || col(&input);
            let zeros = when(value().eq(lit(0.0)), lit(1i64)).otherwise(lit(0i64))?;
            let number = kind == Kind::Number;
            let of_number = |expr: Expr, of: DataType| if number { expr } else { min(missing(of)) };
            let mut add = |name: &str, expr: Expr| aggregates.push(expr.alias(turned(name, index)));
            add("num_rows", count(lit(1i64)));
            add("num_values", count(value()));
            add("num_zeros", if number { sum(zeros) } else { min(missing(DataType::Int64)) });
            add("min", min(value()));
            add("max", max(value()));
            add("mean", of_number(avg(value()), DataType::Float64));
            add("stddev", of_number(stddev_pop(value()), DataType::Float64));
            add("median", of_number(approx_median(value()), DataType::Float64));
            add("unique", if number { min(missing(DataType::Int64)) } else { count_distinct(value()) });
            inputs.push(vec![lit(index as i64), lit(field.name().as_str())]);
        }
        if places.is_empty() {
            return self.refuse("INPUT", "no column of the input is a number, BOOLEAN or STRING");
        }
        let aggregates = LogicalPlanBuilder::from(rows.clone())
            .project(columns)?
            .aggregate(Vec::<Expr>::new(), aggregates)?
            .build()?;
        let of = |name: &str, data_type: DataType| of_input(name, places.len(), &data_type);
        beside(aggregates, inputs, &["place", "name"])?
            .project(vec![
                col("name"),
                of("num_rows", DataType::Int64)?,
                of("num_values", DataType::Int64)?,
                of("num_zeros", DataType::Int64)?,
                of("min", DataType::Utf8)?,
                of("max", DataType::Utf8)?,
                of("mean", DataType::Float64)?,
                of("stddev", DataType::Float64)?,
                of("median", DataType::Float64)?,
                of("unique", DataType::Int64)?,
            ])?
            .project(vec![
                col("name"),
                col("num_rows"),
                (col("num_rows") - col("num_values")).alias("num_nulls"),
                col("num_zeros"),
                col("min"),
                col("max"),
                col("mean"),
                col("stddev"),
                col("median"),
                col("unique"),
            ])?
            .build()
    }

    /// The rows of a table argument that is not partitioned.
    fn whole(&mut self, argument: &str) -> Result<LogicalPlan> {
        let (rows, keys) = self.input(argument)?;
        if !keys.is_empty() {
            return self.refuse(
                argument,
                "PARTITION BY is not supported here: for each window or key use the distances as aggregates, such as \
                 ML_JENSEN_SHANNON(in_study, column) with GROUP BY",
            );
        }
        Ok(rows)
    }

    /// The columns to compare: their places in the base and in the study, and what they hold.
    fn common_columns(&self, base: &DFSchema, study: &DFSchema) -> Result<Vec<(usize, usize, Kind)>> {
        let named = self.bound.get("ARGS").map(|_| self.bound.descriptor("ARGS").to_vec());
        let names = named.clone().unwrap_or_else(|| {
            let names = base.fields().iter().map(|field| field.name());
            names.filter(|name| study.has_column_with_unqualified_name(name)).map(Ident::new).collect()
        });
        let mut columns = Vec::new();
        for name in &names {
            let (before, after) = (self.column(base, name)?, self.column(study, name)?);
            let types = [base.field(before).data_type(), study.field(after).data_type()];
            match types.map(Kind::of) {
                [Some(kind), Some(other)] if kind == other => columns.push((before, after, kind)),
                [None, None] if named.is_none() => {}
                _ => {
                    let [before, after] = types.map(crate::types::sql_type);
                    let message = format!(
                        "column '{}' is {before} in BASE and {after} in STUDY: expected numbers in both, or BOOLEAN or STRING in both",
                        name.value
                    );
                    return self.refuse(if named.is_some() { "ARGS" } else { "STUDY" }, message);
                }
            }
        }
        if columns.is_empty() {
            return self.refuse("STUDY", "BASE and STUDY have no column of numbers, BOOLEAN or STRING in common");
        }
        Ok(columns)
    }

    /// The distance that an argument names, of those that take such columns.
    fn distance(&self, argument: &str, default: &str, kind: Kind) -> Result<&'static DistanceDef> {
        let wanted = self.bound.text(argument).map_err(refused)?.unwrap_or(default);
        let takes = |distance: &&&DistanceDef| match kind {
            Kind::Number => distance.of_numbers.is_some(),
            Kind::Category => distance.of_categories.is_some(),
        };
        let known: Vec<&'static DistanceDef> = DISTANCES.iter().filter(takes).copied().collect();
        if let Some(found) = known.iter().find(|distance| distance.name.eq_ignore_ascii_case(wanted)) {
            return Ok(found);
        }
        let names: Vec<&str> = known.iter().map(|distance| distance.name).collect();
        let message =
            format!("no distance of {} is called '{wanted}'; expected one of {}", kind.word(), names.join(", "));
        let span = self.bound.get(argument).map_or(self.span, |argument| argument.span);
        let diagnostic = Diagnostic::new(span, message);
        Err(refused(match tidegate_options::nearest(wanted, names.iter().copied()) {
            Some(near) => diagnostic.with_help(format!("did you mean '{near}'?")),
            None => diagnostic,
        }))
    }

    fn threshold(&self, argument: &str) -> Result<f64> {
        match self.bound.number(argument).map_err(refused)? {
            None => Ok(THRESHOLD),
            Some(threshold) if threshold >= 0.0 => Ok(threshold),
            Some(threshold) => {
                self.refuse(argument, format!("{argument} is {threshold}; expected a number of at least 0"))
            }
        }
    }

    /// The threshold of each column that has one of its own.
    fn thresholds(&self, names: &[&str]) -> Result<Vec<Option<f64>>> {
        let mut thresholds = vec![None; names.len()];
        for (name, value) in self.bound.map("THRESHOLDS") {
            let Some(place) = names.iter().position(|known| known == name) else {
                let hint = match tidegate_options::nearest(name, names.iter().copied()) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => format!("they are: {}", names.join(", ")),
                };
                return self.refuse("THRESHOLDS", format!("no column '{name}' is compared; {hint}"));
            };
            match value.parse::<f64>() {
                Ok(threshold) if threshold >= 0.0 => thresholds[place] = Some(threshold),
                _ => {
                    let message = format!("the threshold of '{name}' is '{value}'; expected a number of at least 0");
                    return self.refuse("THRESHOLDS", message);
                }
            }
        }
        Ok(thresholds)
    }
}
