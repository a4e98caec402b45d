//! `heapwatch events`: the audit trail, from the daemon or, where none runs, from its database.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::client::{AskError, ServerArgs};
use super::exit::Failure;
use super::sources::ConfigArgs;
use crate::alert::message::KINDS;
use crate::daemon::clock::Clock;
use crate::leak::verdict::State;
use crate::status::trail::{LARGEST_PAGE, OWN_KINDS, Topic, TrailEvent, TrailPage, TrailQuery};
use crate::store::{Store, StoreError};
use crate::target::TargetName;

/// Show what happened, in order: captures, verdicts, alerts and their deliveries, silences, reloads, starts and stops.
///
/// Asks the running daemon; where none answers, reads its database, whose directory the configuration names. The trail
/// goes back as far as `retention.event_age` and `retention.events` say.
#[derive(Clone, Debug, Args)]
pub struct EventsArgs {
    /// About this target alone.
    #[arg(long, value_name = "NAME")]
    target: Option<TargetName>,
    /// The last part of the trail.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration)]
    since: Duration,
    /// Of this kind (`leak_confirmed`, `delivered`) or topic (alert, delivery, capture, verdict, silence, channel, daemon).
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Go on with what happens from now on.
    #[arg(long)]
    follow: bool,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Time between two looks at what is new.
const FOLLOWING: Duration = Duration::from_secs(1);

/// Where the trail is read.
enum Source<'a> {
    Daemon(&'a ServerArgs),
    Database(Box<Store>),
}

/// Why the trail cannot be read.
#[derive(Debug, thiserror::Error)]
enum EventsError {
    /// The daemon did not answer, or said no.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Runs the command.
pub async fn run(args: EventsArgs, config: &ConfigArgs) -> Result<(), Failure> {
    if let Some(kind) = args.kind.as_deref().filter(|kind| !is_kind(kind)) {
        return Err(Failure::Usage(unknown(kind)));
    }
    let mut query = TrailQuery {
        target: args.target.clone(),
        kind: args.kind.clone(),
        since: Some(args.since),
        after: Some(0),
        before: None,
        limit: Some(LARGEST_PAGE),
    };
    let mut source = Source::Daemon(&args.server);
    loop {
        let page = match source.page(&query).await {
            Err(EventsError::Ask(AskError::Silent { .. })) if query.after == Some(0) && !args.follow => {
                source = Source::Database(Box::new(open(&config.load()?.state_directory)?));
                continue;
            }
            page => page?,
        };
        print(&page.events, args.json)?;
        if let Some(last) = page.events.last() {
            query.after = Some(last.id);
        }
        if page.more {
            continue;
        }
        if !args.follow {
            return Ok(());
        }
        // What comes now is new, however long this goes on.
        query.since = None;
        tokio::time::sleep(FOLLOWING).await;
    }
}

/// Every word that `--kind` may be.
fn words() -> impl Iterator<Item = &'static str> {
    let topics = Topic::ALL.into_iter().map(Topic::name);
    topics.chain(State::ALL.into_iter().map(State::name)).chain(KINDS).chain(OWN_KINDS)
}

/// Whether events can be of this kind or topic.
pub fn is_kind(kind: &str) -> bool {
    words().any(|word| word == kind)
}

fn unknown(kind: &str) -> String {
    let likeness = |word: &str| strsim::jaro_winkler(word, kind);
    let nearest = words().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or_default();
    format!("no event is of kind `{kind}`; the nearest is `{nearest}`, and without `--kind` all are shown")
}

fn open(state: &Path) -> Result<Store, Failure> {
    writeln!(io::stderr(), "heapwatch: no daemon answers; reading its database in {}", state.display())?;
    Ok(Store::attach(state)?)
}

impl Source<'_> {
    async fn page(&self, query: &TrailQuery) -> Result<TrailPage, EventsError> {
        match self {
            Self::Daemon(server) => Ok(server.get_some(&["api", "v1", "events"], &parameters(query)).await?),
            Self::Database(store) => {
                let now = Clock::of(store).now();
                Ok(store.read(|reader| reader.events(query, now))?)
            }
        }
    }
}

fn parameters(query: &TrailQuery) -> Vec<(&'static str, String)> {
    let TrailQuery { target, kind, since, after, before, limit } = query;
    let given = [
        ("target", target.as_ref().map(ToString::to_string)),
        ("kind", kind.clone()),
        ("since", since.map(|since| humantime::format_duration(since).to_string())),
        ("after", after.map(|id| id.to_string())),
        ("before", before.map(|id| id.to_string())),
        ("limit", limit.map(|limit| limit.to_string())),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// `2026-11-22T10:24:31Z  leak_confirmed     checkout-api: heapUsed grows ...`
fn print(events: &[TrailEvent], json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for event in events {
        if json {
            // Plain data with text keys, which JSON can always hold.
            writeln!(out, "{}", serde_json::to_string(event).unwrap_or_default())?;
        } else {
            writeln!(out, "{}  {:<17}  {}", event.time, event.kind, event.says)?;
        }
    }
    out.flush()
}
