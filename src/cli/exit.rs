//! How commands end: the exit codes, and errors printed once with their causes.

use std::process::ExitCode;

/// The exit codes of every command; the unit file's `RestartPreventExitStatus` knows them, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done what was asked.
    Done,
    /// Failed while running.
    Failed,
    /// The command line makes no sense (`EX_USAGE` of sysexits.h).
    Usage,
    /// The configuration is wrong (`EX_CONFIG` of sysexits.h).
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 64,
            Exit::Config => 78,
        }
        .into()
    }
}
