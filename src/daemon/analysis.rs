//! The analysis of captures, in a process of its own: its memory limit and low priority keep a huge or hostile one
//! from hurting the watchdog or its neighbours.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use crate::alert::message::Culprit;
use crate::clock::Timestamp;
use crate::daemon::caught::caught;
use crate::daemon::clock::Clock;
use crate::evidence::Evidence;
use crate::heap::profile::flame;
use crate::heap::profile::report::{Caller, ProfileCulprit, ProfileReport};
use crate::heap::report::{self, Report};
use crate::heap::summary::Summary;
use crate::target::TargetName;
use crate::units::ByteSize;

/// How an analysis is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The heapwatch executable.
    pub executable: PathBuf,
    /// Longest time for one analysis.
    pub timeout: Duration,
    /// Memory of the process.
    pub memory: ByteSize,
}

/// What is to be analysed.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// One snapshot: what it holds, long before there is a second one.
    Summary(PathBuf),
    /// A pair: what leaks.
    Comparison(PathBuf, PathBuf),
    /// A pair of profiles: which functions made what stays.
    Profiles(PathBuf, PathBuf),
}

/// How an analysis ended.
#[derive(Debug)]
pub struct Analysis {
    /// Whose heap it is.
    pub target: TargetName,
    /// Name of the newest capture in it, beside which the result is kept.
    pub snapshot: String,
    /// When it was over.
    pub at: Timestamp,
    /// What it found, or why not.
    pub outcome: Result<Finding, AnalysisError>,
}

/// What an analysis found.
#[derive(Debug)]
pub struct Finding {
    /// As data.
    pub kind: FindingKind,
    /// As it was printed: JSON.
    pub printed: String,
}

/// The kinds of findings.
#[derive(Debug)]
pub enum FindingKind {
    /// What one snapshot holds.
    Summary(Summary),
    /// What a pair says.
    Comparison(Report),
    /// What a pair of profiles says.
    Profiles(ProfileReport),
}

/// Why there is no analysis.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// The process could not be started or waited for.
    #[error("the analysis could not be run")]
    Run(#[from] std::io::Error),
    /// It ran too long.
    #[error("the analysis took longer than {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// It ended in failure, most likely at its memory limit.
    #[error("the analysis ended with {status}: {says}")]
    Failed {
        /// The exit status.
        status: std::process::ExitStatus,
        /// The end of what it wrote to stderr.
        says: String,
    },
    /// It printed something else than a report.
    #[error("the analysis printed no report")]
    Output(#[from] serde_json::Error),
    /// A defect of heapwatch cut it off.
    #[error("heapwatch itself failed over the analysis")]
    Panicked,
}

/// Most of a report that is read: names in a heap may be many, but a report lists only the worst.
const REPORT_LIMIT: u64 = 64 << 20;
/// Most of the error text that is read.
const ERROR_LIMIT: u64 = 4 << 10;

/// Analyses. Dropping the future kills the process.
pub(super) async fn run(options: Options, target: TargetName, snapshot: String, task: Task, clock: Clock) -> Analysis {
    let what = format!("the analysis of {snapshot}");
    let outcome = caught(&what, analyse(&options, &task)).await.unwrap_or(Err(AnalysisError::Panicked));
    Analysis { target, snapshot, at: clock.now(), outcome }
}

async fn analyse(options: &Options, task: &Task) -> Result<Finding, AnalysisError> {
    let mut command = Command::new(&options.executable);
    match task {
        Task::Summary(snapshot) => command.args(["heap", "summary", "--json"]).arg(snapshot),
        Task::Comparison(before, after) | Task::Profiles(before, after) => {
            command.args(["heap", "diff", "--json"]).args([before, after])
        }
    };
    command.arg("--budget").arg(format!("{}B", options.memory.bytes())).arg("--without-edges=over-budget");
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    restrain(&child, options.memory);
    let finished = tokio::time::timeout(options.timeout, collect(&mut child)).await;
    let (status, printed, says) = finished.map_err(|_| AnalysisError::Timeout(options.timeout))??;
    if !status.success() {
        return Err(AnalysisError::Failed { status, says });
    }
    let kind = match task {
        Task::Summary(_) => FindingKind::Summary(serde_json::from_str(&printed)?),
        Task::Comparison(..) => FindingKind::Comparison(serde_json::from_str(&printed)?),
        Task::Profiles(..) => FindingKind::Profiles(serde_json::from_str(&printed)?),
    };
    Ok(Finding { kind, printed })
}

/// Lowest priority and a bound on memory. Where the system refuses either, the comparison still runs.
fn restrain(child: &Child, memory: ByteSize) {
    /// The lowest priority there is.
    const NICEST: i32 = 19;
    /// Addresses are not memory: the program, stacks and reserves of its threads and of the allocator take these. The
    /// budget is kept by the analysis itself; this is for what it did not foresee.
    const ADDRESSES_BESIDE: u64 = 256 << 20;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let Some(pid) = pid else { return };
    let addresses = memory.bytes().saturating_add(memory.bytes() / 8).saturating_add(ADDRESSES_BESIDE);
    let bound = Rlimit { current: Some(addresses), maximum: Some(addresses) };
    rustix::process::prlimit(Some(pid), Resource::As, bound).ok();
    rustix::process::setpriority_process(Some(pid), NICEST).ok();
}

async fn collect(child: &mut Child) -> std::io::Result<(std::process::ExitStatus, String, String)> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (printed, says) = tokio::join!(read_some(stdout, REPORT_LIMIT), read_some(stderr, ERROR_LIMIT));
    let status = child.wait().await?;
    Ok((status, printed?, says?.trim().to_owned()))
}

