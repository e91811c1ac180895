//! Plots as SVG that needs nothing else: no script, no font, no picture. They are drawn in the page's colours, which `style.css`
//! gives to classes, so that they print as well as they show.

mod bars;
mod frame;
mod lines;
mod scale;

pub(crate) use bars::{Bar, bars};
pub(crate) use lines::{Line, Mark, Plot, lines};
pub(crate) use scale::Axis;

/// A coordinate, in as few digits as show no step.
fn at(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_string)
}
