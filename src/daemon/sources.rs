//! The sources of targets while they run: a task each that looks, the lists that are believed, and what is kept of them
//! on disk for the next start.
//!
//! It says which targets there should be; starting and ending their watchers is the supervisor's.

mod task;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::clock::Timestamp;
use crate::config::{Config, Discovery, Source, Target};
use crate::daemon::clock::Clock;
use crate::daemon::metrics::Metrics;
use crate::discovery::Finder;
use crate::discovery::keeping::{Change, Keeper, Patience};
use crate::discovery::list::Instance;
use crate::errors;
use crate::status::house::{LeavingTarget, SourceStatus};
use crate::store::documents;
use crate::target::TargetName;

use task::Task;

/// One piece of news a look: the supervisor takes them faster than looks come.
const NEWS_QUEUE: usize = 64;
/// Reasons of instances that make no target that are shown.
const MOST_REASONS: usize = 5;

/// All sources.
#[derive(Debug)]
pub(super) struct Sources {
    clock: Clock,
    metrics: Arc<Metrics>,
    directory: PathBuf,
    running: BTreeMap<String, Running>,
    /// In the order of the configuration: of two that name a target alike, the first one has it.
    order: Vec<String>,
    runs: u64,
    news: mpsc::Sender<News>,
    queue: mpsc::Receiver<News>,
}

/// One source.
#[derive(Debug)]
struct Running {
    source: Source,
    run: u64,
    keeper: Keeper,
    made: Vec<Arc<Target>>,
    /// Instances that make no target, and why.
    refused: Refused,
    /// Those, and the ones whose names others have.
    shown_refused: Refused,
    /// Targets that are gone from its list while their episodes are open.
    leaving: BTreeMap<TargetName, Leaving>,
    stop: CancellationToken,
}

/// A target that is no longer listed and whose incident is not closed yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Leaving {
    instance: Instance,
    since: Timestamp,
}

#[derive(Debug, Default, Clone)]
struct Refused {
    count: usize,
    reasons: Vec<String>,
}

impl Refused {
    fn add(&mut self, reason: impl FnOnce() -> String) {
        self.count += 1;
        if self.reasons.len() < MOST_REASONS {
            self.reasons.push(reason());
        }
    }
}

/// What a look has brought.
#[derive(Debug)]
pub(super) struct News {
    source: String,
    run: u64,
    keeper: Keeper,
    change: Change,
}

/// What of a source's news others must know.
#[derive(Debug)]
pub(super) enum Told {
    /// It has failed often enough.
    Trouble { source: String, why: String },
    /// It is well again.
    Recovered { source: String, why: String },
}

/// What is on disk of a source.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// Which source it was: a list of another place is of no use.
    place: String,
    keeper: Keeper,
    leaving: BTreeMap<TargetName, Leaving>,
}

impl Sources {
    pub(super) fn new(clock: Clock, metrics: Arc<Metrics>, state_directory: &Path) -> Self {
        let (news, queue) = mpsc::channel(NEWS_QUEUE);
        Self {
            clock,
            metrics,
            directory: state_directory.join("discovery"),
            running: BTreeMap::new(),
            order: Vec::new(),
            runs: 0,
            news,
            queue,
        }
    }

    /// The next news. Cancel-safe: a channel's receive.
    pub(super) async fn next(&mut self) -> Option<News> {
        self.queue.recv().await
    }

    /// Begins, changes and ends sources as the configuration says; a source that stays the same keeps its list. Of those
    /// that are gone or in another place now it is given back what is to be told, and whom nobody keeps any more.
    pub(super) async fn follow(&mut self, config: &Config, stop: &CancellationToken) -> (Vec<Told>, Vec<TargetName>) {
        let (mut told, mut orphans) = (Vec::new(), Vec::new());
        self.order = config.sources.iter().map(|source| source.name.clone()).collect();
        let wanted: BTreeSet<&String> = self.order.iter().collect();
        let gone: Vec<String> = self.running.keys().filter(|name| !wanted.contains(name)).cloned().collect();
        for name in gone {
            let Some(running) = self.running.remove(&name) else { continue };
            running.stop.cancel();
            self.forget(&name).await;
            orphans.extend(running.leaving.into_keys());
            if running.keeper.told {
                told.push(Told::Recovered { source: name, why: "it is no longer configured".to_owned() });
            }
        }
        for source in &config.sources {
            let (keeper, leaving) = match self.running.remove(&source.name) {
                Some(running) if running.source.place() == source.place() => {
                    running.stop.cancel();
                    (running.keeper, running.leaving)
                }
                Some(running) => {
                    running.stop.cancel();
                    if running.keeper.told {
                        let why = "it looks in another place now".to_owned();
                        told.push(Told::Recovered { source: source.name.clone(), why });
                    }
                    (Keeper::of(running.keeper.parts), running.leaving)
                }
                None => self.recall(source).await,
            };
            self.begin(source.clone(), keeper, leaving, config.discovery.patience, stop);
        }
        (told, orphans)
    }

