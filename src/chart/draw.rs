//! A scene as SVG.

use maud::{PreEscaped, html};
use plotters::coord::Shift;
use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::chart::axis::{ByteAxis, TimeAxis};
use crate::chart::marks::{Place, place};
use crate::chart::{ChartError, Format, Mark, MarkKind, Scene, colour};
use crate::clock::Timestamp;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Plane<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<TimeAxis, ByteAxis>>;
type Points = Vec<(f64, f64)>;

/// Size of the numbers along the axes, in what plotters calls pixels: 11 of them.
const LETTERS: f64 = 13.6;
/// Pixels that one number along the time axis needs.
const TICK_WIDTH: u32 = 90;
/// Pixels that one number along the memory axis needs.
const TICK_HEIGHT: u32 = 40;
/// The forecast goes on for this part of the chart, or up to the limit where that comes within [`FARTHEST`].
const AHEAD: f64 = 0.12;
const FARTHEST: f64 = 0.5;
/// A limit is drawn where what is below it fills this part of the chart; else it would flatten everything.
const LEAST_FILLED: f64 = 0.2;

/// Draws a scene as an SVG element with a title and a description.
pub fn draw(scene: &Scene, format: Format) -> Result<String, ChartError> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (format.width, format.height)).into_drawing_area();
        let wrong = |why: DrawingAreaErrorKind<_>| ChartError(why.to_string());
        plot(&root, scene, format).and_then(|()| root.present()).map_err(wrong)?;
    }
    Ok(with_words(&svg, scene, format))
}

/// The drawing with its text alternatives in the opening tag and behind it.
fn with_words(svg: &str, scene: &Scene, format: Format) -> String {
    let inner = svg.split_once('>').map_or("", |(_, inner)| inner);
    let inner = inner.trim_end().strip_suffix("</svg>").unwrap_or(inner);
    let view = format!("0 0 {} {}", format.width, format.height);
    let (width, height) = (format.width, format.height);
    html! {
        svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label=(scene.title) width=(width) height=(height)
            viewBox=(view) {
            title { (scene.title) }
            desc { (scene.description) }
            (PreEscaped(inner))
        }
    }
    .into_string()
}

fn plot(root: &Area<'_>, scene: &Scene, format: Format) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let lines = Lines::of(scene);
    let count = |pixels: u32| usize::try_from(pixels.max(1)).unwrap_or(1);
    let time = TimeAxis { range: lines.range.clone(), ticks: count(format.width / TICK_WIDTH).max(3) };
    let memory = ByteAxis { top: lines.top, ticks: count(format.height / TICK_HEIGHT).max(3) };
    let letters = |colour: &RGBColor| ("sans-serif", LETTERS).into_font().color(colour);
    let mut plane: Plane<'_, '_> = ChartBuilder::on(root)
        .margin_top(8)
        .margin_right(14)
        .x_label_area_size(26)
        .y_label_area_size(62)
        .build_cartesian_2d(time, memory)?;
    plane
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(colour::GRID)
        .axis_style(colour::GRID)
        .label_style(letters(&colour::INK))
        .draw()?;
    draw_marks(&plane, scene, &lines)?;
    for points in &lines.samples {
        plane.draw_series(LineSeries::new(
            thinned(points, &lines.range, format.width),
            colour::SAMPLES.stroke_width(1),
        ))?;
    }
    for points in lines.floors {
        plane.draw_series(LineSeries::new(points, colour::FLOORS.stroke_width(2)))?;
    }
    plane.draw_series(LineSeries::new(lines.forecast, colour::FIT.mix(0.5).stroke_width(2)))?;
    plane.draw_series(LineSeries::new(lines.fit, colour::FIT.stroke_width(2)))?;
    if let Some(limit) = lines.limit {
        let ends = [(lines.range.start, limit), (lines.range.end, limit)];
        plane.draw_series(LineSeries::new(ends, colour::LIMIT.stroke_width(1)))?;
        let style = letters(&colour::LIMIT).pos(Pos::new(HPos::Left, VPos::Top));
        let word = EmptyElement::at((lines.range.start, limit)) + Text::new("memory limit", (6, 4), style);
        plane.draw_series([word])?;
    }
    Ok(())
}

