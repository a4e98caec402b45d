//! `heapwatch replay TRACE.csv`: the real detector over recorded samples, one JSON object an event.

mod plot;
mod trace;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::explain;
use crate::clock::Timestamp;
use crate::leak::event::Change;
use crate::leak::picture::FloorSeries;
use crate::leak::verdict::{Growth, Reason};
use crate::leak::{Detector, LeakEvent, Observation, Options};
use crate::sample::{Sample, Signal};
use crate::target::TargetName;
use crate::units::{ByteSize, Prefixes};
pub use trace::{TraceError, read as read_trace};

/// Judge recorded samples as the daemon would have, and print one JSON object an event.
#[derive(Clone, Debug, clap::Args)]
pub struct ReplayArgs {
    /// Memory limit of the process, such as `512MiB` or a number of bytes; empty for none.
    #[arg(long, value_name = "SIZE", default_value = "")]
    pub limit: String,
    /// Judge by the options of this configuration's `[defaults]`, or of one of its targets.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Which target's options.
    #[arg(long, value_name = "NAME", requires = "config")]
    pub target: Option<TargetName>,
    /// Print every gate of the last verdict and a chart instead of events.
    #[arg(long)]
    pub explain: bool,
    /// Draw samples, floors, fit, events, limit and forecast as an SVG.
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
    /// The recording, plain or gzipped: a header with any of time, heapUsed, heapTotal, external, arrayBuffers, rss,
    /// requests, uptime, pid, memoryLimit, heapUsedAfterGc, majorGcs; other columns are gauges.
    #[arg(value_name = "TRACE.csv")]
    pub trace: PathBuf,
}

/// Why a replay failed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// `--target` names nobody.
    #[error("--target names no target of that configuration")]
    UnknownTarget,
    /// The limit is no size.
    #[error("--limit `{text}` is not a size (for example \"512MiB\", or 536870912 for bytes)")]
    Limit {
        /// What was given.
        text: String,
    },
    /// The trace cannot be understood.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The results cannot be written.
    #[error("cannot write the results")]
    Write(#[source] io::Error),
    /// The plot cannot be drawn.
    #[error("cannot draw {path}: {why}")]
    Plot {
        /// Which file.
        path: PathBuf,
        /// What the drawing said.
        why: String,
    },
}

/// A replay that has run.
struct Replay {
    samples: Vec<Sample>,
    events: Vec<LeakEvent>,
    detector: Detector,
    /// The floors of the lives that have ended, oldest first; the detector itself keeps those of the last.
    ended: Vec<Vec<FloorSeries>>,
}

impl Replay {
    /// Runs the detector over a recording.
    fn run(samples: Vec<Sample>, options: Options) -> Self {
        let block = options.block;
        let mut replay =
            Self { samples: Vec::new(), events: Vec::new(), detector: Detector::new(options), ended: Vec::new() };
        let mut floors = Vec::new();
        let mut drawn_at: Option<Timestamp> = None;
        for sample in &samples {
            let events = replay.detector.observe(Observation::Sample(sample));
            if events.iter().any(|event| matches!(event.change, Change::Restarted { .. })) {
                replay.ended.push(std::mem::take(&mut floors));
            }
            replay.events.extend(events);
            // A new floor comes with each block.
            if drawn_at.is_none_or(|at| sample.at.since(at) >= block) {
                drawn_at = Some(sample.at);
                floors = replay.detector.picture().floors;
            }
        }
        Self { samples, ..replay }
    }

    /// The floors of a signal, life by life.
    fn floors_of(&self, signal: Signal) -> Vec<Vec<(Timestamp, u64)>> {
        let last = self.detector.picture().floors;
        let of = |life: &Vec<FloorSeries>| {
            life.iter().find(|series| series.signal == signal).map(|series| series.points.clone())
        };
        self.ended.iter().chain([&last]).filter_map(of).collect()
    }
}

/// Runs the command with `options` of the detector; the limit of the command line goes before theirs.
pub fn run(args: &ReplayArgs, options: Options) -> Result<(), ReplayError> {
    let mut options = options;
    options.memory_limit = parse_limit(&args.limit)?.or(options.memory_limit);
    let replay = replay(&args.trace, options)?;
    if let Some(path) = &args.plot {
        let name = args.trace.file_name().unwrap_or_default().to_string_lossy();
        plot::draw(&replay, &name, path).map_err(|why| ReplayError::Plot { path: path.clone(), why })?;
    }
    let mut out = BufWriter::new(io::stdout().lock());
    if args.explain {
        let text = explain::render(&replay.detector.verdict(), &replay.detector.picture());
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(ReplayError::Write)
    } else {
        write_events(&replay.events, &mut out).map_err(ReplayError::Write)
    }
}

