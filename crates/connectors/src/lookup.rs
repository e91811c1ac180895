//! What a lookup join keeps of a table, and when it reads the table again: Flink's options of lookup tables.

use std::time::Duration;

use tidegate_options::{Kind, OptionDef, Options};

/// The options of a table that can be looked up.
pub(crate) const OPTIONS: &[OptionDef] = &[
    OptionDef::new(
        "lookup.cache",
        Kind::Choice(&["full"]),
        "full",
        "What a lookup join keeps of the table: all of it.",
    ),
    OptionDef::new(
        "lookup.full-cache.reload-strategy",
        Kind::Choice(&["periodic"]),
        "periodic",
        "When a lookup join reads the table again.",
    ),
    OptionDef::optional(
        "lookup.full-cache.periodic-reload.interval",
        Kind::Duration,
        "How often a lookup join reads the table again, in jobs without an end. If not set, it is read when the job begins or is \
         resumed.",
    ),
    OptionDef::new(
        "lookup.full-cache.periodic-reload.schedule-mode",
        Kind::Choice(&["fixed_delay", "fixed_rate"]),
        "fixed_delay",
        "Whether the interval is from the end of one reading to the start of the next, or from start to start.",
    ),
];

/// A table is not read again more often than this.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

/// When a lookup join reads its table again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reload {
    /// From one reading to the next.
    pub every: Duration,
    /// Whether that is counted from the end of a reading; else from its start.
    pub from_end: bool,
}

impl Reload {
    /// What the options of a table say; `None`: it is read once.
    pub(crate) fn of(options: &Options) -> Option<Self> {
        let every = options.duration("lookup.full-cache.periodic-reload.interval")?.max(INTERVAL_MIN);
        let from_end = options.text("lookup.full-cache.periodic-reload.schedule-mode") == "fixed_delay";
        Some(Self { every, from_end })
    }
}
