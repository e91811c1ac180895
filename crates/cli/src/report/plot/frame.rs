//! What plots stand in: a box with ticks, grid lines and titles of its axes.

use maud::{Markup, html};

use super::{Axis, at};

/// Room around the box, in units of the drawing, of which 16 are about a line of text.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;

/// A box that values are drawn in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) x: Axis,
    pub(super) y: Axis,
}

impl Frame {
    pub(super) fn across(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (self.width - LEFT - RIGHT)
    }

    pub(super) fn up(&self, value: f64) -> f64 {
        self.at_height(self.y.place(value))
    }

    /// The place of a share of the height.
    pub(super) fn at_height(&self, share: f64) -> f64 {
        self.height - BOTTOM - share * (self.height - TOP - BOTTOM)
    }

    /// The drawing: the box, and what is drawn in it.
    pub(super) fn around(&self, title: &str, x_title: &str, y_title: &str, inner: &Markup) -> Markup {
        let (left, right) = (LEFT, self.width - RIGHT);
        let (top, bottom) = (TOP, self.height - BOTTOM);
        html! {
            svg viewBox={ "0 0 " (at(self.width)) " " (at(self.height)) } role="img" aria-label=(title) {
                @for (value, label) in self.y.ticks() {
                    line .grid x1=(at(left)) x2=(at(right)) y1=(at(self.up(value))) y2=(at(self.up(value))) {}
                    text .tick x=(at(left - 6.0)) y=(at(self.up(value) + 4.0)) text-anchor="end" { (label) }
                }
                @for (value, label) in self.x.ticks() {
                    line .tickmark x1=(at(self.across(value))) x2=(at(self.across(value))) y1=(at(bottom)) y2=(at(bottom + 4.0)) {}
                    // A label at the edge would be cut there.
                    @let anchor = if self.x.place(value) > 0.94 { "end" } else { "middle" };
                    text .tick x=(at(self.across(value))) y=(at(bottom + 17.0)) text-anchor=(anchor) { (label) }
                }
                line .axis x1=(at(left)) x2=(at(right)) y1=(at(bottom)) y2=(at(bottom)) {}
                text .title x=(at((left + right) / 2.0)) y=(at(self.height - 6.0)) text-anchor="middle" { (x_title) }
                text .title transform={ "translate(14 " (at((top + bottom) / 2.0)) ") rotate(-90)" } text-anchor="middle" { (y_title) }
                (inner)
            }
        }
    }
}
