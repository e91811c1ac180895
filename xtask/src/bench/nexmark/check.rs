//! Whether both systems give the same results.

use std::fs;
use std::path::Path;

use super::flink::{self, Flink};
use super::{Place, QUERIES, Work};
use crate::Result;
use crate::bench::measurement::OURS;

/// Runs a query in both, and fails if their results are not the same rows, in any order.
pub fn compare(place: &Place, tidegate: &Path, flink: &Flink, query: &'static str, events: u64) -> Result<()> {
    debug_assert!(QUERIES.contains(&query));
    let work = |system: &str| Work {
        query,
        events,
        parallelism: 1,
        results: Some(place.folder.join(format!("results-{system}"))),
    };
    let (ours, theirs) = (work(OURS), work(flink::NAME));
    place.ours(tidegate, &ours)?;
    flink.run(place, &theirs)?;
    let (ours, theirs) = (sorted(ours.results.as_deref())?, sorted(theirs.results.as_deref())?);
    if ours != theirs {
        let ours_only = ours.iter().find(|row| theirs.binary_search(row).is_err());
        let theirs_only = theirs.iter().find(|row| ours.binary_search(row).is_err());
        return Err(format!(
            "{query} over {events} events: {} results in {OURS} and {} in {}; only in the first: {ours_only:?}, only in the second: {theirs_only:?}",
            ours.len(), theirs.len(), flink::NAME
        )
        .into());
    }
    eprintln!("{query}: the same {} results of {events} events", ours.len());
    Ok(())
}

/// The lines of a folder's files.
fn sorted(folder: Option<&Path>) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for file in fs::read_dir(folder.ok_or("results were not written")?)? {
        let path = file?.path();
        if path.is_file() {
            lines.extend(fs::read_to_string(path)?.lines().map(in_common_form));
        }
    }
    lines.sort_unstable();
    Ok(lines)
}

/// A time with the parts of a second that are zero left out, as one of the systems writes it.
fn in_common_form(line: &str) -> String {
    let field = |field: &str| match field.as_bytes() {
        [_, _, _, _, b'-', _, _, b'-', _, _, b' ', time @ ..] if time.get(2) == Some(&b':') => {
            let (date, time) = field.split_at(11);
            let time = if time.len() == 5 { format!("{time}:00") } else { time.to_owned() };
            let time = if time.contains('.') { time.trim_end_matches('0').trim_end_matches('.') } else { &time };
            format!("{date}{time}")
        }
        _ => field.to_owned(),
    };
    line.split(',').map(field).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::in_common_form;

    #[test]
    fn times_are_written_in_one_way() {
        for time in ["2015-07-15 00:00:09.280", "2015-07-15 00:00:09.28"] {
            assert_eq!(in_common_form(&format!("1,{time},x")), "1,2015-07-15 00:00:09.28,x");
        }
        for time in ["2015-07-15 00:10:00.000", "2015-07-15 00:10", "2015-07-15 00:10:00"] {
            assert_eq!(in_common_form(time), "2015-07-15 00:10:00");
        }
        assert_eq!(in_common_form("1000,2.300,abc"), "1000,2.300,abc");
    }
}
