//! Bad records found one by one, though records are decoded many at a time.

use std::ops::Range;

use arrow::array::RecordBatch;

/// Decodes records together and, as long as there are bad ones among them, in halves: a bad record costs some more decoding of
/// its neighbours, and good ones cost nothing. The batches come in the order of the records; `bad` gets the others, each with
/// its reason. If `stop` is set, nothing after the half with the first bad one is looked at.
pub(crate) fn decode(
    records: Range<usize>,
    stop: bool,
    together: &mut dyn FnMut(Range<usize>) -> Result<RecordBatch, String>,
    bad: &mut Vec<(usize, String)>,
) -> Vec<RecordBatch> {
    if records.is_empty() {
        return Vec::new();
    }
    let reason = match together(records.clone()) {
        Ok(batch) => return vec![batch],
        Err(reason) => reason,
    };
    if records.len() == 1 {
        bad.push((records.start, reason));
        return Vec::new();
    }
    let middle = records.start + records.len() / 2;
    let bad_before = bad.len();
    let mut batches = decode(records.start..middle, stop, together, bad);
    if !(stop && bad.len() > bad_before) {
        batches.extend(decode(middle..records.end, stop, together, bad));
    }
    batches
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, ArrayRef, Int64Array};

    use super::*;

    /// Records that are their numbers; the bad ones are refused with whatever is among them.
    fn run(bad_ones: &[i64], stop: bool) -> (Vec<i64>, Vec<(usize, String)>) {
        let mut together = |records: Range<usize>| {
            let numbers: Vec<i64> = records.map(|record| record as i64).collect();
            match numbers.iter().find(|number| bad_ones.contains(number)) {
                Some(number) => Err(format!("{number} is bad")),
                None => {
                    Ok(RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(numbers)) as ArrayRef)]).unwrap())
                }
            }
        };
        let mut bad = Vec::new();
        let batches = decode(0..20, stop, &mut together, &mut bad);
        let values = batches.iter().flat_map(|batch| {
            let column = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
            (0..column.len()).map(|row| column.value(row)).collect::<Vec<_>>()
        });
        (values.collect(), bad)
    }

    #[test]
    fn every_bad_record_is_found_and_no_other_is_lost() {
        for bad_ones in [&[][..], &[0], &[19], &[3, 4, 17], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]] {
            let (good, bad) = run(bad_ones, false);
            assert_eq!(good, (0..20).filter(|number| !bad_ones.contains(number)).collect::<Vec<_>>());
            let expected: Vec<_> =
                bad_ones.iter().map(|number| (*number as usize, format!("{number} is bad"))).collect();
            assert_eq!(bad, expected);
        }
    }

    #[test]
    fn the_first_bad_record_is_enough_to_stop() {
        let (good, bad) = run(&[6, 15], true);
        assert_eq!(good[..6], [0, 1, 2, 3, 4, 5]);
        assert_eq!(bad[0], (6, "6 is bad".to_string()));
        assert_eq!(bad.len(), 1);
    }
}
