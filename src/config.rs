//! The configuration: defaults, then the file, then `HEAPWATCH_` variables, checked whole before anything starts.
//!
//! The only place that knows key names. It reads the file and the secrets it names, and makes sure that the
//! directories can be written; it opens no socket and starts nothing.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::http::Trust;
use crate::target::{Labels, TargetName};
use crate::units::ByteSize;
use crate::{alert, capture, discovery, leak, probe, retention, store};

mod alerts;
mod channel;
mod connection;
mod detection;
mod directory;
pub(crate) mod documented;
mod files;
mod found;
mod group;
mod house;
mod instances;
mod layers;
mod places;
mod problem;
mod profile;
#[cfg(test)]
mod reference;
mod remote_write;
mod report;
mod routes;
mod same;
mod secret;
mod snapshot;
mod sources;
mod table;
mod target;
mod values;
mod web;

use found::Wrong;
use layers::Layers;
use report::Report;
use secret::Vault;
use table::Table;

pub use instances::Template;
pub use problem::{Problem, Problems};

/// Long enough for deliveries that are under way, and shorter than systemd's patience of 90 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Everything that heapwatch is told, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it came from, if any.
    pub file: Option<PathBuf>,
    /// The files that it includes.
    pub included: Vec<PathBuf>,
    /// SHA-256 of all of them.
    pub hash: Option<[u8; 32]>,
    /// Where the state database lives.
    pub state_directory: PathBuf,
    /// Where snapshots are kept; by default `snapshots` in the state directory.
    pub snapshot_directory: PathBuf,
    /// Where API, metrics and status page answer, and whom.
    pub web: WebOptions,
    /// What is logged, and how.
    pub log: LogOptions,
    /// Whom to watch, in the order of the file; names are unique.
    pub targets: Vec<Target>,
    /// Where targets are listed that come and go, in the order of the file; names are unique.
    pub sources: Vec<Source>,
    /// How lists are believed.
    pub discovery: Discovery,
    /// Where alerts go; never empty.
    pub channels: Vec<alert::Channel>,
    /// Which captures are kept.
    pub retention: retention::Policy,
    /// How long the database remembers what happened.
    pub keep: store::Keep,
    /// Who is sent what is told of targets in numbers.
    pub remote_write: Vec<crate::remote_write::Options>,
    /// What heapwatch allows itself over all targets.
    pub limits: Limits,
    /// What is told, and how often.
    pub alerts: AlertOptions,
    /// How long an orderly stop may drain deliveries.
    pub stop_timeout: Duration,
    /// What is allowed but probably not meant, one sentence each.
    pub warnings: Vec<String>,
}

/// One process to watch, with every default filled in.
#[derive(Clone, Debug)]
pub struct Target {
    /// Unique over the configuration.
    pub name: TargetName,
    /// Shown with every alert and metric.
    pub labels: Labels,
    /// Targets of one group are never captured at once; without a group, a target is a group of its own.
    pub group: Option<String>,
    /// Time between two polls.
    pub interval: Duration,
    /// How it is polled.
    pub probe: Arc<probe::Options>,
    /// How it is judged.
    pub leak: Arc<leak::Options>,
    /// How it is captured; `None` where snapshots are off.
    pub capture: Option<Box<capture::Options>>,
    /// How it is profiled; `None` where that is off.
    pub profile: Option<Box<capture::ProfileOptions>>,
    /// Failed polls in a row until it is called down.
    pub down_after: u32,
}

/// A list of targets that come and go.
#[derive(Clone, Debug)]
pub struct Source {
    /// Unique over the configuration.
    pub name: String,
    /// Where the list is, and how often it is looked at.
    pub options: discovery::Options,
    /// What its targets have in common.
    pub template: Template,
}

impl Source {
    /// Tells it from a source of the same name that lists something else.
    pub fn place(&self) -> String {
        let place = &self.options.place;
        let secret = match place {
            discovery::Place::Web(web) => web.url.query().unwrap_or_default(),
            discovery::Place::Files(_) | discovery::Place::Dns(_) => "",
        };
        let digest = Sha256::digest(secret.as_bytes());
        let hash = digest.iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        format!("{} {} {hash:x}", place.kind(), place.shown())
    }
}

/// How the lists of all sources are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// How patient a source is.
    pub patience: discovery::keeping::Patience,
    /// How long the incident of a target that is no longer listed stays open.
    pub hold: Duration,
    /// Most targets, the configured among them.
    pub max_targets: usize,
}

impl Default for Discovery {
    fn default() -> Self {
        let patience = discovery::keeping::Patience { empty_after: Duration::from_mins(10), alert_after: 3 };
        Self { patience, hold: Duration::from_hours(1), max_targets: 100_000 }
    }
}

/// Where API, metrics and status page answer, and whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOptions {
    /// All of it.
    pub listen: Listen,
    /// Metrics alone, besides; off by default.
    pub metrics_listen: Listen,
    /// Permissions of socket files.
    pub socket_mode: u32,
    /// Who is answered.
    pub access: crate::web::Access,
    /// How many at once, and how patiently.
    pub limits: crate::web::Limits,
}

/// An address to answer on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// On this address.
    Tcp(SocketAddr),
    /// On this Unix socket.
    Unix(PathBuf),
}

