//! How much memory the state of a job's operators may take.
//!
//! Measuring a state looks at all of it, so it is not done in every round: only when the rows that came to operators with a
//! state since the last time could have used up half of what was left. Far from the limit that is seldom, near it often.

use crate::{Error, Result};

/// The most that state grows by, in bytes, for each byte of rows that comes to an operator.
const GROWTH_MAX: u64 = 4;

/// Operators that an error names at the most.
const NAMED_MAX: usize = 3;

/// The memory of a job's state.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    bytes_max: u64,
    /// What was left of it when it was measured.
    left: u64,
    /// Bytes of the rows that came to operators with a state since then.
    taken: u64,
}

impl Memory {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, left: 0, taken: 0 }
    }

    /// Notes rows that came to an operator with a state.
    pub(crate) fn taken(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(bytes as u64);
    }

    /// Whether the state may have grown to its limit.
    pub(crate) fn is_due(&self) -> bool {
        self.taken > 0 && self.taken.saturating_mul(GROWTH_MAX) >= self.left / 2
    }

    /// Takes in what each operator holds.
    ///
    /// # Errors
    /// They hold too much together.
    pub(crate) fn measured(&mut self, mut held: Vec<(String, u64)>) -> Result<()> {
        let bytes: u64 = held.iter().map(|(_, bytes)| bytes).sum();
        (self.left, self.taken) = (self.bytes_max.saturating_sub(bytes), 0);
        if bytes <= self.bytes_max {
            return Ok(());
        }
        held.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        let named = held.iter().filter(|(_, bytes)| *bytes > 0).take(NAMED_MAX);
        let named: Vec<String> = named.map(|(name, bytes)| format!("{name} {}", in_words(*bytes))).collect();
        Err(Error::Limit(format!(
            "the state of the job has grown to {}, more than 'execution.memory-limit' ({}): {}; raise the limit, take shorter \
             windows, intervals or frames, or let keys be forgotten with 'table.exec.state.ttl'",
            in_words(bytes),
            in_words(self.bytes_max),
            named.join(", ")
        )))
    }
}

/// An amount of memory: `812 bytes`, `1.5 mb`, as settings have it.
fn in_words(bytes: u64) -> String {
    let unit = [("gb", 30), ("mb", 20), ("kb", 10)].into_iter().find(|(_, bits)| bytes >> bits > 0);
    match unit {
        Some((unit, bits)) => format!("{:.1} {unit}", bytes as f64 / f64::from(1 << bits)),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_measured_the_more_often_the_nearer_it_comes_to_the_limit() {
        let mut memory = Memory::new(8000);
        assert!(!memory.is_due(), "nothing has come");
        memory.taken(1);
        assert!(memory.is_due(), "it was never measured");
        memory.measured(vec![("OVER".into(), 0)]).unwrap();
        memory.taken(999);
        assert!(!memory.is_due());
        memory.taken(1);
        assert!(memory.is_due());
        memory.measured(vec![("OVER".into(), 7200)]).unwrap();
        memory.taken(100);
        assert!(memory.is_due());
    }

    #[test]
    fn the_error_names_the_largest() {
        let mut memory = Memory::new(1 << 20);
        let held = [("DISTINCT", 1000), ("OVER", 700_000), ("interval join", 900_000), ("lookup join", 0)];
        let error = memory.measured(held.map(|(name, bytes)| (name.to_string(), bytes)).to_vec()).unwrap_err();
        let said = error.to_string();
        assert!(
            said.starts_with("the state of the job has grown to 1.5 mb, more than 'execution.memory-limit' (1.0 mb): "),
            "{said}"
        );
        assert!(said.contains("interval join 878.9 kb, OVER 683.6 kb, DISTINCT 1000 bytes;"), "{said}");
        assert_eq!(error.exit_code(), 6);
    }
}
