//! The chart of a target: samples, floors, fit, forecast and limit, with lives, snapshots and episodes marked, and the
//! same in words and in numbers.

use maud::{Markup, PreEscaped, html};

use super::{Range, Subject};
use crate::chart::{self, Format, Mark, MarkKind, Scene};
use crate::clock::Timestamp;
use crate::leak::event::RestartCause;
use crate::sample::Signal;
use crate::status::Standing;
use crate::text::span;
use crate::web::page::words::{count, moment, part, size};

/// For screens, and for phones, where the letters of the wide one would be too small.
const WIDE: Format = Format { width: 1040, height: 360 };
const NARROW: Format = Format { width: 380, height: 300 };
/// Lows drawn over a whole range.
const PARTS: i64 = 120;
/// Rows of the same in numbers.
const ROWS: i64 = 16;

type Points = Vec<(Timestamp, u64)>;

pub(super) fn section(subject: &Subject) -> Markup {
    let points = points(subject);
    html! {
        section.chart aria-labelledby="chart" {
            h2 #chart { (subject.signal) " over time" }
            (choices(subject))
            @if points.len() < 2 {
                p.nothing { "Nothing was read of " (subject.signal) " in the last " (subject.range.words()) "." }
            } @else {
                @let scene = scene(subject, &points);
                figure {
                    (drawn(&scene, WIDE, "wide")) (drawn(&scene, NARROW, "narrow"))
                    figcaption { (legend()) p { (scene.description) } }
                }
                (numbers(&points, subject.range))
            }
        }
    }
}

/// Links to the other ranges and signals.
fn choices(subject: &Subject) -> Markup {
    let name = &subject.status.name;
    let address =
        |range: Range, signal: Signal| format!("/targets/{name}?range={}&signal={}#chart", range.name(), signal.name());
    let reported: Vec<Signal> = Signal::ALL
        .into_iter()
        .filter(|signal| subject.status.watch.sample.as_ref().is_some_and(|sample| sample.signal(*signal).is_some()))
        .collect();
    html! {
        div.choices {
            nav aria-label="How far back" {
                @for range in Range::ALL {
                    a href=(address(range, subject.signal)) aria-current=[(range == subject.range).then_some("true")] { (range.words()) }
                }
            }
            nav aria-label="Which memory" {
                @for signal in reported {
                    a href=(address(subject.range, signal)) aria-current=[(signal == subject.signal).then_some("true")] { (signal) }
                }
            }
        }
    }
}

fn drawn(scene: &Scene, format: Format, class: &str) -> Markup {
    match chart::draw(scene, format) {
        // The drawing escapes every text in it; see `chart`.
        Ok(svg) => html! { div.{ "drawing " (class) } { (PreEscaped(svg)) } },
        Err(problem) => html! { p.nothing { (problem) } },
    }
}

fn legend() -> Markup {
    html! {
        ul.legend {
            @for (class, name) in [
                ("samples", "readings"), ("floors", "floors"), ("fit", "fit and forecast"), ("limit", "memory limit"),
                ("restart", "restart"), ("snapshot", "snapshot"), ("verdict", "verdict"),
            ] {
                li { span.key.{ (class) } aria-hidden="true" {} (name) }
            }
        }
    }
}

/// Stored readings of the signal, and the newest one, which is not stored yet.
fn points(subject: &Subject) -> Points {
    let newest = subject.status.watch.sample.iter();
    let last_stored = subject.dossier.samples.last().map_or(i64::MIN, |sample| sample.at.steady_ms());
    let all = subject.dossier.samples.iter().chain(newest.filter(|sample| sample.at.steady_ms() > last_stored));
    all.filter_map(|sample| Some((sample.at, sample.signal(subject.signal)?))).collect()
}

fn scene(subject: &Subject, points: &Points) -> Scene {
    let Subject { status, dossier, range, signal, now, .. } = subject;
    let from = points.first().map_or(*now, |(at, _)| *at);
    let life = status.watch.life.map(|life| life.began);
    let cuts: Vec<Timestamp> = dossier.restarts.iter().map(|restart| restart.at).chain(life).collect();
    let verdict = status.watch.verdict.as_ref();
    let judged = verdict.filter(|verdict| verdict.signal == Some(*signal) && Standing::of(status).grows());
    let limit = status.watch.sample.as_ref().and_then(|sample| sample.memory_limit);
    let limit_bytes = subject.picture.as_ref().map_or(limit, |picture| picture.limit_bytes);
    Scene {
        title: format!("{signal} of {} over the last {}", status.name, range.words()),
        description: description(subject, points, limit_bytes),
        from,
        to: *now,
        samples: Scene::stretches(points, &cuts),
        floors: floors(subject, points, &cuts),
        growth: judged.and_then(|verdict| verdict.growth),
        limit_bytes,
        marks: marks(subject),
    }
}

