//! `heapwatch status`, `snapshot` and `rearm`: what the daemon sees, and what a person may ask of it.

mod verdict;

use clap::Args;
use comfy_table::{Table, presets};

use super::client::{AskError, ServerArgs};
use super::explain;
use super::output::print;
use crate::leak::Picture;
use crate::leak::event::PairPart;
use crate::silence::Silence;
use crate::status::TargetStatus;
use crate::status::house::{ChannelStatus, SourceStatus};
use crate::target::TargetName;
use crate::units::ByteSize;
use crate::web::{SnapshotAnswer, TargetsPage};

/// Show every target: verdict, memory, growth, time to the limit, and the evidence so far.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Print JSON, one object with all targets.
    #[arg(long)]
    json: bool,
}

/// Show every gate of a target's verdict with its value and threshold, and a chart of its floors.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// Whose verdict.
    target: TargetName,
    #[command(flatten)]
    server: ServerArgs,
    /// Print the target's status as JSON instead.
    #[arg(long)]
    json: bool,
}

/// Take a heap snapshot now, if the safety gate allows it.
#[derive(Clone, Debug, Args)]
pub struct SnapshotArgs {
    /// Whose heap.
    target: TargetName,
    #[command(flatten)]
    server: ServerArgs,
}

/// Allow captures of a target again, after one coincided with the death of its process.
#[derive(Clone, Debug, Args)]
pub struct RearmArgs {
    /// Whose captures.
    target: TargetName,
    #[command(flatten)]
    server: ServerArgs,
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The daemon did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Standard output is gone.
    #[error("cannot print")]
    Print(#[from] std::io::Error),
    /// The safety gate said no.
    #[error("no snapshot of {target}: {}", refusals.join("; "))]
    Gate {
        /// Whose.
        target: TargetName,
        /// Every rule that said no.
        refusals: Vec<String>,
    },
    /// Snapshots are off.
    #[error("{0}")]
    Off(String),
}

#[derive(serde::Deserialize)]
struct Silences {
    silences: Vec<Silence>,
}

#[derive(serde::Deserialize)]
struct Channels {
    channels: Vec<ChannelStatus>,
}

#[derive(serde::Deserialize)]
struct Sources {
    sources: Vec<SourceStatus>,
}

#[derive(serde::Deserialize, serde::Serialize)]
pub(super) struct Targets {
    pub(super) targets: Vec<TargetStatus>,
}

/// Prints the status of every target.
pub async fn status(args: StatusArgs) -> Result<(), StatusError> {
    let all = Targets { targets: every_target(&args.server).await? };
    if args.json {
        // Plain data with text keys, which JSON can always hold.
        print(&serde_json::to_string_pretty(&all).unwrap_or_default())?;
    } else {
        print(&table(&all.targets).to_string())?;
        for line in telling(&args.server).await? {
            print(&line)?;
        }
    }
    Ok(())
}

/// Who is not told at present: what is silenced, and channels that take nothing.
async fn telling(server: &ServerArgs) -> Result<Vec<String>, StatusError> {
    let Silences { silences } = server.get(&["api", "v1", "silences"]).await?;
    let Channels { channels } = server.get(&["api", "v1", "channels"]).await?;
    let Sources { sources } = server.get(&["api", "v1", "discovery"]).await?;
    let silenced = silences.iter().map(|silence| format!("{}: {} is {}", silence.id, silence.scope, silence.mark()));
    let broken = channels.iter().filter_map(|channel| {
        let why = channel.broken.as_ref()?;
        let since = channel.broken_since.map_or_else(String::new, |since| format!(" since {since}"));
        Some(format!("channel {} is broken{since} and owed {} alerts: {why}", channel.name, channel.owed))
    });
    Ok(silenced.chain(broken).chain(sources.iter().flat_map(source_lines)).collect())
}

/// What is wrong with a source, and what it holds back.
fn source_lines(source: &SourceStatus) -> Vec<String> {
    let SourceStatus { name, kind, targets, .. } = source;
    let mut lines = Vec::new();
    if let Some(why) = &source.last_error {
        let since = source.last_success.map_or_else(String::new, |good| format!(" of {good}"));
        lines.push(format!("source {name} ({kind}) keeps its last good list{since}, {targets} targets: {why}"));
    }
    if let Some(first) = source.refusals.first() {
        lines.push(format!("source {name} ({kind}): {} instances make no target: {first}", source.refused));
    }
    let leaving = source.leaving.iter();
    lines.extend(leaving.map(|left| {
        format!("source {name} ({kind}) lists {} no more; its incident is closed at {}", left.name, left.until)
    }));
    lines
}

/// Page by page: a fleet is more than one answer holds.
async fn every_target(server: &ServerArgs) -> Result<Vec<TargetStatus>, AskError> {
    let mut targets = Vec::new();
    let mut after: Option<TargetName> = None;
    loop {
        let query: Vec<(&str, String)> = after.iter().map(|name| ("after", name.to_string())).collect();
        let page: TargetsPage = server.get_some(&["api", "v1", "targets"], &query).await?;
        targets.extend(page.targets.into_iter().map(|target| target.status));
        after = page.next;
        if after.is_none() {
            return Ok(targets);
        }
    }
}

/// Prints how a verdict was reached.
pub async fn explain(args: ExplainArgs) -> Result<(), StatusError> {
    let path = ["api", "v1", "targets", args.target.as_str()];
    let status: TargetStatus = args.server.get(&path).await?;
    if args.json {
        print(&serde_json::to_string_pretty(&status).unwrap_or_default())?;
        return Ok(());
    }
    let picture: Picture = args.server.get(&[&path[..], &["picture"]].concat()).await?;
    match &status.watch.verdict {
        Some(verdict) => print(&explain::render(verdict, &picture))?,
        None => print("not polled yet")?,
    }
    if let Some(why) = &status.watch.last_failure {
        print(&format!("the last poll failed: {why}"))?;
    }
    if let Some(mark) = &status.care.silenced {
        print(&mark.to_string())?;
    }
    let found = evidence(&status);
    if !found.is_empty() {
        print(&format!("evidence: {found}"))?;
    }
    if let Some(rests_on) = status.care.episode.as_ref().and_then(|episode| episode.evidence.as_ref()) {
        print(&format!("it rests on: {rests_on}"))?;
    }
    if let Some(profiles) = &status.care.profiles {
        print(&format!("profiles: {profiles}"))?;
    }
    Ok(())
}

/// Asks for a snapshot.
pub async fn snapshot(args: SnapshotArgs) -> Result<(), StatusError> {
    let target = args.target;
    let answer = args.server.post(&["api", "v1", "targets", target.as_str(), "snapshot"]).await?;
    match answer {
        SnapshotAnswer::Started { part } => {
            let which = match part {
                PairPart::Baseline => "a baseline",
                PairPart::First => "the first of a pair",
                PairPart::Second => "the second of a pair",
            };
            print(&format!("taking a snapshot of {target}, {which}; `heapwatch status` shows when it is stored"))?;
            Ok(())
        }
        SnapshotAnswer::Refused { refusals, advice } => {
            for line in advice {
                print(&format!("you can: {line}"))?;
            }
            Err(StatusError::Gate { target, refusals })
        }
        SnapshotAnswer::Off { why } => Err(StatusError::Off(why)),
    }
}

/// Allows captures again.
pub async fn rearm(args: RearmArgs) -> Result<(), StatusError> {
    let target = args.target;
    let answer: serde_json::Value = args.server.post(&["api", "v1", "targets", target.as_str(), "rearm"]).await?;
    let was_disarmed = answer.get("was_disarmed").and_then(serde_json::Value::as_bool).unwrap_or(false);
    print(&if was_disarmed {
        format!("captures of {target} are allowed again")
    } else {
        format!("captures of {target} were not off; nothing changed")
    })?;
    Ok(())
}

/// What `status` and `top` show of every target.
pub(super) const HEADER: [&str; 6] = ["TARGET", "VERDICT", "MEMORY", "GROWTH", "LIMIT IN", "EVIDENCE"];

pub(super) fn table(targets: &[TargetStatus]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(HEADER);
    for status in targets {
        table.add_row(row(status));
    }
    table
}

/// One target below [`HEADER`].
pub(super) fn row(status: &TargetStatus) -> [String; 6] {
    let watch = &status.watch;
    let verdict = watch.verdict.as_ref();
    let growth = verdict.and_then(|verdict| verdict.growth);
    let memory = watch.sample.as_ref().and_then(|sample| sample.heap_used.or(sample.rss));
    [
        status.name.to_string(),
        verdict::cell(status),
        memory.map_or_else(String::new, |bytes| ByteSize::new(bytes).to_string()),
        growth.map_or_else(String::new, |growth| growth.slope.to_string()),
        growth
            .and_then(|growth| growth.limit_in_seconds)
            .map_or_else(String::new, |seconds| format!("{:.1} h", seconds / 3600.0)),
        evidence_and_silence(status),
    ]
}

fn evidence_and_silence(status: &TargetStatus) -> String {
    match &status.care.silenced {
        Some(mark) => format!("{} [silenced until {}]", evidence(status), mark.until).trim_start().to_owned(),
        None => evidence(status),
    }
}

fn evidence(status: &TargetStatus) -> String {
    let care = &status.care;
    if let Some(why) = &care.disarmed {
        return format!("captures are off: {why}");
    }
    if let Some(culprit) = care.episode.as_ref().and_then(|episode| episode.culprit.clone()) {
        return culprit;
    }
    if care.capturing.is_some() {
        return "taking a snapshot".to_owned();
    }
    match (&care.waiting, &care.episode) {
        (Some(waiting), _) if !waiting.refusals.is_empty() => format!("no snapshot: {}", waiting.refusals.join("; ")),
        (_, Some(episode)) => format!("{} snapshots", episode.snapshots.len()),
        _ => String::new(),
    }
}
