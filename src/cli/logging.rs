//! Where the log goes: text on a terminal, the journal under systemd, JSON lines otherwise; always away from stdout,
//! which is for results.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;

use rustix::fs::fstat;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{LogFormat, LogLevel, LogOptions};

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// `format = "journald"`, and there is no journal.
    #[error("cannot write to the journal, as `log.format` says")]
    Journal(#[source] io::Error),
    /// The file cannot be written.
    #[error("cannot log to {path}")]
    File {
        /// Which file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// Somebody has started a log before.
    #[error("cannot start the log twice")]
    Twice(#[from] TryInitError),
}

/// Starts the log of this process.
pub fn start(options: LogOptions) -> Result<(), LoggingError> {
    let lines = match options.format {
        LogFormat::Text => text(),
        LogFormat::Journald => journal().map_err(LoggingError::Journal)?,
        LogFormat::Auto if io::stderr().is_terminal() => text(),
        LogFormat::Auto if stderr_is_the_journal() => journal().unwrap_or_else(|_| json()),
        LogFormat::Auto | LogFormat::Json => json(),
    };
    install(lines, options.level)
}

/// Logs to a file as text: the demo's standard output and error are for its own story.
pub(super) fn to_file(path: &Path) -> Result<(), LoggingError> {
    let unwritable = |source| LoggingError::File { path: path.display().to_string(), source };
    let file = File::create(path).map_err(unwritable)?;
    let lines = fmt::layer().with_ansi(false).with_target(false).with_writer(file).log_internal_errors(false);
    install(lines.boxed(), LogLevel::Info)
}

fn install(lines: Lines, level: LogLevel) -> Result<(), LoggingError> {
    Ok(tracing_subscriber::registry().with(lines.with_filter(filter(level))).try_init()?)
}

type Lines = Box<dyn Layer<Registry> + Send + Sync>;

fn text() -> Lines {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    fmt::layer().with_writer(io::stderr).with_target(false).with_ansi(colours).log_internal_errors(false).boxed()
}

/// One object a line, the fields beside the message.
fn json() -> Lines {
    fmt::layer().json().flatten_event(true).with_writer(io::stderr).log_internal_errors(false).boxed()
}

/// Fields as `HEAPWATCH_TARGET_NAME=`, for `journalctl HEAPWATCH_TARGET_NAME=api`.
fn journal() -> io::Result<Lines> {
    let layer = tracing_journald::layer()?.with_field_prefix(Some("HEAPWATCH".to_owned()));
    Ok(layer.with_syslog_identifier("heapwatch".to_owned()).boxed())
}

/// systemd names the journal's end of our stderr by device and inode, so that a redirected stderr is told apart.
fn stderr_is_the_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    fstat(io::stderr()).is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Libraries talk of their own affairs, so they are heard only when something is wrong, or on request.
fn filter(level: LogLevel) -> Targets {
    let own = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => return Targets::new().with_default(LevelFilter::TRACE),
    };
    Targets::new().with_default(own.min(LevelFilter::WARN)).with_target("heapwatch", own)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn libraries_are_heard_only_when_something_is_wrong() {
        let debug = filter(LogLevel::Debug);
        assert!(debug.would_enable("heapwatch::daemon", &Level::DEBUG));
        assert!(!debug.would_enable("hyper_util::client", &Level::INFO));
        assert!(debug.would_enable("hyper_util::client", &Level::WARN));
        assert!(!filter(LogLevel::Error).would_enable("hyper_util::client", &Level::WARN));
        assert!(filter(LogLevel::Trace).would_enable("hyper_util::client", &Level::TRACE));
    }
}
