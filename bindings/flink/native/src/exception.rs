//! Errors and panics as Java exceptions.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jni::JNIEnv;

/// The class of what is thrown.
const CLASS: &str = "tidegate/flink/TidegateException";

/// Why an entry fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The model refuses.
    #[error(transparent)]
    Model(#[from] tidegate_ml::Error),
    /// The registry does.
    #[error(transparent)]
    Registry(#[from] tidegate_registry::Error),
    /// A table does.
    #[error(transparent)]
    Table(#[from] tidegate_connectors::Error),
    /// Training does.
    #[error(transparent)]
    Training(#[from] tidegate_training::Error),
    /// Arrow does.
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
    /// Java does.
    #[error("Java: {0}")]
    Java(#[from] jni::errors::Error),
    /// What Java handed over is not what was agreed.
    #[error("{0}")]
    Contract(String),
}

/// Runs an entry. If it fails or panics, a Java exception is thrown when it returns, and what it returns is of no matter.
pub(crate) fn guarded<'l, T: Default>(
    env: &mut JNIEnv<'l>,
    body: impl FnOnce(&mut JNIEnv<'l>) -> Result<T, Failure>,
) -> T {
    let message = match catch_unwind(AssertUnwindSafe(|| body(env))) {
        Ok(Ok(value)) => return value,
        Ok(Err(failure)) => failure.to_string(),
        Err(panic) => format!("a bug in Tidegate: {}", said(panic.as_ref())),
    };
    // What Java has thrown already, such as for want of memory, says more.
    if !env.exception_check().unwrap_or(false) {
        let _ = env.throw_new(CLASS, message);
    }
    T::default()
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it does not say which")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_in_its_own_words() {
        let panicked = |body: fn()| said(catch_unwind(body).unwrap_err().as_ref()).to_string();
        assert_eq!(panicked(|| panic!("no row {}", 3)), "no row 3");
        assert_eq!(panicked(|| panic!("plain")), "plain");
        assert_eq!(panicked(|| std::panic::panic_any(7)), "it does not say which");
    }
}
