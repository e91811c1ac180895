//! What we predicted, row by row, beside what was true: its quality over the first rows, as many as a peer has done.

use std::fs;
use std::path::Path;

use crate::Result;

/// How wrong each prediction was: 0 or 1 of a class, the absolute error of a number.
pub struct Predictions {
    errors: Vec<f64>,
    of_numbers: bool,
}

impl Predictions {
    /// Reads a header and lines of `true label,prediction`.
    pub fn read(path: &Path, of_numbers: bool) -> Result<Self> {
        let text = fs::read_to_string(path)?;
        let error = |line: &str| -> Result<f64> {
            let (target, predicted) = line.split_once(',').ok_or_else(|| format!("not two columns: {line}"))?;
            if !of_numbers {
                return Ok(f64::from(u8::from(target != predicted)));
            }
            // Before it has learned anything a learner may say nothing: that counts as 0.
            let predicted: f64 = if predicted.is_empty() { 0.0 } else { predicted.parse()? };
            Ok((target.parse::<f64>()? - predicted).abs())
        };
        let errors = text.lines().skip(1).map(error).collect::<Result<_>>()?;
        Ok(Self { errors, of_numbers })
    }

    pub fn rows(&self) -> usize {
        self.errors.len()
    }

    /// The accuracy, or the mean absolute error, of so many first rows.
    pub fn quality_of_first(&self, rows: usize) -> Result<f64> {
        let errors = self.errors.get(..rows).ok_or_else(|| format!("{rows} rows of {}", self.rows()))?;
        let mean = errors.iter().sum::<f64>() / rows.max(1) as f64;
        Ok(if self.of_numbers { mean } else { 1.0 - mean })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rows_have_a_quality_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.csv");
        fs::write(&path, "target,predicted\na,\na,a\nb,a\nb,b\n").unwrap();
        let classes = Predictions::read(&path, false).unwrap();
        assert_eq!(classes.rows(), 4);
        assert_eq!([2, 4].map(|rows| classes.quality_of_first(rows).unwrap()), [0.5, 0.5]);
        assert!(classes.quality_of_first(5).is_err());
        fs::write(&path, "target,predicted\n3,\n4,3\n5,5.5\n").unwrap();
        let numbers = Predictions::read(&path, true).unwrap();
        assert_eq!([2, 3].map(|rows| numbers.quality_of_first(rows).unwrap()), [2.0, 1.5]);
    }
}