/// A size with a unit, or a plain number of bytes; nothing is no limit.
fn parse_limit(text: &str) -> Result<Option<ByteSize>, ReplayError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let bytes = text.parse().map(ByteSize::new).or_else(|_| ByteSize::parse(text, Prefixes::Decimal));
    bytes.map(Some).map_err(|_| ReplayError::Limit { text: text.to_owned() })
}

fn replay(trace: &Path, options: Options) -> Result<Replay, ReplayError> {
    let samples = trace::read(trace)?;
    let options = paced(options, &samples);
    Ok(Replay::run(samples, options))
}

/// The options with the interval at which the trace was recorded: a trace of one sample a minute has no gaps.
fn paced(mut options: Options, samples: &[Sample]) -> Options {
    /// Polls that a block should hold for its low to be a floor.
    const POLLS_IN_A_BLOCK: u32 = 6;
    let mut gaps: Vec<Duration> = samples.windows(2).map(|pair| pair[1].at.since(pair[0].at)).collect();
    gaps.retain(|gap| !gap.is_zero());
    gaps.sort_unstable();
    let Some(typical) = gaps.get(gaps.len() / 2) else { return options };
    if *typical > options.interval {
        options.interval = *typical;
        options.block = options.block.max(*typical * POLLS_IN_A_BLOCK);
    }
    options
}

/// One JSON object a line, in order of time.
fn write_events(events: &[LeakEvent], out: &mut impl Write) -> io::Result<()> {
    for event in events {
        serde_json::to_writer(&mut *out, &wire(event))?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// An event as `replay` prints it: flat, with the numbers that programs ask for by name.
fn wire(event: &LeakEvent) -> Value {
    let mut object = match &event.change {
        Change::LeakSuspected { signal, growth, reasons } => leak("leak_suspected", signal.name(), growth, reasons),
        Change::LeakConfirmed { signal, growth, reasons } => leak("leak_confirmed", signal.name(), growth, reasons),
        Change::StillLeaking { signal, growth } => leak("still_leaking", signal.name(), growth, &[]),
        Change::LeakResolved { signal, resolution } => {
            json!({"event": "leak_resolved", "signal": signal, "says": resolution.says})
        }
        Change::Restarted { ended, began, cause, kills_this_week } => json!({
            "event": "restarted", "life": began.number, "ended_life": ended.number, "cause": cause,
            "kills_this_week": kills_this_week,
        }),
        Change::SnapshotDue { part } => json!({"event": "snapshot_due", "part": part}),
        Change::GaugeExceeded { gauge, value, maximum } => {
            json!({"event": "gauge_exceeded", "gauge": gauge, "value": value, "maximum": maximum})
        }
        Change::GaugeRecovered { gauge, value, maximum } => {
            json!({"event": "gauge_recovered", "gauge": gauge, "value": value, "maximum": maximum})
        }
        Change::GaugeGrows { gauge, slope_per_hour, from, to, .. } => {
            json!({"event": "gauge_grows", "gauge": gauge, "slope_per_hour": slope_per_hour, "from": from, "to": to})
        }
        Change::GaugeSteady { gauge, value } => json!({"event": "gauge_steady", "gauge": gauge, "value": value}),
        Change::SeveralProcesses { evidence } => json!({"event": "several_processes", "says": evidence}),
    };
    object["time"] = json!(event.at.unix_seconds());
    object
}

fn leak(event: &str, signal: &str, growth: &Growth, reasons: &[Reason]) -> Value {
    json!({
        "event": event, "signal": signal,
        "slope_bytes_per_hour": growth.slope.bytes_per_hour().round(),
        "from_bytes": growth.from_bytes, "to_bytes": growth.to_bytes,
        "since": growth.since.unix_seconds(),
        "limit_bytes": growth.limit_bytes,
        "limit_in_seconds": growth.limit_in_seconds.map(f64::round),
        "reasons": reasons,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_size_or_bytes_or_nothing() {
        for (text, bytes) in [("", None), (" ", None), ("536870912", Some(512 << 20)), ("512MiB", Some(512 << 20))] {
            assert_eq!(parse_limit(text).unwrap().map(ByteSize::bytes), bytes, "{text:?}");
        }
        assert!(matches!(parse_limit("much"), Err(ReplayError::Limit { .. })));
    }
}
