//! Checks every distance against values of scipy: see `tests/reference/distances.py`, which made both files.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, StringArray};

use super::DISTANCES;
use crate::Expression;
use crate::metric::find;

const ROWS: &str = include_str!("../../../tests/reference/distances_rows.csv");
const VALUES: &str = include_str!("../../../tests/reference/distances_values.csv");

fn fields(line: &'static str) -> [&'static str; 4] {
    line.split(';').collect::<Vec<_>>().try_into().unwrap()
}

fn columns(case: &str) -> [ArrayRef; 2] {
    let rows: Vec<_> = ROWS.lines().skip(1).map(fields).filter(|row| row[0] == case).collect();
    let study: BooleanArray = rows.iter().map(|row| Some(row[2] == "1")).collect();
    let values: ArrayRef = match rows[0][1] {
        "number" => Arc::new(rows.iter().map(|row| row[3].parse::<f64>().ok()).collect::<Float64Array>()),
        _ => Arc::new(rows.iter().map(|row| Some(row[3])).collect::<StringArray>()),
    };
    [Arc::new(study), values]
}

#[test]
fn equals_scipy() {
    let mut checked = 0;
    for [case, name, bins, value] in VALUES.lines().skip(1).map(fields) {
        let parameters: Vec<_> = bins.parse().map(Expression::Number).into_iter().collect();
        let mut distance = (find(name).unwrap().make)(&parameters).unwrap();
        distance.update(&columns(case)).unwrap();
        let (found, expected): (f64, f64) = (distance.value().unwrap(), value.parse().unwrap());
        assert!(
            (found - expected).abs() <= 1e-12 * expected.abs().max(1.0),
            "{case}: {name}({bins}) is {found}; scipy says {expected}"
        );
        checked += 1;
    }
    assert!(checked >= 60, "{checked} values");
    let tested = |name: &str| VALUES.lines().any(|line| line.split(';').nth(1) == Some(name));
    DISTANCES.iter().for_each(|distance| assert!(tested(distance.metric.name), "{} has none", distance.metric.name));
}
