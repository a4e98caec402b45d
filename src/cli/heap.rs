//! `heapwatch heap`: snapshots read, compared and explained on the command line.

mod source;
mod tables;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::heap::report::Report;
use crate::heap::{HeapError, LoadOptions, compare_snapshots};
use crate::units::ByteSize;

/// What to do with heap snapshots.
#[derive(Debug, Subcommand)]
pub enum HeapCommand {
    /// Compare two snapshots of one process: what leaks, classes, growth of what stayed
    Diff(PairArguments),
    /// Compare two snapshots of one process and print only what leaks
    Culprit(PairArguments),
}

/// Two snapshots of one process.
#[derive(Debug, Args)]
pub struct PairArguments {
    /// The earlier snapshot (plain, gzip or zstd)
    before: PathBuf,
    /// The later snapshot
    after: PathBuf,
    /// Refuse snapshots whose analysis would need more memory, for example "2GiB"
    #[arg(long, value_name = "SIZE")]
    budget: Option<ByteSize>,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// Why a command gave no result.
#[derive(Debug, thiserror::Error)]
pub enum HeapCliError {
    /// A file that cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or a pair that cannot be analysed.
    #[error("cannot analyse {what}")]
    Analyse {
        /// The files.
        what: String,
        /// What is wrong with them.
        source: HeapError,
    },
    /// The result cannot be written.
    #[error("cannot write the result")]
    Write(#[from] io::Error),
}

/// Does what `command` says and prints the result on standard output.
///
/// # Errors
/// [`HeapCliError`] where a file cannot be read or analysed, or the result cannot be written.
pub fn run(command: HeapCommand) -> Result<(), HeapCliError> {
    match command {
        HeapCommand::Diff(pair) => print_report(&pair, tables::comparison),
        HeapCommand::Culprit(pair) => print_report(&pair, tables::culprits),
    }
}

fn print_report(pair: &PairArguments, as_text: fn(&Report) -> String) -> Result<(), HeapCliError> {
    let report = compare(pair)?;
    if pair.json { print_json(&report) } else { print(&as_text(&report)) }
}

fn compare(pair: &PairArguments) -> Result<Report, HeapCliError> {
    let options = LoadOptions { budget: pair.budget };
    compare_snapshots(open(&pair.before)?, open(&pair.after)?, options).map_err(|source| HeapCliError::Analyse {
        what: format!("{} and {}", pair.before.display(), pair.after.display()),
        source,
    })
}

fn open(path: &Path) -> Result<Box<dyn io::Read>, HeapCliError> {
    source::open(path).map_err(|source| HeapCliError::Open { path: path.to_owned(), source })
}

fn print_json(value: &impl serde::Serialize) -> Result<(), HeapCliError> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, value).map_err(io::Error::from)?;
    Ok(writeln!(stdout)?)
}

fn print(text: &str) -> Result<(), HeapCliError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}