impl WebOptions {
    /// True where no other machine reaches any listener.
    pub fn is_local(&self) -> bool {
        let is_local = |listen: &Listen| match listen {
            Listen::Off | Listen::Unix(_) => true,
            Listen::Tcp(address) => address.ip().is_loopback(),
        };
        is_local(&self.listen) && is_local(&self.metrics_listen)
    }
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// The shape of a line.
    pub format: LogFormat,
    /// The least that is worth a line.
    pub level: LogLevel,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, the journal under systemd, JSON otherwise.
    Auto,
    /// For people.
    Text,
    /// One object a line.
    Json,
    /// To the journal, with fields.
    Journald,
}

/// The least that is worth a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Somebody must act.
    Error,
    /// Carried on, worse.
    Warn,
    /// State changes.
    Info,
    /// Each step.
    Debug,
    /// Each step of the libraries, too.
    Trace,
}

/// What heapwatch allows itself over all targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most captures at once.
    pub max_captures: usize,
    /// Most heap analyses at once; each holds a whole heap graph in memory.
    pub max_analyses: usize,
    /// Address space of one analysis, which runs in a process of its own.
    pub analysis_memory: ByteSize,
    /// Longest time for one analysis.
    pub analysis_timeout: Duration,
}

/// What is told, how often, and how hard it is tried.
#[derive(Clone, Debug)]
pub struct AlertOptions {
    /// When to speak, and how loud.
    pub policy: alert::policy::Options,
    /// Times and bounds of the deliveries, the same for every channel.
    pub outbox: alert::outbox::Options,
    /// Kinds of news that go to the channels, by [`alert::message::News::kind`]; the log has all of them.
    pub notify: BTreeSet<&'static str>,
    /// Whom to tell after each complete round of polls that heapwatch is alive.
    pub pings: Vec<alert::ping::Options>,
    /// Which channels hear of which alerts.
    pub routes: alert::route::Routes,
    /// Longest that a silence may last.
    pub longest_silence: Duration,
}

/// Where a configuration comes from; the caller reads the environment, this module never does.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// The environment.
    pub env: Vec<(String, String)>,
    /// systemd's `$CREDENTIALS_DIRECTORY`: where a bare name of a secret file is looked up.
    pub credentials_directory: Option<PathBuf>,
}

/// Reads and checks a configuration whole. All problems are found in one run.
pub fn load(sources: &Sources) -> Result<Config, Problems> {
    let report = read_layers(sources)?;
    let mut root = Table::root(&report);
    let config = read(&mut root, sources);
    root.finish();
    let (problems, warnings) = report.into_parts();
    if problems.is_empty() { Ok(Config { warnings, ..config }) } else { Err(Problems(problems)) }
}

/// The detector's options in `[defaults]`, for commands that judge a recording: what else stands in the file, they
/// need not even be able to read.
pub fn load_detection(sources: &Sources) -> Result<leak::Options, Problems> {
    let report = read_layers(sources)?;
    let options = target::default_detection(&mut Table::root(&report));
    let (problems, _) = report.into_parts();
    if problems.is_empty() { Ok(options) } else { Err(Problems(problems)) }
}

fn read_layers(sources: &Sources) -> Result<Report, Problems> {
    Layers::read(sources.file.as_deref(), &sources.env).map(Report::new).map_err(|problem| Problems(vec![problem]))
}

fn read(root: &mut Table<'_>, sources: &Sources) -> Config {
    let trust = Trust::default();
    let vault =
        Vault { credentials_directory: sources.credentials_directory.as_deref(), env: &sources.env, trust: &trust };
    let is_root = rustix::process::geteuid().is_root();
    let usual = directory::default_state_directory(&sources.env, is_root);
    let state_directory = directory::writable(root, "state_directory", usual);
    let snapshot_directory = directory::writable(root, "snapshot_directory", state_directory.join("snapshots"));
    let (channels, pings) = channel::read(root, &vault);
    let (targets, lists) = target::read(root, &vault);
    let prototypes = lists.iter().map(|source| source.template.prototype());
    let (retention, keep) = house::retention(root, targets.iter().chain(prototypes));
    Config {
        file: sources.file.clone(),
        included: included(root),
        hash: root.report.layers().hash,
        state_directory,
        snapshot_directory,
        web: web::read(root),
        log: house::log(root),
        retention,
        keep,
        remote_write: remote_write::read(root, &vault),
        limits: house::limits(root),
        alerts: alerts::read(root, pings, &channels),
        stop_timeout: root.duration("stop_timeout", STOP_TIMEOUT, Duration::ZERO..=Duration::from_mins(5)),
        targets,
        sources: lists,
        discovery: sources::discovery(root),
        channels,
        warnings: Vec::new(),
    }
}

/// The files were read with the layers; here the key is only checked.
fn included(root: &mut Table<'_>) -> Vec<PathBuf> {
    let example = format!("[\"{}\"]", files::USUALLY_INCLUDED);
    root.read("include", |found| found.texts().map_err(|problem| Wrong::with_example(problem, example)));
    root.report.layers().included().map(PathBuf::from).collect()
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_captures: 2,
            max_analyses: 1,
            // Within the unit's MemoryMax=2G, beside the daemon itself.
            analysis_memory: ByteSize::mib(1536),
            analysis_timeout: Duration::from_mins(30),
        }
    }
}