async fn read_some(pipe: Option<impl tokio::io::AsyncRead + Unpin>, limit: u64) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let mut capped = pipe.take(limit);
        capped.read_to_end(&mut bytes).await?;
        // What is beyond the cap is read and dropped, so that the writer is never stuck on a full pipe.
        tokio::io::copy(&mut capped.into_inner(), &mut tokio::io::sink()).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// More culprits than these would bury the first one.
const MOST_SHOWN: usize = 5;

/// What an alert shows of a report: the most guilty few.
pub(super) fn culprits(report: &Report) -> Vec<Culprit> {
    report.culprits.iter().take(MOST_SHOWN).map(culprit).collect()
}

/// The same of two profiles.
pub(super) fn culprits_of_profiles(report: &ProfileReport) -> Vec<Culprit> {
    report.culprits.iter().take(MOST_SHOWN).map(culprit_of_profiles).collect()
}

/// What was found as a person reads it, for the file beside the snapshots.
pub(super) fn text(finding: &Finding) -> String {
    let mut lines = match &finding.kind {
        FindingKind::Summary(summary) => summary_lines(summary),
        FindingKind::Comparison(report) => comparison_lines(report),
        FindingKind::Profiles(report) => profile_lines(report),
    };
    lines.push(String::new());
    lines.join("\n")
}

/// The stacks that grew, drawn; nothing where it is about snapshots, or where nothing grew.
pub(super) fn flame_graph(finding: &Finding) -> Option<String> {
    let FindingKind::Profiles(report) = &finding.kind else { return None };
    let mut svg = Vec::new();
    // Writing to memory cannot fail; it is an error that no stack grew.
    flame::draw_still(report, &mut svg).ok().filter(|()| !report.stacks.is_empty())?;
    String::from_utf8(svg).ok()
}

fn summary_lines(summary: &Summary) -> Vec<String> {
    /// The first few say what a heap is made of.
    const MOST_SHOWN: usize = 12;
    let size = ByteSize::new;
    let mut lines =
        vec![format!("{} objects, {}", summary.nodes, size(summary.bytes)), "\nwhat retains most:".to_owned()];
    let largest = summary.largest.iter().take(MOST_SHOWN);
    lines.extend(largest.map(|one| format!("    {} {} {} @{}", size(one.retained), one.class, one.path, one.id)));
    lines.push("\nwhat holds the most entries:".to_owned());
    let containers = summary.containers.iter().take(MOST_SHOWN);
    lines.extend(containers.map(|one| format!("    {} in {} {} @{}", one.entries, one.class, one.path, one.id)));
    lines.push("\nclasses:".to_owned());
    let classes = summary.classes.iter().take(MOST_SHOWN);
    lines.extend(classes.map(|class| format!("    {} {} x {}", size(class.retained), class.count, class.name)));
    lines
}

fn comparison_lines(report: &Report) -> Vec<String> {
    let mut lines = vec![report.headline.clone()];
    for found in &report.culprits {
        lines.push(format!("\n{}", found.headline));
        lines.extend(found.path.iter().map(|step| format!("    {} {} @{}", step.edge, step.node, step.id)));
        lines.extend(found.caution.iter().map(|caution| format!("    but: {caution}")));
    }
    lines.extend(report.notes.iter().map(|note| format!("\nnote: {note}")));
    lines
}

fn profile_lines(report: &ProfileReport) -> Vec<String> {
    let mut lines = vec![report.headline.clone()];
    for found in &report.culprits {
        lines.push(format!("\n{}", found.headline));
        lines.extend(found.callers.iter().map(|caller| format!("    called by {}", place(caller))));
        if !found.through.is_empty() {
            lines.push(format!("    through {}", found.through.join(" > ")));
        }
    }
    lines.push("\nstacks that grew most, the innermost call first:".to_owned());
    lines.extend(report.stacks.iter().map(|stack| {
        let grown = ByteSize::new(stack.after_bytes.saturating_sub(stack.before_bytes));
        let frames: Vec<String> = stack.frames.iter().rev().map(place).collect();
        format!("    +{grown}  {}", frames.join(" < "))
    }));
    lines.extend(report.notes.iter().map(|note| format!("\nnote: {note}")));
    lines
}

fn place(frame: &Caller) -> String {
    match &frame.location {
        Some(at) => format!("{} at {}:{}:{}", frame.function, at.script, at.line, at.column),
        None => frame.function.clone(),
    }
}

fn culprit_of_profiles(found: &ProfileCulprit) -> Culprit {
    let location = found.location.as_ref().map(|at| format!("{}:{}:{}", at.script, at.line, at.column));
    Culprit {
        headline: found.headline.clone(),
        class: String::new(),
        function: Some(found.function.clone()),
        location,
        held_by: String::new(),
        count_delta: i64::try_from(found.samples).unwrap_or(i64::MAX),
        retained_delta: found.bytes_delta,
        share_of_growth: found.share_of_growth,
        evidence: Evidence::ProfilePair,
        callers: found.callers.iter().map(place).collect(),
    }
}

fn culprit(found: &report::Culprit) -> Culprit {
    let location = found.location.as_ref().map(|at| format!("{}:{}:{}", at.script, at.line, at.column));
    Culprit {
        headline: found.headline.clone(),
        class: found.class.clone(),
        function: (!found.function.is_empty()).then(|| found.function.clone()),
        location,
        held_by: found.held_by.clone(),
        count_delta: found.count_delta,
        retained_delta: found.retained_delta,
        share_of_growth: found.share_of_growth,
        evidence: Evidence::SnapshotPair,
        callers: Vec::new(),
    }
}