fn draw_marks(plane: &Plane<'_, '_>, scene: &Scene, lines: &Lines) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    /// Pixels from one row of words to the next.
    const ROW: i32 = 15;
    let area = plane.plotting_area();
    let (across, down) = area.get_pixel_range();
    let seen: Vec<(f64, &Mark)> = scene
        .marks
        .iter()
        .map(|mark| (mark.at.unix_seconds(), mark))
        .filter(|(x, _)| lines.range.contains(x))
        .collect();
    let pixel = |x: f64| plane.as_coord_spec().x_spec().map(&x, (across.start, across.end));
    let words: Vec<(i32, usize)> = seen.iter().map(|(x, mark)| (pixel(*x), mark.label.chars().count())).collect();
    let spots = place(&words, (across.start, across.end));
    for (((x, mark), (at, _)), spot) in seen.iter().zip(&words).zip(spots) {
        let hue = hue(mark.kind);
        area.draw(&PathElement::new(vec![(*x, 0.0), (*x, lines.top)], hue.mix(0.55).stroke_width(1)))?;
        let Some(Place { row, left }) = spot else { continue };
        let (side, offset) = if left { (HPos::Right, -4) } else { (HPos::Left, 4) };
        let style = ("sans-serif", LETTERS).into_font().color(&hue).pos(Pos::new(side, VPos::Top));
        let position = (at + offset, down.start + 2 + row * ROW);
        area.strip_coord_spec().draw_text(&mark.label, &style, (position.0 - across.start, position.1 - down.start))?;
    }
    Ok(())
}

const fn hue(kind: MarkKind) -> RGBColor {
    match kind {
        MarkKind::Restart => colour::RESTART,
        MarkKind::Kill => colour::KILL,
        MarkKind::Snapshot => colour::SNAPSHOT,
        MarkKind::Verdict => colour::VERDICT,
    }
}

/// At most two points a pixel: the lowest and the highest, which is what a thicker pencil would leave.
fn thinned(points: &Points, range: &std::ops::Range<f64>, width: u32) -> Points {
    let column = |x: f64| ((x - range.start) / (range.end - range.start) * f64::from(width)).floor();
    let columns = points.chunk_by(|(one, _), (other, _)| column(*one).total_cmp(&column(*other)).is_eq());
    columns
        .flat_map(|within| {
            let by_size = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
            let (low, high) = (within.iter().min_by(by_size), within.iter().max_by(by_size));
            let both = low.into_iter().chain(high.filter(|_| within.len() > 1));
            let mut both: Points = both.copied().collect();
            both.sort_by(|a, b| a.0.total_cmp(&b.0));
            both
        })
        .collect()
}

/// Everything in seconds and bytes.
struct Lines {
    range: std::ops::Range<f64>,
    top: f64,
    samples: Vec<Points>,
    floors: Vec<Points>,
    fit: Points,
    forecast: Points,
    limit: Option<f64>,
}

impl Lines {
    fn of(scene: &Scene) -> Self {
        let x = Timestamp::unix_seconds;
        let start = x(scene.from);
        let known = x(scene.to).max(start + 1.0);
        let line = |points: &Vec<(Timestamp, u64)>| -> Points {
            points.iter().map(|(at, bytes)| (x(*at), *bytes as f64)).filter(|(at, _)| *at >= start).collect()
        };
        let samples: Vec<Points> = scene.samples.iter().map(line).collect();
        let floors: Vec<Points> = scene.floors.iter().map(line).collect();
        let span = known - start;
        let ahead = scene.growth.map_or(0.0, |growth| {
            let to_limit = growth.limit_in_seconds.filter(|seconds| *seconds <= span * FARTHEST);
            to_limit.map_or(span * AHEAD, |seconds| (seconds * 1.05).max(span * AHEAD))
        });
        let end = known + ahead.max(span * 0.01);
        let (fit, forecast) = scene.growth.map_or_else(Default::default, |growth| {
            let (since, until) = (x(growth.since), x(growth.until));
            let slope = growth.slope.bytes_per_second();
            let (from, to) = (growth.from_bytes as f64, growth.to_bytes as f64);
            // A window that began before the left end is cut there.
            let first = if since < start { (start, to - slope * (until - start)) } else { (since, from) };
            (vec![first, (until, to)], vec![(until, to), (end, to + slope * (end - until))])
        });
        let all = samples.iter().chain(&floors).flatten().chain(&fit).chain(&forecast);
        let highest = all.map(|(_, bytes)| *bytes).fold(1.0, f64::max);
        let limit = scene.limit_bytes.map(|limit| limit as f64).filter(|limit| highest >= limit * LEAST_FILLED);
        // Room above for the words of the marks.
        let top = limit.map_or(highest, |limit| limit.max(highest)) * 1.12;
        Self { range: start..end, top, samples, floors, fit, forecast, limit }
    }
}