    fn begin(
        &mut self,
        source: Source,
        keeper: Keeper,
        leaving: BTreeMap<TargetName, Leaving>,
        patience: Patience,
        stop: &CancellationToken,
    ) {
        self.runs += 1;
        let stop = stop.child_token();
        let task = Task {
            name: source.name.clone(),
            run: self.runs,
            clock: self.clock,
            metrics: Arc::clone(&self.metrics),
            patience,
            keeper: keeper.clone(),
            news: self.news.clone(),
        };
        match Finder::new(&source.options) {
            Ok(finder) => drop(tokio::spawn(task.run(finder, source.options.refresh, stop.clone()))),
            // `config` has checked what can be checked; the last good list stays in force.
            Err(problem) => error!(source.name = %source.name, "{} finds nothing: {problem}", source.name),
        }
        let name = source.name.clone();
        let mut running = Running {
            source,
            run: self.runs,
            keeper,
            made: Vec::new(),
            refused: Refused::default(),
            shown_refused: Refused::default(),
            leaving,
            stop,
        };
        running.make();
        self.running.insert(name, running);
    }

    /// Takes in what a look has brought: whether the targets are others now, and what is to be told.
    pub(super) async fn take(&mut self, news: News) -> (bool, Option<Told>) {
        let Some(running) = self.running.get_mut(&news.source) else { return (false, None) };
        if running.run != news.run {
            return (false, None);
        }
        let News { source, mut keeper, change, .. } = news;
        if !change.of_lists {
            keeper.parts = std::mem::take(&mut running.keeper.parts);
        }
        running.keeper = keeper;
        if change.of_lists {
            running.make();
        }
        let why = || running.keeper.last_error.clone().unwrap_or_default();
        let told = match change {
            Change { in_trouble: true, .. } => Some(Told::Trouble { source: source.clone(), why: why() }),
            Change { recovered: Some((failures, true)), .. } => Some(Told::Recovered {
                source: source.clone(),
                why: format!("it is well again after {failures} failed looks"),
            }),
            _ => None,
        };
        if change.of_lists || told.is_some() {
            self.keep(&source).await;
        }
        (change.of_lists, told)
    }

    /// Every target that is listed, each once, behind those that are configured; what is left out is counted.
    pub(super) fn wanted(
        &mut self,
        configured: &[Arc<Target>],
        options: &Discovery,
    ) -> Vec<(Arc<Target>, Option<String>)> {
        let mut names: BTreeSet<&TargetName> = configured.iter().map(|target| &target.name).collect();
        let mut wanted: Vec<_> = configured.iter().map(|target| (Arc::clone(target), None)).collect();
        let mut lost: BTreeMap<String, Refused> = BTreeMap::new();
        for source in &self.order {
            let Some(running) = self.running.get(source) else { continue };
            let mut refused = running.refused.clone();
            for target in &running.made {
                let most = options.max_targets;
                if wanted.len() >= most {
                    refused
                        .add(|| format!("{}: there are {most} targets already (discovery.max_targets)", target.name));
                } else if names.insert(&target.name) {
                    wanted.push((Arc::clone(target), Some(source.clone())));
                } else {
                    let url = crate::http::ShownUrl::of(&target.probe.url);
                    refused.add(|| format!("{url} makes a second {}: put more into `target_name`", target.name));
                }
            }
            lost.insert(source.clone(), refused);
        }
        for (source, refused) in lost {
            let Some(running) = self.running.get_mut(&source) else { continue };
            if refused.count > 0 && refused.count != running.refused.count {
                warn!(source.name = %source, "{source}: {} instances make no target: {}", refused.count, refused.reasons.join("; "));
            }
            running.shown_refused = refused;
        }
        wanted
    }

    // -- targets that leave while their incidents are open --

    /// Keeps the incident of a target that is gone from its source for a while; false where the source is gone, too.
    pub(super) async fn leave(&mut self, source: &str, target: &Target) -> bool {
        let now = self.clock.now();
        let Some(running) = self.running.get_mut(source) else { return false };
        let Some(address) = target.probe.url.host_str() else { return false };
        let port = target.probe.url.port_or_known_default().unwrap_or_default();
        let mut labels = target.labels.clone();
        labels.insert("__scheme__".to_owned(), target.probe.url.scheme().to_owned());
        let instance = Instance { address: format!("{address}:{port}"), labels };
        running.leaving.insert(target.name.clone(), Leaving { instance, since: now });
        self.keep(source).await;
        true
    }

    /// A target is listed again.
    pub(super) fn came_back(&mut self, name: &TargetName) -> bool {
        self.running.values_mut().any(|running| running.leaving.remove(name).is_some())
    }

