//! The metrics of `ml`, for Java: what there is, and pure functions on states that are bytes, so that Java owns nothing of ours.
//!
//! ```text
//!  update(metric, state, rows) ─► state ─┐
//!  update(metric, state, rows) ─► state ─┼─► merge ─► state        value(metric, states) ─► number
//!                                  …     ┘
//! ```

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit};
use tidegate_ml::Expression;
use tidegate_ml::metric::{FADING_METRICS, METRICS, Metric, MetricDef, find};

use crate::batch::{self, Rows};
use crate::exception::Failure;

fn refuse<T>(what: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Contract(what.into()))
}

/// A line a metric: its name, what its columns are, all it takes in words, and what it measures, with tabs between them.
pub(crate) fn describe() -> String {
    let line = |def: &&MetricDef| {
        let columns: Vec<&str> = def.arguments.iter().map(|argument| argument.word()).collect();
        // Whatever a text holds, it is one field of one line.
        let doc = def.doc.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{}\t{}\t{}\t{doc}\n", def.name, columns.join(" "), def.in_words())
    };
    METRICS.iter().chain(FADING_METRICS).map(line).collect()
}

/// A metric with the literals that follow its columns.
pub(crate) struct Call {
    def: &'static MetricDef,
    parameters: Vec<Expression>,
}

impl Call {
    /// Literals are `number:0.5`, `text:macro` and `flag:true`.
    pub(crate) fn new(name: &str, parameters: &[String]) -> Result<Self, Failure> {
        let Some(def) = find(name) else { return refuse(format!("there is no metric '{name}'")) };
        let literal = |given: &String| {
            let read = match given.split_once(':') {
                Some(("number", number)) => number.parse().ok().map(Expression::Number),
                Some(("text", text)) => Some(Expression::Text(text.to_string())),
                Some(("flag", flag)) => flag.parse().ok().map(Expression::Flag),
                _ => None,
            };
            read.map_or_else(|| refuse(format!("{}: '{given}' is no literal", def.name)), Ok)
        };
        Ok(Self { def, parameters: parameters.iter().map(literal).collect::<Result<_, _>>()? })
    }

    /// In which form each column is handed over, for arguments of these types of SQL: `boolean`, `integer`, `text` or `number`.
    /// `arguments` are the columns and the literals that follow them.
    ///
    /// # Errors
    /// When the metric takes no such columns.
    pub(crate) fn forms(&self, arguments: &[String]) -> Result<String, Failure> {
        let types: Vec<DataType> = arguments.iter().map(|argument| data_type(argument)).collect();
        let coerced = self.def.coerce(&types)?;
        let forms = coerced[..self.def.arguments.len()].iter().map(|data_type| match data_type {
            DataType::Boolean => Ok("boolean"),
            DataType::Int64 => Ok("integer"),
            DataType::Utf8 => Ok("text"),
            DataType::Float64 => Ok("number"),
            other => refuse(format!("{}: a batch has no column of {other}", self.def.name)),
        });
        Ok(forms.collect::<Result<Vec<_>, _>>()?.join(" "))
    }

    /// Makes sure that the metric takes the literals.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        Ok((self.def.make)(&self.parameters).map(drop)?)
    }

    /// The state with rows taken in, whose columns have these forms. An empty state is that of no rows.
    pub(crate) fn update(&self, state: &[u8], forms: &str, rows: &Rows<'_>) -> Result<Vec<u8>, Failure> {
        let batch = batch::read(&self.schema(forms)?, rows)?;
        let mut metric = self.all(&[state])?;
        metric.update(batch.columns()).or_else(|error| self.refusal(&error))?;
        Ok(metric.save())
    }

    /// One state of several, which follow each other.
    pub(crate) fn merge(&self, states: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, Failure> {
        Ok(self.all(states)?.save())
    }

    /// The measure of all that the states hold; `None` where it is undefined.
    pub(crate) fn value(&self, states: &[impl AsRef<[u8]>]) -> Result<Option<f64>, Failure> {
        Ok(self.all(states)?.value())
    }

    fn all(&self, states: &[impl AsRef<[u8]>]) -> Result<Box<dyn Metric>, Failure> {
        let mut metric = (self.def.make)(&self.parameters)?;
        for state in states.iter().map(AsRef::as_ref).filter(|state| !state.is_empty()) {
            metric.merge(state).or_else(|error| self.refusal(&error))?;
        }
        Ok(metric)
    }

    fn schema(&self, forms: &str) -> Result<SchemaRef, Failure> {
        let field = |(place, form): (usize, &str)| {
            let data_type = match form {
                "boolean" => DataType::Boolean,
                "integer" => DataType::Int64,
                "text" => DataType::Utf8,
                "number" => DataType::Float64,
                other => return refuse(format!("{}: there is no form '{other}'", self.def.name)),
            };
            let name = self.def.arguments.get(place).map_or("", |argument| argument.word());
            Ok(Field::new(name, data_type, true))
        };
        let fields: Vec<Field> = forms.split(' ').enumerate().map(field).collect::<Result<_, _>>()?;
        Ok(Arc::new(Schema::new(fields)))
    }

    /// What a metric refuses is about the data: it names the function, as everywhere.
    fn refusal<T>(&self, error: &tidegate_ml::Error) -> Result<T, Failure> {
        refuse(format!("{}: {error}", self.def.name))
    }
}

