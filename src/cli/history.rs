//! `heapwatch history TARGET`: the stored samples, for people by the hour and for `heapwatch replay` as CSV.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use comfy_table::{Table, presets};

use crate::clock::Timestamp;
use crate::sample::Sample;
use crate::store::{Store, StoreError};
use crate::target::TargetName;
use crate::units::ByteSize;

/// Show the stored samples of a target, by the hour.
///
/// Two days of samples are kept, and the lows of each ten minutes for a month. As CSV they are what `heapwatch
/// replay` reads, so that every verdict can be looked at again. Times in the CSV leave out clock steps.
#[derive(Clone, Debug, Args)]
pub struct HistoryArgs {
    /// Whose samples.
    pub target: TargetName,
    /// Print every sample as a line of CSV.
    #[arg(long)]
    pub csv: bool,
    /// Only the last part of the history, such as `6h` [default: all of it].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub since: Option<Duration>,
}

/// Why the command ended early.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The state database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing is stored of this target.
    #[error("no samples of `{target}` are stored{}", known(names))]
    Nothing {
        /// As it was asked for.
        target: TargetName,
        /// Those of which samples are stored.
        names: Vec<TargetName>,
    },
    /// Standard output is gone.
    #[error("cannot print")]
    Print(#[from] io::Error),
    /// The samples cannot be written as CSV.
    #[error("cannot print the samples as CSV")]
    Csv(#[from] csv::Error),
}

fn known(names: &[TargetName]) -> String {
    /// Enough to see a slip of the finger; a list of thousands helps nobody.
    const MOST: usize = 20;
    if names.is_empty() {
        return String::new();
    }
    let shown: Vec<&str> = names.iter().take(MOST).map(TargetName::as_str).collect();
    format!("; there are samples of {}{}", shown.join(", "), if names.len() > MOST { ", ..." } else { "" })
}

/// The columns of a trace, as `heapwatch replay` knows them.
const COLUMNS: [&str; 8] = ["time", "heapUsed", "heapTotal", "external", "arrayBuffers", "rss", "requests", "uptime"];

/// Runs the command on a state directory; the daemon may be at work on it.
pub fn run(args: &HistoryArgs, state: &Path, out: &mut impl Write) -> Result<(), HistoryError> {
    let target = &args.target;
    let (mut samples, names) = Store::attach(state)?.read(|state| {
        let samples = state.samples(target, Timestamp::from_unix_ms(i64::MIN))?;
        let names = if samples.is_empty() { state.targets_with_samples()? } else { Vec::new() };
        Ok((samples, names))
    })?;
    let Some(last) = samples.last().map(|sample| sample.at) else {
        return Err(HistoryError::Nothing { target: target.clone(), names });
    };
    if let Some(since) = args.since {
        samples.retain(|sample| !sample.at.is_before(last.minus(since)));
    }
    if args.csv { write_csv(&samples, out) } else { Ok(writeln!(out, "{}", by_the_hour(&samples))?) }
}

fn write_csv(samples: &[Sample], out: &mut impl Write) -> Result<(), HistoryError> {
    let mut trace = csv::Writer::from_writer(out);
    trace.write_record(COLUMNS)?;
    for sample in samples {
        let text = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
        let uptime = sample.uptime.map_or_else(String::new, |uptime| format!("{:.3}", uptime.as_secs_f64()));
        trace.write_record([
            format!("{:.3}", sample.at.steady_ms() as f64 / 1000.0),
            text(sample.heap_used),
            text(sample.heap_total),
            text(sample.external),
            text(sample.array_buffers),
            text(sample.rss),
            text(sample.requests),
            uptime,
        ])?;
    }
    Ok(trace.flush()?)
}

/// Lowest and highest heapUsed and rss of each hour.
fn by_the_hour(samples: &[Sample]) -> Table {
    const HOUR_MS: i64 = 3_600_000;
    let mut hours: BTreeMap<i64, Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        hours.entry(sample.at.steady_ms().div_euclid(HOUR_MS)).or_default().push(sample);
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["FROM", "SAMPLES", "HEAP USED", "RSS"]);
    for hour in hours.values() {
        let Some(first) = hour.first() else { continue };
        table.add_row([
            first.at.to_string(),
            hour.len().to_string(),
            range(hour.iter().filter_map(|sample| sample.heap_used)),
            range(hour.iter().filter_map(|sample| sample.rss)),
        ]);
    }
    table
}

fn range(values: impl Iterator<Item = u64> + Clone) -> String {
    match (values.clone().min(), values.max()) {
        (Some(lowest), Some(highest)) => format!("{} to {}", ByteSize::new(lowest), ByteSize::new(highest)),
        _ => String::new(),
    }
}
