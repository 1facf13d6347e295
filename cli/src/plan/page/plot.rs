//! A plot as inline SVG: lines over an axis, with their names beside them. Colours come from the page's style sheet, so that it is
//! readable in light and dark.

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 90.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;

/// A line of a plot.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Lines over an axis.
#[derive(Debug)]
pub(crate) struct Plot {
    /// What it shows, for who cannot see it.
    pub(crate) about: String,
    pub(crate) lines: Vec<Line>,
    /// Whether the axis below is logarithmic.
    pub(crate) is_log: bool,
    /// Positions on the axis below, with their texts.
    pub(crate) ticks: Vec<(f64, String)>,
    /// The most on the axis at the side, and how its figures are written.
    pub(crate) top: f64,
    pub(crate) figure: fn(f64) -> String,
}

impl Plot {
    /// The SVG.
    pub(crate) fn svg(&self) -> String {
        let about = escape(&self.about);
        let mut out = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{about}\"><title>{about}</title>"
        );
        for step in 0..=4 {
            let value = self.top * f64::from(step) / 4.0;
            let y = self.y(value);
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"tick\" text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                escape(&(self.figure)(value))
            );
        }
        for (x, text) in &self.ticks {
            let _ = write!(
                out,
                "<text class=\"tick\" text-anchor=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                self.x(*x),
                HEIGHT - 12.0,
                escape(text)
            );
        }
        for (number, line) in self.lines.iter().enumerate() {
            let mut path = String::new();
            for (x, y) in &line.points {
                let command = if path.is_empty() { 'M' } else { 'L' };
                let _ = write!(path, "{command}{:.1} {:.1}", self.x(*x), self.y(*y));
            }
            let _ = write!(
                out,
                "<path class=\"line c{}\" d=\"{path}\"><title>{}</title></path>",
                number % 8,
                escape(&line.name)
            );
        }
        for (number, y) in self.label_places() {
            let _ = write!(
                out,
                "<text class=\"name c{}\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
                number % 8,
                WIDTH - RIGHT + 8.0,
                escape(&self.lines[number].name)
            );
        }
        out.push_str("</svg>");
        out
    }

    /// Where the names stand: at the ends of their lines, and not on each other.
    fn label_places(&self) -> Vec<(usize, f64)> {
        let end = |line: &Line| line.points.last().map_or(HEIGHT - BOTTOM, |(_, y)| self.y(*y) + 4.0);
        let mut places: Vec<(usize, f64)> = self.lines.iter().map(end).enumerate().collect();
        places.sort_by(|a, b| a.1.total_cmp(&b.1));
        for at in 1..places.len() {
            places[at].1 = places[at].1.max(places[at - 1].1 + 14.0);
        }
        // What was pushed beyond the bottom goes back up.
        let mut bottom = HEIGHT - 4.0;
        for place in places.iter_mut().rev() {
            place.1 = place.1.min(bottom);
            bottom = place.1 - 14.0;
        }
        places
    }

    fn x(&self, x: f64) -> f64 {
        let scale = |x: f64| if self.is_log { x.max(f64::MIN_POSITIVE).ln() } else { x };
        let all = || self.lines.iter().flat_map(|line| &line.points).map(|(x, _)| scale(*x));
        let (least, most) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        let share = if most > least { (scale(x) - least) / (most - least) } else { 0.5 };
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, y: f64) -> f64 {
        let share = if self.top > 0.0 { y / self.top } else { 0.0 };
        HEIGHT - BOTTOM - share.clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }
}

/// Text as HTML, without what a browser would obey.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_of_nothing_and_of_one_point() {
        let mut plot = Plot {
            about: "<b>".to_owned(),
            lines: Vec::new(),
            is_log: true,
            ticks: vec![(1.0, "1".to_owned())],
            top: 0.0,
            figure: |figure| format!("{figure}"),
        };
        assert!(plot.svg().contains("&lt;b&gt;") && !plot.svg().contains("NaN"));
        plot.lines.push(Line { name: "a".to_owned(), points: vec![(0.0, 5.0)] });
        assert!(!plot.svg().contains("NaN") && !plot.svg().contains("inf"));
    }

    #[test]
    fn names_do_not_stand_on_each_other() {
        let lines =
            (0..8).map(|n| Line { name: n.to_string(), points: vec![(1.0, 0.5), (2.0, 0.5)] }).collect();
        let plot = Plot {
            about: String::new(),
            lines,
            is_log: false,
            ticks: vec![],
            top: 1.0,
            figure: |_| String::new(),
        };
        let places = plot.label_places();
        assert!(places.windows(2).all(|pair| pair[1].1 - pair[0].1 >= 13.9), "{places:?}");
    }
}
