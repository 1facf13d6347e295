//! A group as bars: one a lane, with the spread of its rounds.

use plotters::drawing::{DrawingArea, IntoDrawingArea as _};
use plotters::element::{PathElement, Rectangle, Text};
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, IntoFont as _, RGBColor, ShapeStyle, TextStyle, WHITE};

use super::results::{Group, LaneResult};
use super::table::{duration, number};

/// Fewer lanes than this say as much in a table.
const LEAST: usize = 3;

const WIDTH: i32 = 860;
const BAR: i32 = 22;
/// Room for lanes' names, and for figures at the ends of bars.
const NAMES: i32 = 260;
const FIGURES: i32 = 190;
const HEAD: i32 = 34;

const OURS: RGBColor = RGBColor(0xc2, 0x41, 0x0c);
const THEIRS: RGBColor = RGBColor(0x94, 0xa3, 0xb8);
const INK: RGBColor = RGBColor(0x1f, 0x29, 0x37);

/// A bar: the median, with what eight of ten rounds keep to.
struct Bar {
    from: f64,
    median: f64,
    to: f64,
    text: String,
}

/// The group's bars as SVG, if there is something to see: time an operation, or the lanes' own figure.
pub(crate) fn of(group: &Group) -> Option<String> {
    let timed = group.lanes.iter().all(|lane| lane.time.is_some());
    let bars: Vec<Bar> = group.lanes.iter().map(|lane| bar(lane, timed)).collect::<Option<_>>()?;
    let differ = bars.iter().any(|bar| (bar.median - bars[0].median).abs() > f64::EPSILON);
    if bars.len() < LEAST || !differ {
        return None;
    }
    let what = if timed { "time an operation, median and p10 to p90" } else { "" };
    let mut svg = String::new();
    // Drawing into a string does not fail.
    draw(&mut svg, group, &bars, what).ok()?;
    if !svg.ends_with('\n') {
        svg.push('\n');
    }
    Some(svg)
}

fn bar(lane: &LaneResult, timed: bool) -> Option<Bar> {
    if !timed {
        let figure = lane.figure?;
        return Some(Bar { from: figure, median: figure, to: figure, text: number(figure) });
    }
    let time = lane.time?;
    Some(Bar { from: time.p10, median: time.median, to: time.p90, text: duration(time.median) })
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(svg: &mut String, group: &Group, bars: &[Bar], what: &str) -> Drawn {
    let height = HEAD + BAR * i32::try_from(bars.len())? + 12;
    let area =
        SVGBackend::with_string(svg, (WIDTH.unsigned_abs(), height.unsigned_abs())).into_drawing_area();
    area.fill(&WHITE)?;
    write(&area, format!("{}: {what}", group.name).trim_end_matches(": "), (8, HEAD / 2), 15, HPos::Left)?;
    // One lane in a hundred times another's time would leave only lines of all others: it is cut off, and says so.
    let mut medians: Vec<f64> = bars.iter().map(|bar| bar.median).collect();
    medians.sort_by(f64::total_cmp);
    let longest = bars.iter().map(|bar| bar.to).fold(0.0, f64::max).min(medians[medians.len() / 2] * 8.0);
    #[allow(clippy::cast_possible_truncation, reason = "pixels of a plot some hundreds wide")]
    let at = |figure: f64| NAMES + (f64::from(WIDTH - NAMES - FIGURES) * (figure / longest).min(1.0)) as i32;
    for ((lane, bar), top) in group.lanes.iter().zip(bars).zip((HEAD..).step_by(usize::try_from(BAR)?)) {
        let colour = if lane.ours { OURS } else { THEIRS };
        let middle = top + BAR / 2;
        area.draw(&Rectangle::new([(NAMES, top + 3), (at(bar.median), top + BAR - 3)], colour.filled()))?;
        let line = ShapeStyle::from(&INK).stroke_width(1);
        area.draw(&PathElement::new(vec![(at(bar.from), middle), (at(bar.to), middle)], line))?;
        write(&area, &lane.name, (NAMES - 8, middle), 13, HPos::Right)?;
        let cut = if bar.median > longest { " (longer than shown)" } else { "" };
        write(
            &area,
            &format!("{}{cut}", bar.text),
            (at(bar.to.max(bar.median)) + 8, middle),
            13,
            HPos::Left,
        )?;
    }
    area.present()?;
    Ok(())
}

fn write(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    text: &str,
    place: (i32, i32),
    size: i32,
    side: HPos,
) -> Drawn {
    let style =
        TextStyle::from(("sans-serif", size).into_font()).color(&INK).pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(text.to_owned(), place, style))?;
    Ok(())
}
