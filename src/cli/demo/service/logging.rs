//! The bug that the demo's own service really has: a request middleware that registers a listener for the whole process,
//! once per request, and never takes it away.

use super::process::{Listener, Process};

/// This file, as snapshots name it.
pub(super) const SCRIPT: &str = file!();

/// Keeps the request for a log line that only an uncaught exception would write.
pub(super) fn log_requests(process: &mut Process, request_id: String, trace: String) {
    // Right would be one listener for all requests, registered when the service starts.
    process.on_uncaught_exception(Listener::new(request_id, trace));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_name_the_line_that_leaks() {
        let mut process = Process::default();
        log_requests(&mut process, "r-1".to_owned(), String::new());
        let made_at = process.census().listeners[0].made_at;
        let line = include_str!("logging.rs").lines().nth(made_at.line() as usize - 1).unwrap();
        assert_eq!(made_at.file(), SCRIPT);
        assert!(
            line.chars().skip(made_at.column() as usize - 1).collect::<String>().starts_with("Listener::new"),
            "{made_at} is {line:?}"
        );
    }
}
