//! `heapwatch heap`: snapshots read, compared and explained on the command line.

mod comparison;
mod profiles;
mod sidecars;
mod source;
mod source_maps;
mod tables;

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use indicatif::MultiProgress;

use crate::heap::profile::ProfileError;
use crate::heap::redact::{Key, redact};
use crate::heap::report::Report;
use crate::heap::retaining::retaining;
use crate::heap::settle::settle;
use crate::heap::source_map::restore_sources;
use crate::heap::summary::summarise;
use crate::heap::{HeapError, LoadOptions, Snapshot};
use crate::units::ByteSize;

/// What to do with heap snapshots.
#[derive(Debug, Subcommand)]
pub enum HeapCommand {
    /// Tell what one snapshot holds: largest objects, containers that can grow, duplicate strings, classes
    Summary(SummaryArguments),
    /// Compare two snapshots, or two heap profiles, of one process: what leaks, classes, growth of what stayed
    Diff(PairArguments),
    /// Tell what keeps one object alive
    Retainers(RetainersArguments),
    /// Compare two snapshots, or two heap profiles, of one process and print only what leaks
    Culprit(PairArguments),
    /// Copy a snapshot with every text replaced that is no name, so that it can be shown to others
    Redact(RedactArguments),
}

/// One snapshot.
#[derive(Debug, Args)]
pub struct SummaryArguments {
    /// The snapshot (plain, gzip or zstd)
    file: PathBuf,
    #[command(flatten)]
    common: CommonArguments,
}

/// Two snapshots, or two profiles, of one process.
#[derive(Debug, Args)]
pub struct PairArguments {
    /// The earlier snapshot or profile (plain, gzip or zstd)
    before: PathBuf,
    /// The later snapshot or profile
    after: PathBuf,
    /// A third, still later snapshot: only what goes on growing is a leak
    #[arg(long = "final", value_name = "FILE")]
    third: Option<PathBuf>,
    /// Look for source maps of bundled scripts here, besides beside the scripts
    #[arg(long, value_name = "DIRECTORY")]
    source_maps: Option<PathBuf>,
    /// Of two profiles, draw what stayed as a flame graph (SVG)
    #[arg(long, value_name = "FILE")]
    flamegraph: Option<PathBuf>,
    #[command(flatten)]
    common: CommonArguments,
}

/// One object of a snapshot.
#[derive(Debug, Args)]
pub struct RetainersArguments {
    /// The snapshot (plain, gzip or zstd)
    file: PathBuf,
    /// The object's id, as shown after `@`
    #[arg(long)]
    id: u64,
    #[command(flatten)]
    common: CommonArguments,
}

/// A snapshot and its copy.
#[derive(Debug, Args)]
pub struct RedactArguments {
    /// The snapshot (plain, gzip or zstd)
    input: PathBuf,
    /// The copy to write; must not be there yet
    output: PathBuf,
}

/// What all commands understand.
#[derive(Debug, Args)]
struct CommonArguments {
    /// Refuse snapshots whose analysis would need more memory, for example "2GiB"
    #[arg(long, value_name = "SIZE")]
    budget: Option<ByteSize>,
    /// Leave out the references, at once or only where the budget demands it: less than half the memory, but only
    /// classes and counts
    #[arg(long, value_enum, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "always")]
    without_edges: Option<WithoutEdges>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// When references are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WithoutEdges {
    /// In any case
    Always,
    /// Where the analysis would not fit the budget with them
    OverBudget,
}

