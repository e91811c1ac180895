//! Typed options, declared once.
//!
//! Everything a user writes as `'name' = 'value'` (`SET`, `WITH (…)` of a table, of a model) is declared in one table of
//! [`OptionDef`]s beside the code that reads it. Checking, defaults, "did you mean", `SHOW OPTIONS` and the reference page
//! all come from that table.
//!
//! ```
//! use tidegate_options::{OptionDef, Kind, resolve};
//!
//! const OPTIONS: &[OptionDef] = &[
//!     OptionDef::new("learning_rate", Kind::Float { min: 0.0, max: f64::INFINITY }, "0.01", "Step size of the optimizer."),
//!     OptionDef::required("path", Kind::Text, "The file to read."),
//! ];
//! let options = resolve(&[OPTIONS], [("path", "a.csv")]).unwrap();
//! assert_eq!(options.float("learning_rate"), 0.01);
//!
//! let wrong = resolve(&[OPTIONS], [("learning_rat", "1"), ("path", "a.csv")]).unwrap_err();
//! assert_eq!(wrong.to_string(), "unknown option 'learning_rat'; did you mean 'learning_rate'?");
//! ```

mod kind;
mod resolved;

pub use kind::{Kind, Value, parse_bytes, parse_duration};
pub use resolved::{OptionError, Options, resolve};

/// One option: its name, what it takes, what it is when not given, and what it does.
#[derive(Debug, Clone, Copy)]
pub struct OptionDef {
    /// The name, as it is written between quotes.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// The value when it is not given, in the form a user would write it. `None`: see `required`.
    pub default: Option<&'static str>,
    /// Whether leaving it out is an error. An option that is neither required nor has a default may be absent.
    pub required: bool,
    /// One sentence: what it does.
    pub doc: &'static str,
}

impl OptionDef {
    /// An option with a default.
    pub const fn new(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Self {
        Self { name, kind, default: Some(default), required: false, doc }
    }

    /// An option that may be left out and then has no value.
    pub const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, default: None, required: false, doc }
    }

    /// An option that must be given.
    pub const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, default: None, required: true, doc }
    }
}

/// The names nearest to `wrong`, for "did you mean": the closest of `names` if it is close enough.
///
/// ```
/// assert_eq!(tidegate_options::nearest("formt", ["format", "path"]), Some("format"));
/// assert_eq!(tidegate_options::nearest("zzz", ["format", "path"]), None);
/// ```
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = wrong.to_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&lower, &name.to_lowercase()), name))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
