//! What a user who got something wrong is told, and the exit code: by the binary, as a user runs it.

mod flink;
mod interrupted;
mod names;
mod parameters;
mod records;
mod scripts;
mod storage;
mod streams;
mod windows;

/// A model over two numbers.
const MODEL: &str = "CREATE MODEL m INPUT (x DOUBLE, y DOUBLE) OUTPUT (predicted BOOLEAN, p DOUBLE)
WITH ('provider' = 'tidegate', 'task' = 'classification', 'algorithm' = 'logistic_regression', 'learning_rate' = '0.1');\n";
