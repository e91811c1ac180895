//! Features made in a query, row by row, from statistics that the query gives: Confluent's preprocessing functions.
//!
//! ```text
//! ML_MIN_MAX_SCALER(value, min, max)        statistics: numbers, literals or columns
//! ML_LABEL_ENCODER(value, ARRAY['a', 'b'])  what there is to be found: a constant array
//! ```
//! They remember nothing, so they may stand in any query, over a stream as well as over a bounded table. Statistics that make no
//! sense are refused when the query is planned, where they are literals; otherwise at the row that has them. The functions of
//! the same names in a model's `TRANSFORM` clause are [`tidegate_ml::transform`]'s.

use std::hash::{Hash, Hasher};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, new_null_array};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

mod encoders;
mod ngrams;
mod scalers;

/// All of them, by their SQL name.
static FEATURES: &[&FeatureDef] = &[
    &encoders::BUCKETIZE,
    &encoders::LABEL_ENCODER,
    &encoders::ONE_HOT_ENCODER,
    &ngrams::NGRAMS,
    &scalers::MAX_ABS_SCALER,
    &scalers::MIN_MAX_SCALER,
    &scalers::NORMALIZER,
    &scalers::ROBUST_SCALER,
    &scalers::STANDARD_SCALER,
];

/// The declaration of a function.
#[derive(Debug)]
struct FeatureDef {
    name: &'static str,
    /// Its arguments, for messages.
    arguments: &'static [&'static str],
    /// How many of them must be there.
    required: usize,
    /// The types that arguments of these types are cast to; as many as are given.
    types: fn(&FeatureDef, &[DataType]) -> Result<Vec<DataType>>,
    /// The type of the result.
    result: fn() -> DataType,
    /// The result for arguments that have been cast.
    compute: fn(&Given<'_>) -> Result<ArrayRef>,
}

/// The arguments of a call, for some rows.
struct Given<'a> {
    def: &'static FeatureDef,
    arguments: &'a [ColumnarValue],
    rows: usize,
    /// Whether only what is the same for all rows is to be looked at; the value is NULL.
    is_probe: bool,
}

/// An argument that is one for all rows, or one a row.
enum Each<A, V> {
    All(V),
    Rows(A),
}

impl Each<Float64Array, Option<f64>> {
    #[inline]
    fn at(&self, row: usize) -> Option<f64> {
        match self {
            Self::All(value) => *value,
            Self::Rows(values) => (!values.is_null(row)).then(|| values.value(row)),
        }
    }
}

impl Each<BooleanArray, Option<bool>> {
    #[inline]
    fn at(&self, row: usize) -> Option<bool> {
        match self {
            Self::All(value) => *value,
            Self::Rows(values) => (!values.is_null(row)).then(|| values.value(row)),
        }
    }
}

impl Given<'_> {
    /// Whether this argument is there.
    fn has(&self, argument: usize) -> bool {
        argument < self.arguments.len()
    }

    fn array(&self, argument: usize) -> Result<ArrayRef> {
        self.arguments[argument].to_array(self.rows)
    }

    /// A number, or one a row.
    fn numbers(&self, argument: usize) -> Result<Each<Float64Array, Option<f64>>> {
        Ok(match &self.arguments[argument] {
            ColumnarValue::Scalar(ScalarValue::Float64(value)) => Each::All(*value),
            _ => Each::Rows(self.array(argument)?.as_primitive::<Float64Type>().clone()),
        })
    }

    /// A flag, or one a row; `default` where it is not given.
    fn flags(&self, argument: usize, default: bool) -> Result<Each<BooleanArray, Option<bool>>> {
        Ok(match self.arguments.get(argument) {
            None => Each::All(Some(default)),
            Some(ColumnarValue::Scalar(ScalarValue::Boolean(value))) => Each::All(*value),
            Some(_) => Each::Rows(self.array(argument)?.as_boolean().clone()),
        })
    }

    /// The value of an argument that must be one for all rows.
    fn constant(&self, argument: usize) -> Result<&ScalarValue> {
        match &self.arguments[argument] {
            ColumnarValue::Scalar(value) => Ok(value),
            ColumnarValue::Array(_) => self.refuse(argument, "a column", "a constant"),
        }
    }

    /// The elements of an argument that must be a constant array.
    fn constant_list(&self, argument: usize) -> Result<ArrayRef> {
        match self.constant(argument)? {
            ScalarValue::List(list) if !list.is_null(0) => Ok(list.value(0)),
            _ => self.refuse(argument, "NULL", "a constant array"),
        }
    }

    /// A flag that must be one for all rows.
    fn constant_flag(&self, argument: usize, default: bool) -> Result<bool> {
        if !self.has(argument) {
            return Ok(default);
        }
        match self.constant(argument)? {
            ScalarValue::Boolean(Some(value)) => Ok(*value),
            _ => self.refuse(argument, "NULL", "TRUE or FALSE"),
        }
    }

    /// An error about an argument.
    fn refuse<T>(&self, argument: usize, found: impl std::fmt::Display, expected: &str) -> Result<T> {
        plan_err!("{}: {} is {found}; expected {expected}", self.def.name, self.def.arguments[argument])
    }
}

