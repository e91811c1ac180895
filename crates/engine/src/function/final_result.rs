//! `WINDOW_IS_FINAL(window_end)`: whether the result of a window is its last one, or an early one that others follow.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};

const NAME: &str = "window_is_final";

/// The function.
pub(super) fn function() -> AggregateUDF {
    AggregateUDF::new_from_impl(FinalResult { signature: Signature::any(1, Volatility::Immutable) })
}

/// Whether an aggregate is this function. The operator that gives early results says FALSE with them in its place.
pub(crate) fn is(function: &AggregateUDF) -> bool {
    function.name() == NAME
}

/// TRUE, however a result is taken: that it is an early one, only the operator knows.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FinalResult {
    signature: Signature,
}

impl AggregateUDFImpl for FinalResult {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Always))
    }
}

#[derive(Debug)]
struct Always;

impl Accumulator for Always {
    fn update_batch(&mut self, _values: &[ArrayRef]) -> Result<()> {
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Boolean(Some(true)))
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Boolean(Some(true))])
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        Ok(())
    }
}
