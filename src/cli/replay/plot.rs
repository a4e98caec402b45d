//! The SVG of a replay: samples, floors, fits, forecast, limit and events of the signal that leaks.

mod labels;
mod scene;

use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Replay;
use crate::cli::explain;
use crate::leak::verdict::Verdict;
use labels::{Place, Wish, place};
use scene::{Mark, MarkKind, Point, Scene};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

const SIZE: (u32, u32) = (1200, 640);
/// Title, growth and legend; then the rows of labels.
const HEAD: i32 = 88;
const LABEL_ROWS: usize = 4;
const LABEL_ROW: i32 = 16;
const LEFT: u32 = 66;
const RIGHT: u32 = 18;

const INK: RGBColor = RGBColor(31, 41, 55);
const FAINT: RGBColor = RGBColor(107, 114, 128);
const GRID: RGBColor = RGBColor(229, 231, 235);
/// Garbage and live set together, in a grey that stays behind the rest.
const SAMPLES: RGBColor = RGBColor(190, 197, 208);
const FLOORS: RGBColor = RGBColor(29, 96, 176);
const GROWTH: RGBColor = RGBColor(200, 40, 40);
const LIMIT: RGBColor = RGBColor(17, 24, 39);
const RELIEF: RGBColor = RGBColor(22, 128, 80);
const WARNING: RGBColor = RGBColor(180, 95, 6);
const DOING: RGBColor = RGBColor(109, 70, 176);

/// Draws the replay of the recording `name` into a file.
pub(super) fn draw(replay: &Replay, name: &str, path: &Path) -> Result<(), String> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    draw_on(&root, replay, name).map_err(|error| error.to_string())
}

type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

fn draw_on(root: &Area<'_>, replay: &Replay, name: &str) -> Drawn {
    let verdict = replay.detector.verdict();
    let scene = Scene::of(replay, &verdict);
    root.fill(&WHITE)?;
    draw_head(root, &scene, &verdict, name)?;
    let below = root.margin(HEAD + LABEL_ROW * i32::try_from(LABEL_ROWS).unwrap_or(0), 8, 0, RIGHT);
    let mut chart: Chart<'_> = ChartBuilder::on(&below)
        .x_label_area_size(44)
        .y_label_area_size(LEFT)
        .build_cartesian_2d(0.0..scene.width, 0.0..scene.height)?;
    draw_axes(&mut chart, &scene)?;
    // Events first: what is measured lies over them.
    draw_marks(root, &chart, &scene)?;
    draw_lines(&mut chart, &scene)?;
    root.present()
}

fn draw_head(root: &Area<'_>, scene: &Scene, verdict: &Verdict, name: &str) -> Drawn {
    let title = format!("{name}: {}", verdict.state);
    root.draw(&Text::new(title, (16, 12), style(22, &INK, HPos::Left)))?;
    let growth = verdict.growth.as_ref().filter(|_| scene.forecast.is_some()).map(explain::growth);
    let ended = || scene.ended.clone().unwrap_or_else(|| format!("{}: no growth that matters", scene.signal));
    let summary = growth.unwrap_or_else(ended);
    root.draw(&Text::new(summary.trim().to_owned(), (16, 40), style(14, &FAINT, HPos::Left)))?;
    draw_legend(root, scene)
}

fn draw_legend(root: &Area<'_>, scene: &Scene) -> Drawn {
    const SWATCH: i32 = 22;
    let entries = [
        (true, format!("{} samples", scene.signal), SAMPLES, false),
        (true, "floors".to_owned(), FLOORS, false),
        (!scene.fits.is_empty(), "fit".to_owned(), GROWTH, false),
        (scene.forecast.is_some(), "forecast".to_owned(), GROWTH, true),
        (scene.limit.is_some(), "limit".to_owned(), LIMIT, true),
    ];
    let mut x = 16;
    for (_, label, color, dashed) in entries.into_iter().filter(|(shown, ..)| *shown) {
        let ends = [(x, 70), (x + SWATCH, 70)];
        if dashed {
            root.draw(&DashedPathElement::new(ends, 5, 4, color.stroke_width(2)))?;
        } else {
            root.draw(&PathElement::new(ends, color.stroke_width(3)))?;
        }
        let width = text_width(&label, 13);
        root.draw(&Text::new(label, (x + SWATCH + 6, 63), style(13, &INK, HPos::Left)))?;
        x += SWATCH + 6 + width + 20;
    }
    Ok(())
}