impl CommonArguments {
    fn load_options(&self) -> LoadOptions {
        LoadOptions { budget: self.budget, without_edges: self.without_edges == Some(WithoutEdges::Always) }
    }
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
    /// Two files of which it is known that they are no pair.
    #[error("{} and {} cannot be compared: {why}", before.display(), after.display())]
    NoPair {
        /// The first file.
        before: PathBuf,
        /// The second file.
        after: PathBuf,
        /// What their sidecars say.
        why: String,
    },
    /// An id that no object has.
    #[error("{} has no object @{id}", path.display())]
    NoSuchObject {
        /// The file.
        path: PathBuf,
        /// The id.
        id: u64,
    },
    /// Profiles that cannot be read or compared.
    #[error("cannot analyse {what}")]
    Compare {
        /// The files.
        what: String,
        /// What is wrong with them.
        source: ProfileError,
    },
    /// An option that means nothing here.
    #[error("{what} is for snapshots, and these are heap profiles")]
    NotForProfiles {
        /// The option.
        what: &'static str,
    },
    /// An option that means nothing there.
    #[error("--flamegraph is for heap profiles, and these are snapshots")]
    NotForSnapshots,
    /// A flame graph of nothing.
    #[error("no stack grew between the two profiles, so there is nothing to draw")]
    NothingToDraw,
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
        HeapCommand::Summary(one) => print_summary(&one),
        HeapCommand::Diff(pair) if profiles::is_profile(&pair.before)? => profiles::print_comparison(&pair, true),
        HeapCommand::Diff(pair) => print_report(&pair, |report| tables::comparison(report) + &hints(&pair)),
        HeapCommand::Retainers(one) => print_retainers(&one),
        HeapCommand::Culprit(pair) if profiles::is_profile(&pair.before)? => profiles::print_comparison(&pair, false),
        HeapCommand::Culprit(pair) => print_report(&pair, tables::culprits),
        HeapCommand::Redact(copy) => redact_file(&copy),
    }
}

fn print_summary(one: &SummaryArguments) -> Result<(), HeapCliError> {
    let summary = summarise(&read(&one.file, &one.common)?);
    if one.common.json { print_json(&summary) } else { print(&tables::summary(&summary)) }
}

fn print_retainers(one: &RetainersArguments) -> Result<(), HeapCliError> {
    let found = retaining(&read(&one.file, &one.common)?, one.id);
    let found = found.ok_or_else(|| HeapCliError::NoSuchObject { path: one.file.clone(), id: one.id })?;
    if one.common.json { print_json(&found) } else { print(&tables::retaining(&found)) }
}

fn print_report(pair: &PairArguments, as_text: impl Fn(&Report) -> String) -> Result<(), HeapCliError> {
    if pair.flamegraph.is_some() {
        return Err(HeapCliError::NotForSnapshots);
    }
    let mut report = comparison::compare(&pair.before, &pair.after, &pair.common)?;
    if let Some(third) = &pair.third {
        settle(&mut report, &comparison::compare(&pair.after, third, &pair.common)?);
    }
    restore_sources(&mut report, |script| source_maps::find(script, pair.source_maps.as_deref()));
    if pair.common.json { print_json(&report) } else { print(&as_text(&report)) }
}

/// How to look further with other tools.
fn hints(pair: &PairArguments) -> String {
    let (before, after) = (pair.before.display(), pair.after.display());
    let last = pair.third.as_ref().unwrap_or(&pair.after).display();
    format!(
        "\nTo look further:\n  \
         Chrome DevTools: Memory, Load profile for both files, view Comparison; search for an object by its @id\n  \
         memlab: npx memlab find-leaks --baseline {before} --target {after} --final {last} --trace-all-objects\n"
    )
}

fn redact_file(copy: &RedactArguments) -> Result<(), HeapCliError> {
    let mut key = Key::default();
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    // A snapshot may still name people in property names: nobody else reads the copy until its owner shares it.
    let output = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&copy.output)
        .map_err(|source| HeapCliError::Open { path: copy.output.clone(), source })?;
    let bars = MultiProgress::new();
    let mut output = BufWriter::with_capacity(1 << 18, output);
    let redacted = redact(open(&copy.input, &bars)?, open(&copy.input, &bars)?, &mut output, &key)
        .map_err(|source| HeapCliError::Analyse { what: copy.input.display().to_string(), source })?;
    print(&format!(
        "{redacted} texts redacted in {}; names of properties are kept, keys of dictionaries among them\n",
        copy.output.display()
    ))
}

fn read(file: &Path, common: &CommonArguments) -> Result<Snapshot, HeapCliError> {
    let failed = |source| HeapCliError::Analyse { what: file.display().to_string(), source };
    let read = |options| Snapshot::read(open(file, &MultiProgress::new())?, options).map_err(failed);
    match read(common.load_options()) {
        Err(HeapCliError::Analyse { source: HeapError::OverBudget { .. }, .. })
            if common.without_edges == Some(WithoutEdges::OverBudget) =>
        {
            read(LoadOptions { without_edges: true, ..common.load_options() })
        }
        done => done,
    }
}

fn open(path: &Path, bars: &MultiProgress) -> Result<Box<dyn Read + Send>, HeapCliError> {
    source::open(path, bars).map_err(|source| HeapCliError::Open { path: path.to_owned(), source })
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
