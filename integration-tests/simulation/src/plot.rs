//! A chart with lines, as an SVG that is readable on a light page and on a dark one.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 340.0;
/// Where the lines are: left, right, top, bottom.
const FIELD: [f64; 4] = [80.0, 600.0, 40.0, 290.0];
const COLOURS: [&str; 5] = ["#3b82f6", "#ea580c", "#16a34a", "#a855f7", "#dc2626"];

/// One of the two axes.
pub(crate) struct Axis {
    /// With the unit.
    pub(crate) label: &'static str,
    /// In powers of ten; what is not positive is left out then.
    pub(crate) is_log: bool,
}

/// The chart.
pub(crate) struct Chart {
    pub(crate) title: &'static str,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<(String, Vec<(f64, f64)>)>,
}

/// From where to where an axis goes.
struct Range {
    is_log: bool,
    from: f64,
    to: f64,
}

impl Range {
    fn of(axis: &Axis, values: impl Iterator<Item = f64>) -> Self {
        let (mut from, mut to) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| !axis.is_log || *value > 0.0) {
            (from, to) = (from.min(value), to.max(value));
        }
        if from > to {
            (from, to) = (1.0, 10.0);
        }
        if axis.is_log {
            let (low, high) = (from.log10().floor(), to.log10().ceil());
            return Self { is_log: true, from: low, to: high.max(low + 1.0) };
        }
        let step = step(to - from.min(0.0));
        Self { is_log: false, from: from.min(0.0), to: (to / step).ceil().max(1.0) * step }
    }

    /// How far along the axis a value is, from 0 to 1; `None` for one that has no place.
    fn place(&self, value: f64) -> Option<f64> {
        let value = if self.is_log { (value > 0.0).then(|| value.log10())? } else { value };
        Some((value - self.from) / (self.to - self.from))
    }

    /// The values that are written at the axis.
    fn marks(&self) -> Vec<f64> {
        let step = if self.is_log { 1.0 } else { step(self.to - self.from) };
        let mut marks = Vec::new();
        let mut mark = self.from;
        while mark <= self.to + step / 1e6 {
            marks.push(if self.is_log { 10_f64.powf(mark) } else { mark });
            mark += step;
        }
        marks
    }
}

/// Some five steps of 1, 2 or 5.
fn step(span: f64) -> f64 {
    let rough = span.max(1e-9) / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0].map(|times| times * power).into_iter().find(|step| *step >= rough).unwrap_or(10.0 * power)
}

/// `20k` for 20 000.
fn short(value: f64) -> String {
    match value {
        _ if value >= 1e6 => format!("{}M", value / 1e6),
        _ if value >= 1e3 => format!("{}k", value / 1e3),
        // A sum of steps.
        _ => format!("{}", (value * 1e6).round() / 1e6),
    }
}

impl Chart {
    pub(crate) fn svg(&self) -> String {
        let [left, right, top, bottom] = FIELD;
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        let across = Range::of(&self.x, points().map(|point| point.0));
        let up = Range::of(&self.y, points().map(|point| point.1));
        let x = |place: f64| left + place * (right - left);
        let y = |place: f64| bottom - place * (bottom - top);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<style>text{{fill:#1f2937}}.g{{stroke:#9ca3af;stroke-opacity:.4}}\
             @media(prefers-color-scheme:dark){{text{{fill:#e5e7eb}}}}</style>\n<title>{0}</title>\n\
             <text x=\"{left}\" y=\"22\" font-size=\"14\">{0}</text>\n",
            self.title
        );
        // Writing into a string does not fail.
        for mark in across.marks() {
            let Some(place) = across.place(mark) else { continue };
            let (at, under) = (x(place), bottom + 18.0);
            let _ = writeln!(svg, "<path class=\"g\" d=\"M{at:.1} {top}V{bottom}\"/>");
            let _ = writeln!(
                svg,
                "<text x=\"{at:.1}\" y=\"{under}\" text-anchor=\"middle\">{}</text>",
                short(mark)
            );
        }
        for mark in up.marks() {
            let Some(place) = up.place(mark) else { continue };
            let (at, beside) = (y(place), left - 8.0);
            let _ = writeln!(svg, "<path class=\"g\" d=\"M{left} {at:.1}H{right}\"/>");
            let _ = writeln!(
                svg,
                "<text x=\"{beside}\" y=\"{at:.1}\" dy=\".35em\" text-anchor=\"end\">{}</text>",
                short(mark)
            );
        }
        let (middle, under, half) = (x(0.5), bottom + 40.0, y(0.5));
        let _ = writeln!(
            svg,
            "<text x=\"{middle}\" y=\"{under}\" text-anchor=\"middle\">{}</text>",
            self.x.label
        );
        let _ = writeln!(
            svg,
            "<text transform=\"translate(22 {half}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            self.y.label
        );
        for (number, (name, points)) in self.lines.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let places: Vec<String> = points
                .iter()
                .filter_map(|point| Some((across.place(point.0)?, up.place(point.1)?)))
                .map(|place| format!("{:.1},{:.1}", x(place.0), y(place.1)))
                .collect();
            let _ = writeln!(
                svg,
                "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
                places.join(" ")
            );
            let (from, to, at) = (right + 14.0, right + 34.0, top + 20.0 * number as f64);
            let _ = writeln!(svg, "<path stroke=\"{colour}\" stroke-width=\"3\" d=\"M{from} {at}H{to}\"/>");
            let _ = writeln!(svg, "<text x=\"{}\" y=\"{at}\" dy=\".35em\">{name}</text>", to + 6.0);
        }
        svg + "</svg>\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stand_where_their_values_are() {
        let axis = |is_log| Axis { label: "unit", is_log };
        let line = ("line".to_owned(), vec![(1.0, 0.0), (10.0, 5.0), (100.0, 10.0)]);
        let chart = Chart { title: "t", x: axis(true), y: axis(false), lines: vec![line] };
        let svg = chart.svg();
        assert!(svg.contains("points=\"80.0,290.0 340.0,165.0 600.0,40.0\""), "{svg}");
        // What has no logarithm is left out.
        let chart = Chart { y: axis(true), ..chart };
        assert!(chart.svg().contains("points=\"340.0,"), "{}", chart.svg());
    }

    #[test]
    fn marks_are_round() {
        let range = Range::of(&Axis { label: "", is_log: false }, [0.0, 7.3].into_iter());
        assert_eq!(range.marks(), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(
            (short(20_000.0), short(1e6), short(0.1 + 0.2)),
            ("20k".into(), "1M".into(), "0.3".into())
        );
    }
}