/// A number in an error.
fn shown(number: Option<f64>) -> String {
    number.map_or_else(|| "NULL".to_string(), |number| number.to_string())
}

/// As DataFusion wants a function.
#[derive(Debug)]
struct FeatureFunction {
    def: &'static FeatureDef,
    /// Its name as plans have it.
    name: String,
    signature: Signature,
}

impl PartialEq for FeatureFunction {
    fn eq(&self, other: &Self) -> bool {
        self.def.name == other.def.name
    }
}

impl Eq for FeatureFunction {}

impl Hash for FeatureFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.def.name.hash(state);
    }
}

impl ScalarUDFImpl for FeatureFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok((self.def.result)())
    }

    /// Statistics that are literals are looked at here, before anything runs.
    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let given: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let types = self.coerce_types(&given)?;
        let literals: Option<Vec<&ScalarValue>> = args.scalar_arguments.iter().skip(1).copied().collect();
        if let Some(literals) = literals {
            let value = ColumnarValue::Array(new_null_array(&types[0], 1));
            let mut arguments = vec![value];
            for (literal, to) in literals.iter().zip(&types[1..]) {
                arguments.push(ColumnarValue::Scalar(literal.cast_to(to)?));
            }
            (self.def.compute)(&Given { def: self.def, arguments: &arguments, rows: 1, is_probe: true })?;
        }
        Ok(Field::new(self.name(), (self.def.result)(), true).into())
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let FeatureDef { name, arguments, required, types, .. } = self.def;
        if !(*required..=arguments.len()).contains(&given.len()) {
            let optional = if arguments.len() > *required {
                format!(" [, {}]", arguments[*required..].join(" [, ")) + &"]".repeat(arguments.len() - required - 1)
            } else {
                String::new()
            };
            return plan_err!(
                "{name} was given {} arguments; expected {name}({}{optional})",
                given.len(),
                arguments[..*required].join(", ")
            );
        }
        types(self.def, given)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let result = (self.def.compute)(&Given { def: self.def, arguments: &args.args, rows, is_probe: false })?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// The type of an array with elements of this type.
fn list_of(element: DataType) -> DataType {
    DataType::List(Field::new_list_field(element, true).into())
}

/// The functions, to be registered.
pub(crate) fn feature_functions() -> impl Iterator<Item = ScalarUDF> {
    FEATURES.iter().copied().map(|def| {
        let signature = Signature::user_defined(Volatility::Immutable);
        ScalarUDF::new_from_impl(FeatureFunction { def, name: def.name.to_lowercase(), signature })
    })
}

/// The SQL name of the function that plans have by this name, if it is one of these.
pub(crate) fn feature_name(plan_name: &str) -> Option<&'static str> {
    FEATURES.iter().find(|def| def.name.eq_ignore_ascii_case(plan_name)).map(|def| def.name)
}