    /// Targets whose incidents have been kept for long enough.
    pub(super) fn departed(&mut self, options: &Discovery) -> Vec<TargetName> {
        let now = self.clock.now();
        let mut departed = Vec::new();
        for running in self.running.values_mut() {
            let is_over = |leaving: &Leaving| now.since(leaving.since) >= options.hold;
            let over: Vec<TargetName> =
                running.leaving.iter().filter(|(_, leaving)| is_over(leaving)).map(|(name, _)| name.clone()).collect();
            running.leaving.retain(|_, leaving| !is_over(leaving));
            departed.extend(over);
        }
        departed
    }

    /// When the next of them is over.
    pub(super) fn next_departure(&self, options: &Discovery) -> Option<tokio::time::Instant> {
        let leaving = self.running.values().flat_map(|running| running.leaving.values());
        let earliest = leaving.map(|leaving| leaving.since).min_by_key(|since| since.steady_ms())?;
        Some(self.clock.instant_of(earliest.plus(options.hold)))
    }

    /// Those that an earlier run has kept, as targets.
    pub(super) fn leaving_targets(&self) -> Vec<Arc<Target>> {
        let mut targets = Vec::new();
        for running in self.running.values() {
            for (name, leaving) in &running.leaving {
                let made = running.source.template.at(name.clone(), &leaving.instance);
                targets.extend(made.map(Arc::new));
            }
        }
        targets
    }

    // -- what people see --

    /// Every source as it stands.
    pub(super) fn statuses(&self, options: &Discovery) -> Vec<SourceStatus> {
        let sources = self.order.iter().filter_map(|name| self.running.get(name));
        sources.map(|running| running.status(options)).collect()
    }

    // -- on disk --

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.json"))
    }

    /// Writes what is believed of a source. Where that fails, a restart finds an older list, which is told.
    pub(super) async fn keep(&self, name: &str) {
        let Some(running) = self.running.get(name) else { return };
        let stored =
            Stored { place: running.source.place(), keeper: running.keeper.clone(), leaving: running.leaving.clone() };
        let path = self.path(name);
        let written = tokio::task::spawn_blocking(move || {
            let body = serde_json::to_vec(&stored).unwrap_or_default();
            documents::write(&path, &body)
        });
        if let Ok(Err(problem)) = written.await {
            warn!(source.name = %name, error = errors::one_line(&problem), "the list of {name} cannot be kept for the next start");
        }
    }

    /// Writes what is believed of every source.
    pub(super) async fn keep_all(&self) {
        for name in &self.order {
            self.keep(name).await;
        }
    }

    async fn forget(&self, name: &str) {
        let path = self.path(name);
        let removed = tokio::task::spawn_blocking(move || documents::remove(&path)).await;
        if let Ok(Err(problem)) = removed {
            warn!(source.name = %name, error = errors::one_line(&problem), "the list of {name} cannot be removed");
        }
    }

    /// The last good list of an earlier run.
    async fn recall(&self, source: &Source) -> (Keeper, BTreeMap<TargetName, Leaving>) {
        let path = self.path(&source.name);
        let body = tokio::task::spawn_blocking(move || documents::read(&path)).await;
        let name = &source.name;
        let body = match body {
            Ok(Ok(Some(body))) => body,
            Ok(Ok(None)) | Err(_) => return Default::default(),
            Ok(Err(problem)) => {
                warn!(source.name = %name, error = errors::one_line(&problem), "the last list of {name} cannot be read");
                return Default::default();
            }
        };
        match serde_json::from_slice::<Stored>(&body) {
            Ok(stored) if stored.place == source.place() => {
                let count = stored.keeper.instances().count();
                info!(source.name = %name, "{name} begins with the {count} targets that it had");
                (stored.keeper, stored.leaving)
            }
            Ok(_) => Default::default(),
            Err(problem) => {
                warn!(source.name = %name, error = %problem, "the last list of {name} cannot be understood");
                Default::default()
            }
        }
    }
}

impl Running {
    /// Makes the targets that the list in force stands for.
    fn make(&mut self) {
        let mut refused = Refused::default();
        let mut made = Vec::new();
        for instance in self.keeper.instances() {
            match self.source.template.instance(&self.source.name, instance) {
                Ok(target) => made.push(Arc::new(target)),
                Err(problem) => refused.add(|| problem),
            }
        }
        self.made = made;
        self.shown_refused = refused.clone();
        self.refused = refused;
    }

    fn status(&self, options: &Discovery) -> SourceStatus {
        SourceStatus {
            name: self.source.name.clone(),
            kind: self.source.options.place.kind().to_owned(),
            place: self.source.options.place.shown(),
            targets: (self.made.len() + self.refused.count).saturating_sub(self.shown_refused.count),
            refused: self.shown_refused.count,
            refusals: self.shown_refused.reasons.clone(),
            leaving: self
                .leaving
                .iter()
                .map(|(name, leaving)| LeavingTarget { name: name.clone(), until: leaving.since.plus(options.hold) })
                .collect(),
            last_success: self.keeper.last_success,
            failures: self.keeper.failures,
            last_error: self.keeper.last_error.clone(),
        }
    }
}