/// A type by the name of its root in Flink. What no metric takes is told in a refusal, so that its details do not matter.
fn data_type(root: &str) -> DataType {
    match root {
        "BOOLEAN" => DataType::Boolean,
        "TINYINT" => DataType::Int8,
        "SMALLINT" => DataType::Int16,
        "INTEGER" => DataType::Int32,
        "BIGINT" => DataType::Int64,
        "FLOAT" => DataType::Float32,
        "DOUBLE" => DataType::Float64,
        "DECIMAL" => DataType::Decimal128(38, 18),
        "CHAR" | "VARCHAR" => DataType::Utf8,
        "NULL" => DataType::Null,
        "DATE" => DataType::Date32,
        "TIME_WITHOUT_TIME_ZONE" => DataType::Time32(TimeUnit::Millisecond),
        "TIMESTAMP_WITHOUT_TIME_ZONE" => DataType::Timestamp(TimeUnit::Millisecond, None),
        "TIMESTAMP_WITH_TIME_ZONE" | "TIMESTAMP_WITH_LOCAL_TIME_ZONE" => {
            DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
        }
        "INTERVAL_YEAR_MONTH" => DataType::Interval(IntervalUnit::YearMonth),
        "INTERVAL_DAY_TIME" => DataType::Interval(IntervalUnit::DayTime),
        "ARRAY" | "MULTISET" | "MAP" => DataType::new_list(DataType::Null, true),
        "ROW" | "STRUCTURED_TYPE" => DataType::Struct(Fields::empty()),
        _ => DataType::Binary,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};

    use super::*;

    fn call(def: &MetricDef) -> Call {
        // Each parameter without a default, by a number that suits all of them.
        let required = def.parameters.split(", ").filter(|known| known.ends_with(" DOUBLE")).count();
        Call::new(def.name, &vec!["number:0.9".to_string(); required]).unwrap()
    }

    fn all() -> impl Iterator<Item = &'static MetricDef> {
        METRICS.iter().chain(FADING_METRICS).copied()
    }

    /// Two columns of some rows for a metric, with NULLs, and their forms.
    fn rows(def: &MetricDef, from: usize, to: usize) -> (RecordBatch, &'static str) {
        let missing = |i: usize, every: usize| i % every == every - 1;
        let flag = |i: usize| (i * 7919) % 13 < 6;
        let number = |i: usize| ((i * 104_729) % 1009) as f64 / 1009.0;
        let flags = BooleanArray::from_iter((from..to).map(|i| (!missing(i, 11)).then(|| flag(i))));
        let numbers = |shift| -> ArrayRef {
            let value = |i: usize| (!missing(i, 7 + shift)).then(|| number(i + shift));
            Arc::new(Float64Array::from_iter((from..to).map(value)))
        };
        let texts = |shift| -> ArrayRef {
            Arc::new(StringArray::from_iter(
                (from..to).map(|i| (!missing(i, 9 + shift)).then_some(["a", "b", "ü"][(i * 31 + shift * i / 5) % 3])),
            ))
        };
        let words: Vec<&str> = def.arguments.iter().map(|argument| argument.word()).collect();
        let (columns, forms): ([ArrayRef; 2], _) = match words[..] {
            ["class", "class" | "cluster"] => ([texts(0), texts(1)], "text text"),
            ["label", "score"] => ([Arc::new(flags), numbers(0)], "boolean number"),
            ["sample", "number" | "value"] => ([Arc::new(flags), numbers(0)], "boolean number"),
            ["sample", "category"] => ([Arc::new(flags), texts(0)], "boolean text"),
            ["number", "number"] => ([numbers(0), numbers(1)], "number number"),
            _ => panic!("{words:?}: rows of such columns are to be added here"),
        };
        (RecordBatch::try_from_iter(["one", "other"].into_iter().zip(columns)).unwrap(), forms)
    }

    fn update(call: &Call, state: &[u8], (batch, forms): &(RecordBatch, &str)) -> Result<Vec<u8>, Failure> {
        let capacity = batch.num_rows();
        let mut memory = vec![0; batch::bytes(batch.num_columns(), capacity).unwrap()];
        let texts = batch::write(batch, &mut memory, capacity)?;
        call.update(state, forms, &Rows { cells: &memory, texts: &texts, capacity, rows: capacity })
    }

    #[test]
    fn pieces_make_the_state_of_the_whole() {
        for def in all() {
            let call = call(def);
            let mut whole = (def.make)(&call.parameters).unwrap();
            whole.update(rows(def, 0, 500).0.columns()).unwrap();
            let expected = whole.value().unwrap();
            // One after the other into one state, and apart and then merged.
            let parts = [(0, 1), (1, 200), (200, 500)].map(|(from, to)| rows(def, from, to));
            let chained = parts.iter().fold(Vec::new(), |state, part| update(&call, &state, part).unwrap());
            let apart = parts.each_ref().map(|part| update(&call, &[], part).unwrap());
            let merged = call.merge(&apart).unwrap();
            for states in [vec![chained], apart.to_vec(), vec![merged], vec![Vec::new(), call.merge(&apart).unwrap()]] {
                let value = call.value(&states).unwrap().unwrap();
                assert!((value - expected).abs() <= 1e-12 * expected.abs(), "{}: {value}, not {expected}", def.name);
            }
        }
    }

    #[test]
    fn no_rows_have_no_value() {
        for def in all() {
            assert_eq!(call(def).value(&[] as &[&[u8]]).unwrap(), None, "{}", def.name);
        }
    }

    #[test]
    fn a_damaged_state_is_refused() {
        for def in all() {
            let call = call(def);
            let state = update(&call, &[], &rows(def, 0, 50)).unwrap();
            let mut flipped = state.clone();
            flipped[state.len() / 2] ^= 0x10;
            for damaged in [&flipped[..], &state[..state.len() - 1], &[7]] {
                let error = call.value(&[damaged]).unwrap_err().to_string();
                assert!(error.starts_with(def.name), "{error}");
                assert!(call.merge(&[damaged]).is_err());
                assert!(update(&call, damaged, &rows(def, 0, 5)).is_err());
            }
        }
        // The state of another metric.
        let (accuracy, error) = (Call::new("ML_ACCURACY", &[]).unwrap(), Call::new("ML_MSE", &[]).unwrap());
        let state = update(&accuracy, &[], &rows(accuracy.def, 0, 5)).unwrap();
        assert!(error.value(&[state]).is_err());
    }

    #[test]
    fn unknown_names_and_literals_are_refused() {
        let refusal = |name: &str, parameters: &[&str]| {
            let parameters: Vec<String> = parameters.iter().map(|text| text.to_string()).collect();
            Call::new(name, &parameters).and_then(|call| call.check()).unwrap_err().to_string()
        };
        assert_eq!(refusal("ML_F0", &[]), "there is no metric 'ML_F0'");
        assert!(refusal("ML_F1", &["text:makro"]).contains("did you mean 'macro'?"));
        assert!(refusal("ML_F1", &["macro"]).contains("'macro' is no literal"));
        assert!(refusal("ML_FADING_F1", &["number:2"]).contains("a number above 0 and up to 1"));
        assert!(refusal("ML_MSE", &["flag:true"]).contains("an argument too many"));
    }

    #[test]
    fn types_become_forms_or_are_refused() {
        let forms = |name, types: &str| {
            let types: Vec<String> = types.split(' ').map(str::to_string).collect();
            Call::new(name, &[]).unwrap().forms(&types).map_err(|failure| failure.to_string())
        };
        assert_eq!(forms("ML_ROC_AUC", "INTEGER DECIMAL").unwrap(), "integer number");
        assert_eq!(forms("ml_f1", "CHAR VARCHAR VARCHAR").unwrap(), "text text");
        assert_eq!(
            forms("ML_ROC_AUC", "VARCHAR DOUBLE").unwrap_err(),
            "ML_ROC_AUC takes (label, score): argument 1 has type Utf8, expected BOOLEAN, or an integer 0 or 1"
        );
        assert!(forms("ML_MSE", "DATE DOUBLE").unwrap_err().contains("argument 1 has type Date32, expected a number"));
        assert!(forms("ML_MSE", "DOUBLE").unwrap_err().ends_with("but was given 1 argument(s)"));
    }

    #[test]
    fn integer_classes_are_read() {
        let call = Call::new("ML_ACCURACY", &[]).unwrap();
        let columns: [ArrayRef; 2] = [vec![Some(1), None, Some(i64::MIN)], vec![Some(1), Some(2), Some(3)]]
            .map(|c| Arc::new(Int64Array::from(c)) as ArrayRef);
        let batch = RecordBatch::try_from_iter(["one", "other"].into_iter().zip(columns)).unwrap();
        let state = update(&call, &[], &(batch, "integer integer")).unwrap();
        assert_eq!(call.value(&[state]).unwrap(), Some(0.5));
    }
}
