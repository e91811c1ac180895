//! Colour and weight of text, or none.

use std::fmt::{self, Display};

/// Whether text may carry ANSI styles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Paint {
    /// Off when the output is no terminal or the user wants none.
    pub(crate) enabled: bool,
}

/// A text with a style around it.
pub(crate) struct Painted<T> {
    text: T,
    codes: Option<&'static str>,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.codes {
            Some(codes) => {
                write!(f, "\x1b[{codes}m")?;
                self.text.fmt(f)?;
                f.write_str("\x1b[0m")
            }
            None => self.text.fmt(f),
        }
    }
}

impl Paint {
    fn with<T>(self, codes: &'static str, text: T) -> Painted<T> {
        Painted { text, codes: self.enabled.then_some(codes) }
    }

    pub(crate) fn dim<T>(self, text: T) -> Painted<T> {
        self.with("2", text)
    }

    pub(crate) fn bold<T>(self, text: T) -> Painted<T> {
        self.with("1", text)
    }

    pub(crate) fn red<T>(self, text: T) -> Painted<T> {
        self.with("1;31", text)
    }

    pub(crate) fn green<T>(self, text: T) -> Painted<T> {
        self.with("32", text)
    }

    pub(crate) fn yellow<T>(self, text: T) -> Painted<T> {
        self.with("1;33", text)
    }

    pub(crate) fn cyan<T>(self, text: T) -> Painted<T> {
        self.with("36", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paints_only_when_enabled() {
        assert_eq!(Paint { enabled: true }.dim("NULL").to_string(), "\x1b[2mNULL\x1b[0m");
        assert_eq!(Paint { enabled: false }.dim("NULL").to_string(), "NULL");
        assert_eq!(format!("[{:>6}]", Paint { enabled: true }.dim("NULL")), "[\x1b[2m  NULL\x1b[0m]");
    }
}
