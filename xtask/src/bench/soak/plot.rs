//! A line over numbers, as an SVG picture.

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 400.0;
/// Space around the lines, for what is written there.
const LEFT: f64 = 80.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 60.0;

pub struct Plot<'a> {
    pub title: &'a str,
    /// What the axes stand for, with units.
    pub across: &'a str,
    pub up: &'a str,
    pub points: Vec<(f64, f64)>,
}

impl Plot<'_> {
    /// Both axes begin at 0.
    pub fn to_svg(&self) -> String {
        let most = |of: fn(&(f64, f64)) -> f64| self.points.iter().map(of).fold(1.0, f64::max);
        let (x_step, x_end) = ticks(most(|point| point.0));
        let (y_step, y_end) = ticks(most(|point| point.1));
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let x = |value: f64| LEFT + value / x_end * (right - LEFT);
        let y = |value: f64| bottom - value / y_end * (bottom - TOP);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
        );
        let mut add = |line: String| {
            svg.push_str(&line);
            svg.push('\n');
        };
        let text = |x: f64, y: f64, anchor: &str, more: &str, text: &str| {
            format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{more}>{}</text>", escaped(text))
        };
        add(text(WIDTH / 2.0, 28.0, "middle", " font-size=\"15\"", self.title));
        for i in 0..=(x_end / x_step).round() as u32 {
            let value = f64::from(i) * x_step;
            add(format!("<path d=\"M{0:.1} {TOP} V{bottom}\" stroke=\"#ddd\"/>", x(value)));
            add(text(x(value), bottom + 18.0, "middle", "", &value.to_string()));
        }
        for i in 0..=(y_end / y_step).round() as u32 {
            let value = f64::from(i) * y_step;
            add(format!("<path d=\"M{LEFT} {0:.1} H{right}\" stroke=\"#ddd\"/>", y(value)));
            add(text(LEFT - 8.0, y(value) + 4.0, "end", "", &value.to_string()));
        }
        add(format!("<path d=\"M{LEFT} {TOP} V{bottom} H{right}\" stroke=\"black\" fill=\"none\"/>"));
        add(text((LEFT + right) / 2.0, HEIGHT - 16.0, "middle", "", self.across));
        let turned = format!(" transform=\"rotate(-90 20 {})\"", (TOP + bottom) / 2.0);
        add(text(20.0, (TOP + bottom) / 2.0, "middle", &turned, self.up));
        let points: Vec<String> = self.points.iter().map(|(a, b)| format!("{:.1},{:.1}", x(*a), y(*b))).collect();
        add(format!("<polyline points=\"{}\" fill=\"none\" stroke=\"#0a6\" stroke-width=\"2\"/>", points.join(" ")));
        svg + "</svg>\n"
    }
}

/// The step of an axis, of 1, 2 or 5 times a power of ten so that there are four to ten steps, and where it ends.
fn ticks(most: f64) -> (f64, f64) {
    let power = 10f64.powf((most / 10.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| most / step <= 10.0);
    let step = step.unwrap_or(10.0 * power);
    (step, (most / step).ceil() * step)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!(
            [1.0, 7.0, 20.0, 30.0, 999.0].map(ticks),
            [(0.1, 1.0), (1.0, 7.0), (2.0, 20.0), (5.0, 30.0), (100.0, 1000.0)]
        );
    }

    #[test]
    fn the_line_goes_from_corner_to_corner() {
        let plot = Plot { title: "a < b", across: "rows", up: "MiB", points: vec![(0.0, 0.0), (20.0, 100.0)] };
        let svg = plot.to_svg();
        assert!(svg.contains("points=\"80.0,340.0 770.0,50.0\""), "{svg}");
        assert!(svg.contains("a &lt; b") && svg.contains(">rows<") && svg.ends_with("</svg>\n"));
    }
}