fn draw_axes(chart: &mut Chart<'_>, scene: &Scene) -> Drawn {
    let digits = usize::from(scene.width < 6.0);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(FAINT)
        .label_style(style(13, &FAINT, HPos::Center))
        .axis_desc_style(style(13, &FAINT, HPos::Center))
        .x_labels(12)
        .y_labels(8)
        .x_label_formatter(&|at| format!("{at:.digits$}"))
        .y_label_formatter(&|size| format!("{size:.*}", usize::from(scene.height < 5.0)))
        .x_desc(&scene.across)
        .y_desc(scene.upwards)
        .draw()
}

fn draw_lines(chart: &mut Chart<'_>, scene: &Scene) -> Drawn {
    let line = |points: &[Point], color: RGBColor, width| PathElement::new(points.to_vec(), color.stroke_width(width));
    chart.draw_series(scene.samples.iter().map(|life| line(life, SAMPLES, 1)))?;
    chart.draw_series(scene.floors.iter().map(|life| line(life, FLOORS, 2)))?;
    chart.draw_series(scene.fits.iter().map(|fit| line(fit, GROWTH, 3)))?;
    let dashed =
        |ends: [Point; 2], color: RGBColor, width| DashedLineSeries::new(ends, 8, 6, color.stroke_width(width));
    if let Some(forecast) = scene.forecast {
        chart.draw_series(dashed(forecast, GROWTH, 2))?;
    }
    if let Some(limit) = scene.limit {
        chart.draw_series(dashed([(0.0, limit), (scene.width, limit)], LIMIT, 1))?;
        let label = format!("limit {limit:.*} {}", usize::from(limit < 10.0), scene.upwards);
        let label_style = style(13, &LIMIT, HPos::Right).pos(Pos::new(HPos::Right, VPos::Bottom));
        chart.draw_series([Text::new(label, (scene.width, limit + scene.height * 0.006), label_style)])?;
    }
    Ok(())
}

/// A line for each event, and its label above the plot where there is room for one.
fn draw_marks(root: &Area<'_>, chart: &Chart<'_>, scene: &Scene) -> Drawn {
    const TEXT: u32 = 12;
    let x_of = |mark: &Mark| chart.backend_coord(&(mark.at, 0.0)).0;
    let wish = |mark: &Mark| Wish { x: x_of(mark), width: text_width(&mark.label, TEXT), rank: mark.kind };
    let wishes: Vec<_> = scene.marks.iter().map(wish).collect();
    let (left, right) = (chart.backend_coord(&(0.0, 0.0)).0, chart.backend_coord(&(scene.width, 0.0)).0);
    let places = place(&wishes, LABEL_ROWS, left, right);
    let (floor, ceiling) = (chart.backend_coord(&(0.0, 0.0)).1, chart.backend_coord(&(0.0, scene.height)).1);
    for (mark, found) in scene.marks.iter().zip(places) {
        let color = color_of(mark.kind);
        let top = found.map_or(ceiling, |place| label_top(ceiling, place));
        let line = PathElement::new([(x_of(mark), top), (x_of(mark), floor)], color.mix(0.45).stroke_width(1));
        root.draw(&line)?;
        if let Some(place) = found {
            root.draw(&Text::new(mark.label.clone(), (place.left, top), style(TEXT, &color, HPos::Left)))?;
        }
    }
    Ok(())
}

fn label_top(ceiling: i32, place: Place) -> i32 {
    ceiling - LABEL_ROW * i32::try_from(place.row + 1).unwrap_or(1)
}

const fn color_of(kind: MarkKind) -> RGBColor {
    match kind {
        MarkKind::Alarm => GROWTH,
        MarkKind::Relief => RELIEF,
        MarkKind::Warning => WARNING,
        MarkKind::Doing => DOING,
        MarkKind::Restart => FAINT,
    }
}

fn style(size: u32, color: &RGBColor, across: HPos) -> TextStyle<'_> {
    TextStyle::from(("sans-serif", size).into_font()).color(color).pos(Pos::new(across, VPos::Top))
}

/// About how wide a text is: letters of common sans-serif fonts are 0.56 of their height wide on average.
fn text_width(text: &str, size: u32) -> i32 {
    let hundredths = u32::try_from(text.chars().count()).unwrap_or(u32::MAX).saturating_mul(size).saturating_mul(56);
    i32::try_from(hundredths / 100).unwrap_or(i32::MAX)
}
