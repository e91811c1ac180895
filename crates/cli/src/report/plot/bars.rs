//! Bars that lie, each with its name before it and its value behind.

use maud::{Markup, html};

use super::at;

const WIDTH: f64 = 720.0;
const NAMES: f64 = 190.0;
const VALUES: f64 = 90.0;
const ROW: f64 = 22.0;
/// Names that are longer are cut.
const NAME_CHARS_MAX: usize = 25;

/// A bar.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
    /// How far the value may be off, either way.
    pub(crate) spread: Option<f64>,
    /// The value in words.
    pub(crate) label: String,
    /// Whether it is to be seen first.
    pub(crate) loud: bool,
}

/// Draws bars from nought on, to the left for what is below it; at `mark` there is a line across all of them.
pub(crate) fn bars(title: &str, bars: &[Bar], mark: Option<f64>) -> Markup {
    let ends = |bar: &Bar| {
        let spread = bar.spread.filter(|spread| spread.is_finite()).unwrap_or(0.0);
        [bar.value - spread, bar.value + spread]
    };
    let values = || bars.iter().filter(|bar| bar.value.is_finite()).flat_map(ends).chain(mark);
    let (low, high) = (values().fold(0.0, f64::min), values().fold(0.0, f64::max));
    let wide = if high > low { high - low } else { 1.0 };
    let across = |value: f64| NAMES + 8.0 + (value - low) / wide * (WIDTH - NAMES - VALUES - 16.0);
    let height = ROW * bars.len() as f64 + 8.0;
    html! {
        svg viewBox={ "0 0 " (at(WIDTH)) " " (at(height)) } role="img" aria-label=(title) {
            @for (i, bar) in bars.iter().enumerate() {
                @let middle = ROW * (i as f64 + 0.5) + 4.0;
                text .name x=(at(NAMES)) y=(at(middle + 4.0)) text-anchor="end" { title { (bar.name) } (cut(&bar.name)) }
                @if bar.value.is_finite() {
                    @let (from, to) = (across(bar.value.min(0.0)), across(bar.value.max(0.0)));
                    rect class=(if bar.loud { "bar loud" } else { "bar" }) x=(at(from)) y=(at(middle - 7.0)) width=(at((to - from).max(0.5))) height="14" {}
                    @if let Some(spread) = bar.spread.filter(|spread| spread.is_finite()) {
                        line .interval x1=(at(across(bar.value - spread))) x2=(at(across(bar.value + spread))) y1=(at(middle)) y2=(at(middle)) {}
                    }
                }
                text .tick x=(at(WIDTH)) y=(at(middle + 4.0)) text-anchor="end" { (bar.label) }
            }
            line .axis x1=(at(across(0.0))) x2=(at(across(0.0))) y1="0" y2=(at(height)) {}
            @if let Some(mark) = mark {
                line .mark x1=(at(across(mark))) x2=(at(across(mark))) y1="0" y2=(at(height)) {}
            }
        }
    }
}

fn cut(name: &str) -> String {
    if name.chars().count() <= NAME_CHARS_MAX {
        return name.to_string();
    }
    name.chars().take(NAME_CHARS_MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_begin_at_nought_and_names_are_escaped() {
        let bar =
            |name: &str, value| Bar { name: name.to_string(), value, spread: None, label: String::new(), loud: false };
        let svg = bars("t", &[bar("<script>", 2.0), bar("b", -2.0), bar("c", f64::NAN)], None).into_string();
        // The bars have 424 for -2 to 2, from 198 on: nought is at 410.
        assert!(
            svg.contains("x=\"410\" y=\"8\" width=\"212\"") && svg.contains("x=\"198\" y=\"30\" width=\"212\""),
            "{svg}"
        );
        assert!(svg.contains("&lt;script&gt;") && !svg.contains("<script>"));
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(cut(&"x".repeat(40)).chars().count(), NAME_CHARS_MAX);
        assert_eq!(cut("short"), "short");
    }
}
