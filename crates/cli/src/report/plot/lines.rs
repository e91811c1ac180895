//! Lines and points over numbers or times.

use maud::{Markup, html};

use super::frame::Frame;
use super::{Axis, at};

/// How a line is drawn. Colours are the style sheet's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The line that the plot is about, with its points.
    Main,
    /// What would be ideal, or pure chance.
    Guide,
    /// Points alone, each with a bar from its low to its high end.
    Points,
}

impl Mark {
    fn class(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Guide => "guide",
            Self::Points => "points",
        }
    }
}

/// Points in the order of their first coordinate.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) mark: Mark,
    /// Across and up. A point that is not finite is left out, and the line is broken there.
    pub(crate) points: Vec<(f64, f64)>,
    /// The low and high ends of the bar of each point; empty for none.
    pub(crate) bars: Vec<(f64, f64)>,
}

impl Line {
    pub(crate) fn new(name: &str, mark: Mark, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.to_string(), mark, points, bars: Vec::new() }
    }
}

/// A plot of lines.
#[derive(Debug, Clone)]
pub(crate) struct Plot<'a> {
    /// What it shows, for those who cannot see it.
    pub(crate) title: &'a str,
    pub(crate) x_title: &'a str,
    pub(crate) y_title: &'a str,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// How many rows each point of the first line stands for; drawn as pale columns from the ground up. Empty for none.
    pub(crate) counts: Vec<(f64, f64)>,
}

/// Draws it.
pub(crate) fn lines(plot: &Plot<'_>, lines: &[Line]) -> Markup {
    let frame = Frame { width: plot.width, height: plot.height, x: plot.x, y: plot.y };
    let most = plot.counts.iter().map(|(_, count)| *count).fold(0.0, f64::max);
    let between = plot
        .counts
        .windows(2)
        .map(|pair| frame.across(pair[1].0) - frame.across(pair[0].0))
        .fold(f64::INFINITY, f64::min);
    let wide = if between.is_finite() { (between * 0.7).clamp(1.0, 40.0) } else { 24.0 };
    let inner = html! {
        @for (x, count) in plot.counts.iter().filter(|_| most > 0.0) {
            // A quarter of the height: they are beside the point.
            @let top = frame.at_height(count / most * 0.25);
            rect .count x=(at(frame.across(*x) - wide / 2.0)) y=(at(top)) width=(at(wide)) height=(at(frame.at_height(0.0) - top)) {}
        }
        @for line in lines {
            g class=(line.mark.class()) {
                @if line.mark != Mark::Points { path d=(path(&frame, &line.points)) fill="none" {} }
                @for ((x, _), (low, high)) in line.points.iter().zip(&line.bars).filter(|((x, _), (low, high))| finite(*x, *low) && high.is_finite()) {
                    line .interval x1=(at(frame.across(*x))) x2=(at(frame.across(*x))) y1=(at(frame.up(*low))) y2=(at(frame.up(*high))) {}
                }
                @if has_points(line) {
                    @for (x, y) in line.points.iter().filter(|(x, y)| finite(*x, *y)) {
                        circle cx=(at(frame.across(*x))) cy=(at(frame.up(*y))) r="2.8" {}
                    }
                }
            }
        }
        @if lines.len() > 1 {
            @for (i, line) in lines.iter().enumerate() {
                @let y = frame.at_height(0.0) - 14.0 - 16.0 * (lines.len() - 1 - i) as f64;
                g class=(line.mark.class()) {
                    line .key x1=(at(plot.width - 150.0)) x2=(at(plot.width - 130.0)) y1=(at(y)) y2=(at(y)) {}
                    text .tick x=(at(plot.width - 124.0)) y=(at(y + 4.0)) { (line.name) }
                }
            }
        }
    };
    frame.around(plot.title, plot.x_title, plot.y_title, &inner)
}

/// Points are drawn while each can be told from the next.
fn has_points(line: &Line) -> bool {
    line.mark == Mark::Points || (line.mark == Mark::Main && line.points.len() <= 60)
}

fn finite(x: f64, y: f64) -> bool {
    x.is_finite() && y.is_finite()
}

fn path(frame: &Frame, points: &[(f64, f64)]) -> String {
    let mut text = String::new();
    let mut drawing = false;
    for (x, y) in points {
        if finite(*x, *y) {
            text += &format!("{}{} {}", if drawing { "L" } else { "M" }, at(frame.across(*x)), at(frame.up(*y)));
        }
        drawing = finite(*x, *y);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: Vec<(f64, f64)>) -> String {
        let (x, y) = (Axis::unit(), Axis::unit());
        let plot = Plot {
            title: "t",
            x_title: "x",
            y_title: "y",
            x,
            y,
            width: 172.0,
            height: 156.0,
            counts: vec![(0.5, 3.0)],
        };
        lines(&plot, &[Line::new("<b>", Mark::Main, points)]).into_string()
    }

    #[test]
    fn a_line_goes_from_corner_to_corner() {
        // The box is 100 by 100, at 56, 12.
        assert!(drawn(vec![(0.0, 0.0), (1.0, 1.0)]).contains("d=\"M56 112L156 12\""));
    }

    #[test]
    fn a_line_is_broken_where_there_is_no_value() {
        let svg = drawn(vec![(0.0, 0.0), (0.5, f64::NAN), (1.0, 1.0)]);
        assert!(svg.contains("d=\"M56 112M156 12\""), "{svg}");
        assert!(!svg.contains("NaN"));
    }
}
