//! Where log lines go and what they look like.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{LogFormat, LogLevel, LogOptions};

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The journal's socket is not there.
    #[error("cannot log to the journal")]
    Journal(#[source] io::Error),
    /// The file cannot be written.
    #[error("cannot log to a file")]
    File(#[source] io::Error),
    /// Another log was set up before.
    #[error("cannot set up the log")]
    Twice(#[from] TryInitError),
}

/// Starts logging to stderr or the journal.
pub fn start(options: LogOptions) -> Result<(), LoggingError> {
    let layer = match options.format {
        LogFormat::Auto if under_systemd() => journal()?,
        LogFormat::Auto if io::stderr().is_terminal() => text(),
        LogFormat::Auto | LogFormat::Json => json(),
        LogFormat::Text => text(),
        LogFormat::Journald => journal()?,
    };
    Ok(tracing_subscriber::registry().with(layer).with(filter(options.level)).try_init()?)
}

/// Logs to a file as text, for the demo, whose standard output is for its own story.
pub(super) fn to_file(path: &Path) -> Result<(), LoggingError> {
    let file = File::create(path).map_err(LoggingError::File)?;
    let layer = fmt::layer().with_ansi(false).with_writer(file);
    Ok(tracing_subscriber::registry().with(layer).with(filter(LogLevel::Info)).try_init()?)
}

type AnyLayer = Box<dyn Layer<Registry> + Send + Sync>;

fn text() -> AnyLayer {
    Box::new(fmt::layer().with_target(false).with_ansi(io::stderr().is_terminal()).with_writer(io::stderr))
}

fn json() -> AnyLayer {
    Box::new(fmt::layer().json().flatten_event(true).with_writer(io::stderr))
}

fn journal() -> Result<AnyLayer, LoggingError> {
    let layer = tracing_journald::layer().map_err(LoggingError::Journal)?;
    Ok(Box::new(layer.with_field_prefix(Some("HEAPWATCH".to_owned()))))
}

/// systemd sets this where standard error is the journal.
fn under_systemd() -> bool {
    std::env::var_os("JOURNAL_STREAM").is_some()
}

/// Libraries speak from `warn` on, unless everything is asked for.
fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "warn,heapwatch=info",
        LogLevel::Debug => "warn,heapwatch=debug",
        LogLevel::Trace => "trace",
    })
}
