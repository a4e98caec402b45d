//! The SVG of a replay: samples, floors, fit, forecast, limit and events over time in hours.

use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::Replay;
use crate::clock::Timestamp;
use crate::leak::Picture;
use crate::leak::event::Change;
use crate::sample::Signal;

/// A chart in hours and MiB.
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

const SIZE: (u32, u32) = (1200, 600);
/// Samples of the live set, in the grey of old garbage.
const SAMPLES: RGBColor = RGBColor(180, 180, 180);
const FLOORS: RGBColor = RGBColor(31, 119, 180);
const FIT: RGBColor = RGBColor(214, 39, 40);
const LIMIT: RGBColor = RGBColor(40, 40, 40);
const EVENTS: RGBColor = RGBColor(148, 103, 189);

/// Draws the replay into a file.
pub(super) fn draw(replay: &Replay, path: &Path) -> Result<(), String> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    draw_on(&root, replay).and_then(|()| root.present().map_err(|error| error.to_string()))
}

fn draw_on(root: &DrawingArea<SVGBackend<'_>, Shift>, replay: &Replay) -> Result<(), String> {
    let text = |error: DrawingAreaErrorKind<_>| error.to_string();
    root.fill(&WHITE).map_err(text)?;
    let verdict = replay.detector.verdict();
    let signal = verdict.signal.unwrap_or(Signal::HeapUsed);
    let scene = Scene::of(replay, signal);
    let caption = format!("{signal}: {}", verdict.state);
    let mut chart: Chart<'_> = ChartBuilder::on(root)
        .caption(caption, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..scene.hours, 0.0..scene.top)
        .map_err(text)?;
    chart.configure_mesh().x_desc("hours").y_desc("MiB").draw().map_err(text)?;
    let lines = [
        (scene.samples, SAMPLES.stroke_width(1)),
        (scene.floors, FLOORS.stroke_width(2)),
        (scene.fit, FIT.stroke_width(2)),
        (scene.forecast, FIT.mix(0.4).stroke_width(2)),
        (scene.limit, LIMIT.stroke_width(1)),
    ];
    for (points, style) in lines {
        chart.draw_series(LineSeries::new(points, style)).map_err(text)?;
    }
    for (hour, label) in scene.events {
        let line = PathElement::new(vec![(hour, 0.0), (hour, scene.top)], EVENTS.mix(0.5));
        chart.draw_series([line]).map_err(text)?;
        chart.draw_series([Text::new(label, (hour, scene.top * 0.97), ("sans-serif", 12))]).map_err(text)?;
    }
    Ok(())
}

/// What is drawn, in hours since the first sample and MiB.
struct Scene {
    hours: f64,
    top: f64,
    samples: Vec<(f64, f64)>,
    floors: Vec<(f64, f64)>,
    fit: Vec<(f64, f64)>,
    forecast: Vec<(f64, f64)>,
    limit: Vec<(f64, f64)>,
    events: Vec<(f64, &'static str)>,
}

impl Scene {
    fn of(replay: &Replay, signal: Signal) -> Self {
        let start = replay.samples.first().map_or(0.0, |sample| sample.at.unix_seconds());
        let hour = |at: Timestamp| (at.unix_seconds() - start) / 3600.0;
        let picture = replay.detector.picture();
        let samples: Vec<_> =
            replay.samples.iter().filter_map(|sample| Some((hour(sample.at), mib(sample.signal(signal)?)))).collect();
        let floors = floors_of(&picture, signal).iter().map(|(at, floor)| (hour(*at), mib(*floor))).collect();
        let hours = samples.last().map_or(1.0, |(hour, _)| hour * 1.05).max(0.1);
        let (fit, forecast) = picture.growth.map_or_else(Default::default, |growth| {
            let ends = [(growth.since, growth.from_bytes), (growth.until, growth.to_bytes)];
            let fit = ends.map(|(at, bytes)| (hour(at), mib(bytes))).to_vec();
            let rise = growth.slope.bytes_per_hour() / 1_048_576.0;
            let end = mib(growth.to_bytes) + rise * (hours - hour(growth.until));
            (fit, vec![(hour(growth.until), mib(growth.to_bytes)), (hours, end)])
        });
        let limit = picture.limit_bytes.map(mib);
        let highest = samples.iter().chain(&forecast).map(|(_, size)| *size).fold(1.0, f64::max);
        Self {
            hours,
            top: limit.map_or(highest, |limit| highest.max(limit)) * 1.05,
            samples,
            floors,
            fit,
            forecast,
            limit: limit.map_or_else(Vec::new, |limit| vec![(0.0, limit), (hours, limit)]),
            events: replay.events.iter().filter_map(|event| Some((hour(event.at), label(&event.change)?))).collect(),
        }
    }
}

fn floors_of(picture: &Picture, signal: Signal) -> Vec<(Timestamp, u64)> {
    let series = picture.floors.iter().find(|series| series.signal == signal);
    series.map_or_else(Vec::new, |series| series.points.clone())
}

fn label(change: &Change) -> Option<&'static str> {
    Some(match change {
        Change::LeakSuspected { .. } => "suspected",
        Change::LeakConfirmed { .. } => "confirmed",
        Change::LeakResolved { .. } => "resolved",
        Change::StillLeaking { .. } => "still leaking",
        Change::Restarted { .. } => "restarted",
        _ => return None,
    })
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
