//! How commands end: the exit codes, and errors printed once with their causes.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::Problems;
use crate::errors;

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

/// Why a command ends early. Any error becomes one by `?`, with exit code 1.
#[derive(Debug)]
pub enum Failure {
    /// What was asked could not be done.
    Failed(Box<dyn Error + Send + Sync>),
    /// The arguments parse, and still make no sense.
    Usage(String),
    /// The configuration is wrong.
    Config(Problems),
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// Says on stderr why a command ended early, if it did.
pub fn finish(outcome: Result<(), Failure>) -> ExitCode {
    let exit = match outcome {
        Ok(()) => Exit::Done,
        Err(Failure::Failed(error)) if is_broken_pipe(&*error) => Exit::Done,
        Err(Failure::Failed(error)) => say(Exit::Failed, &errors::one_line(&*error)),
        Err(Failure::Usage(why)) => say(Exit::Usage, &why),
        Err(Failure::Config(problems)) => say(Exit::Config, &format!("bad configuration\n{problems}")),
    };
    exit.into()
}

/// Prints clap's refusal, or the help or version that was asked for.
pub fn refuse(refusal: &clap::Error) -> ExitCode {
    let exit = if refusal.use_stderr() { Exit::Usage } else { Exit::Done };
    // Whoever reads the help through `head` has closed the pipe; there is nobody left to tell.
    refusal.print().ok();
    exit.into()
}

fn say(exit: Exit, why: &str) -> Exit {
    // With stderr closed there is nobody left to tell, and the exit code still says it.
    writeln!(io::stderr(), "heapwatch: {why}").ok();
    exit
}

/// The reader of our stdout went away, as `head` does: nothing went wrong.
fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    errors::causes(error).any(|cause| cause.downcast_ref().is_some_and(broken))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write the page")]
    struct Outer(#[source] io::Error);

    fn outcome(kind: io::ErrorKind) -> ExitCode {
        finish(Err(Outer(kind.into()).into()))
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        assert_eq!(outcome(io::ErrorKind::BrokenPipe), ExitCode::from(0));
        assert_eq!(outcome(io::ErrorKind::StorageFull), ExitCode::from(1));
    }
}
