//! Functions that the engine adds to DataFusion's.

mod metric;
mod time;

use datafusion::prelude::SessionContext;

/// Registers all of them.
pub(crate) fn register(context: &SessionContext) {
    for function in metric::metric_functions() {
        context.register_udaf(function);
    }
    for function in time::time_functions() {
        context.register_udf(function);
    }
}