/// The floors of the running life as the verdict has them; of earlier lives, and where the watcher is busy, the lows of
/// the stored readings.
fn floors(subject: &Subject, points: &Points, cuts: &[Timestamp]) -> Vec<Points> {
    let series = subject.picture.as_ref().map_or(&[][..], |picture| &picture.floors);
    let current = series.iter().find(|series| series.signal == subject.signal && series.points.len() > 1);
    let began = current.and_then(|series| series.points.first()).map(|(at, _)| *at);
    let earlier: Points =
        points.iter().copied().filter(|(at, _)| began.is_none_or(|began| at.is_before(began))).collect();
    let shown = subject.now.since(points.first().map_or(subject.now, |(at, _)| *at));
    let part_ms = i64::try_from(shown.as_millis()).unwrap_or(i64::MAX) / PARTS;
    let mut floors: Vec<Points> =
        Scene::stretches(&earlier, cuts).iter().map(|stretch| Scene::lows(stretch, part_ms)).collect();
    floors.extend(current.map(|series| series.points.clone()));
    floors
}

fn marks(subject: &Subject) -> Vec<Mark> {
    let dossier = &subject.dossier;
    let mark = |at, kind, label: &str| Mark { at, kind, label: label.to_owned() };
    let restarts = dossier.restarts.iter().map(|restart| match restart.cause {
        RestartCause::AtMemoryLimit => mark(restart.at, MarkKind::Kill, "killed at its limit"),
        RestartCause::Unknown => mark(restart.at, MarkKind::Restart, "restart"),
    });
    let snapshots =
        dossier.snapshots.iter().map(|one| mark(one.at, MarkKind::Snapshot, &format!("{} snapshot", part(one.part))));
    let opened = dossier.episodes.iter().map(|episode| mark(episode.opened, MarkKind::Verdict, "leak confirmed"));
    let closed =
        dossier.episodes.iter().filter_map(|episode| Some(mark(episode.closed?, MarkKind::Verdict, "resolved")));
    let mut marks: Vec<Mark> = restarts.chain(snapshots).chain(opened).chain(closed).collect();
    marks.sort_by_key(|mark| mark.at.steady_ms());
    marks
}

fn description(subject: &Subject, points: &Points, limit: Option<u64>) -> String {
    let bytes = || points.iter().map(|(_, bytes)| *bytes);
    let (Some((first, _)), Some((_, newest)), Some(low), Some(high)) =
        (points.first(), points.last(), bytes().min(), bytes().max())
    else {
        return String::new();
    };
    let limit = limit.map_or_else(|| "no limit known".to_owned(), |limit| format!("limit {}", size(limit)));
    let snapshots = subject.dossier.snapshots.iter().filter(|snapshot| !snapshot.at.is_before(*first)).count();
    let raised = if snapshots > 0 {
        " Where a snapshot of ours left a step behind, the floors before it are drawn higher by that step, as they are judged."
    } else {
        ""
    };
    format!(
        "The last {}: between {} and {}, now {}; {limit}; {}, {} shown.{raised}",
        span(subject.now.since(*first)),
        size(low),
        size(high),
        size(*newest),
        count(subject.dossier.restarts.len(), "restart"),
        count(snapshots, "snapshot"),
    )
}

/// The lowest and highest reading of each part of the range, for those who cannot see the chart.
fn numbers(points: &Points, range: Range) -> Markup {
    let shown = points.first().zip(points.last()).map_or(range.span(), |(first, last)| last.0.since(first.0));
    let part_ms = (i64::try_from(shown.as_millis()).unwrap_or(i64::MAX) / ROWS).max(1);
    let part_of = |at: Timestamp| at.steady_ms().div_euclid(part_ms);
    let parts = points.chunk_by(|before, after| part_of(before.0) == part_of(after.0));
    html! {
        details #numbers {
            summary { "The same in numbers" }
            table {
                thead { tr { th scope="col" { "From (UTC)" } th.number scope="col" { "Lowest" } th.number scope="col" { "Highest" } } }
                tbody {
                    @for part in parts {
                        @let bytes = || part.iter().map(|(_, bytes)| *bytes);
                        tr {
                            th scope="row" { @if let Some((at, _)) = part.first() { (moment(*at)) } }
                            td.number data-name="lowest" { (size(bytes().min().unwrap_or(0))) }
                            td.number data-name="highest" { (size(bytes().max().unwrap_or(0))) }
                        }
                    }
                }
            }
        }
    }
}
