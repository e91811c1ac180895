//! Where reading begins and ends.

use std::collections::BTreeMap;

use tidegate_options::Options;

use super::properties::Properties;
use crate::{Error, Result};

/// Where reading begins without a checkpoint, or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bound {
    Earliest,
    Latest,
    /// Where the consumer group is; if it is nowhere, at the start or the end if the user said so.
    Group {
        reset: Option<String>,
    },
    /// At the first message of this time or a later one.
    Timestamp(i64),
    /// By partition.
    Offsets(BTreeMap<i32, i64>),
}

/// Where reading begins; `None` where nothing was said and there is no consumer group, see [`no_start`].
pub(super) fn start(table: &str, options: &Options, properties: &Properties, topics: usize) -> Result<Option<Bound>> {
    if !options.is_given("scan.startup.mode") && properties.group.is_none() {
        return Ok(None);
    }
    bound(table, options, properties, topics, "scan.startup")
}

/// The error about a table that does not say where reading begins.
pub(super) fn no_start(table: &str) -> Error {
    let message = "where does reading begin? Set 'scan.startup.mode' to 'earliest-offset' or 'latest-offset', or \
                   'properties.group.id' to begin where that consumer group is";
    Error::declaration(table, Some("properties.bootstrap.servers"), message)
}

/// Where reading ends, if it does.
pub(super) fn stop(table: &str, options: &Options, properties: &Properties, topics: usize) -> Result<Option<Bound>> {
    bound(table, options, properties, topics, "scan.bounded")
}

fn bound(table: &str, options: &Options, properties: &Properties, topics: usize, which: &str) -> Result<Option<Bound>> {
    let name = |rest: &str| format!("{which}.{rest}");
    let (mode_name, time_name, offsets_name) = (name("mode"), name("timestamp-millis"), name("specific-offsets"));
    let mode = options.text(&mode_name);
    let missing = |name: &str| {
        let message = format!("'{mode_name}' = '{mode}' needs '{name}'");
        Error::declaration(table, Some(&mode_name), message)
    };
    for (name, of) in [(&time_name, "timestamp"), (&offsets_name, "specific-offsets")] {
        if options.is_given(name) && mode != of {
            let message = format!("'{name}' has a meaning only with '{mode_name}' = '{of}', which is '{mode}'");
            return Err(Error::declaration(table, Some(name), message));
        }
    }
    Ok(Some(match mode {
        "unbounded" => return Ok(None),
        "earliest-offset" => Bound::Earliest,
        "latest-offset" => Bound::Latest,
        "timestamp" => Bound::Timestamp(options.int_opt(&time_name).ok_or_else(|| missing(&time_name))?),
        "specific-offsets" => {
            let text = options.text_opt(&offsets_name).ok_or_else(|| missing(&offsets_name))?;
            if topics > 1 {
                let message = format!("'{mode_name}' = 'specific-offsets' is for one topic, and there are {topics}");
                return Err(Error::declaration(table, Some(&mode_name), message));
            }
            let offsets = parse_offsets(text).ok_or_else(|| {
                let message =
                    format!("option '{offsets_name}': '{text}' is not of the form 'partition:0,offset:42;partition:1,offset:300'");
                Error::declaration(table, Some(&offsets_name), message)
            })?;
            Bound::Offsets(offsets)
        }
        _ if properties.group.is_none() => {
            let message = format!("'{mode_name}' = 'group-offsets' needs 'properties.group.id'");
            return Err(Error::declaration(table, Some(&mode_name), message));
        }
        _ => Bound::Group { reset: properties.offset_reset.clone() },
    }))
}

/// Reads `partition:0,offset:42;partition:1,offset:300`.
fn parse_offsets(text: &str) -> Option<BTreeMap<i32, i64>> {
    let mut offsets = BTreeMap::new();
    for one in text.split(';').map(str::trim).filter(|one| !one.is_empty()) {
        let (partition, offset) = one.split_once(',')?;
        let partition: i32 = partition.trim().strip_prefix("partition:")?.trim().parse().ok()?;
        let offset: i64 = offset.trim().strip_prefix("offset:")?.trim().parse().ok()?;
        if partition < 0 || offset < 0 || offsets.insert(partition, offset).is_some() {
            return None;
        }
    }
    (!offsets.is_empty()).then_some(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_as_flink_writes_them() {
        let read = |text: &str| parse_offsets(text).map(|offsets| offsets.into_iter().collect::<Vec<_>>());
        assert_eq!(read("partition:0,offset:42;partition:1,offset:300"), Some(vec![(0, 42), (1, 300)]));
        assert_eq!(read(" partition: 2 , offset: 7 ; "), Some(vec![(2, 7)]));
        for wrong in ["", "0:42", "partition:0", "partition:0,offset:-1", "partition:0,offset:1;partition:0,offset:2"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
