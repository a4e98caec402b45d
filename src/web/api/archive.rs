//! Series and snapshots: what is kept on disk, read off the async threads.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::{Answer, Query, known};
use crate::clock::Timestamp;
use crate::sample::Signal;
use crate::status::dossier::SnapshotRecord;
use crate::status::series::{MOST_POINTS, Series, SeriesQuery};
use crate::target::TargetName;
use crate::web::{Problem, Site};

/// What a chart shows where nobody says.
const USUAL_SPAN: Duration = Duration::from_hours(6);
/// Points of such a chart: as many as a small screen has columns.
const USUAL_POINTS: u32 = 400;

/// Which part of the history is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::web) struct Span {
    /// Unix seconds or RFC 3339.
    from: Option<String>,
    to: Option<String>,
    /// Seconds, or a duration such as `5m`.
    step: Option<String>,
    signal: Option<String>,
}

/// The stored snapshots.
#[derive(Debug, Serialize, Deserialize)]
pub struct SnapshotsList {
    /// Newest first.
    pub snapshots: Vec<SnapshotRecord>,
}

/// Whose snapshots are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::web) struct Whose {
    target: Option<String>,
}

pub(in crate::web) async fn series(
    State(site): State<Site>,
    Path(name): Path<String>,
    Query(span): Query<Span>,
) -> Answer<Series> {
    let query = span.for_target(known(&site, &name)?, (site.now)())?;
    let read = site.archive.series.clone();
    off_the_async_threads(move || read(query)).await
}

pub(in crate::web) async fn snapshots(State(site): State<Site>, Query(whose): Query<Whose>) -> Answer<SnapshotsList> {
    // A target that is watched no more may still have snapshots.
    let target = whose.target.map(TargetName::new).transpose();
    let target = target.map_err(|wrong| Problem::new(StatusCode::BAD_REQUEST, format!("`target` {wrong}")))?;
    let read = site.archive.snapshots.clone();
    off_the_async_threads(move || Ok(SnapshotsList { snapshots: read(target)? })).await
}

/// What stayed between the newest two profiles, drawn. Whatever the names in it are, it can run and load nothing.
pub(in crate::web) async fn flame_graph(
    State(site): State<Site>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
    let target = known(&site, &name)?;
    let read = site.archive.flame_graph.clone();
    let Json(svg) = off_the_async_threads(move || read(target)).await?;
    let svg = svg.ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "no flame graph: no two heap profiles of this target were compared yet")
    })?;
    Ok(([(CONTENT_TYPE, "image/svg+xml"), (CONTENT_SECURITY_POLICY, POLICY)], svg).into_response())
}

async fn off_the_async_threads<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Answer<T> {
    let failed = |why: String| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why);
    let stopping = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "heapwatch is stopping");
    tokio::task::spawn_blocking(read).await.map_err(stopping)?.map(Json).map_err(failed)
}

impl Span {
    fn for_target(&self, target: TargetName, now: Timestamp) -> Result<SeriesQuery, Problem> {
        let bad = |says: String| Problem::new(StatusCode::BAD_REQUEST, says);
        let time = |key: &str, text: &Option<String>| {
            let wrong = || bad(format!("`{key}` must be Unix seconds, or a time such as 2026-11-22T10:24:31Z"));
            text.as_deref().map(|text| parse_time(text, now).ok_or_else(wrong)).transpose()
        };
        let to = time("to", &self.to)?.unwrap_or(now);
        let from = time("from", &self.from)?.unwrap_or(to.minus(USUAL_SPAN));
        if !from.is_before(to) {
            return Err(bad("`from` must be before `to`".to_owned()));
        }
        let usual = (to.since(from) / USUAL_POINTS).max(Duration::from_secs(1));
        let step = self.step.as_deref().map(|text| {
            parse_step(text).ok_or_else(|| bad("`step` must be seconds, or a duration such as 5m".to_owned()))
        });
        let names = Signal::ALL.map(Signal::name).join(", ");
        let signal = self.signal.as_deref().map(|name| {
            let known = Signal::ALL.into_iter().find(|signal| signal.name() == name);
            known.ok_or_else(|| bad(format!("`signal` must be one of {names}")))
        });
        let signal = signal.transpose()?.unwrap_or(Signal::HeapUsed);
        let query = SeriesQuery { target, signal, from, to, step: step.transpose()?.unwrap_or(usual) };
        if query.points() > MOST_POINTS {
            return Err(bad(format!(
                "these are {} points, {MOST_POINTS} at most: take a longer `step`",
                query.points()
            )));
        }
        Ok(query)
    }
}

/// A time of the wall clock, on the steady line as the clock has it now.
fn parse_time(text: &str, now: Timestamp) -> Option<Timestamp> {
    let wall_ms = match text.parse::<f64>() {
        Ok(seconds) => Timestamp::from_unix_seconds(seconds)?.wall_ms(),
        Err(_) => text.parse::<jiff::Timestamp>().ok()?.as_millisecond(),
    };
    let ago_ms = now.wall_ms().saturating_sub(wall_ms);
    Some(Timestamp::from_lines(now.steady_ms().saturating_sub(ago_ms), wall_ms))
}

fn parse_step(text: &str) -> Option<Duration> {
    let step = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => humantime::parse_duration(text).ok()?,
    };
    Some(step).filter(|step| *step >= Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_understood_or_refused_in_a_sentence() {
        let now = Timestamp::from_lines(5_000_000, 1_760_000_000_000);
        let parse = |from: &str, to: &str, step: &str, signal: &str| {
            let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let span = Span { from: text(from), to: text(to), step: text(step), signal: text(signal) };
            span.for_target(TargetName::new("api").unwrap(), now).map_err(|problem| problem.detail)
        };
        let usual = parse("", "", "", "").unwrap();
        assert_eq!((usual.to, usual.from, usual.points()), (now, now.minus(USUAL_SPAN), 400));
        let asked = parse("1759999000", "2025-10-09T08:53:20Z", "10s", "rss").unwrap();
        assert_eq!((asked.from.steady_ms(), asked.to, asked.points()), (4_000_000, now, 100));
        assert_eq!(asked.signal, Signal::Rss);
        assert!(parse("yesterday", "", "", "").unwrap_err().contains("`from` must be Unix seconds"));
        assert!(parse("NaN", "", "", "").unwrap_err().contains("`from`"));
        assert!(parse("1760000000", "", "", "").unwrap_err().contains("before"));
        assert!(parse("", "", "0", "").unwrap_err().contains("`step`"));
        assert!(parse("", "", "-5", "").unwrap_err().contains("`step`"));
        assert!(parse("", "", "1e300", "").unwrap_err().contains("`step`"));
        assert!(parse("0", "", "1s", "").unwrap_err().contains("11000 at most"));
        assert!(parse("", "", "", "heap").unwrap_err().contains("heapUsed, external"));
    }
}
