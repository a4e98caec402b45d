//! The HTTP side of the daemon: API, metrics and status page.
//!
//! - `routes` lists what is answered, `api` and `page` answer it;
//! - `guard` and `access` let a request through to them, or not;
//! - `server` holds connections to their limits, `pace` their readers.
//!
//! It decides nothing: it reads the board, and passes requests on to the dispatcher.

mod access;
mod api;
mod asker;
mod classic;
mod guard;
mod pace;
mod page;
mod problem;
mod routes;
mod server;

use std::fmt;
use std::io;
use std::sync::Arc;

use axum::middleware;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Timestamp;
use crate::leak::Picture;
use crate::silence::{Ask, Refusal, Silence};
use crate::status::board::Board;
use crate::status::dossier::{Dossier, DossierQuery, SnapshotRecord};
use crate::status::series::{Series, SeriesQuery};
use crate::status::trail::{TrailPage, TrailQuery};
use crate::target::TargetName;

pub use access::{Access, InvalidHash, Scope, Token, TokenHash, hash, new_token};
pub use api::SnapshotAnswer;
pub use api::archive::SnapshotsList;
pub use api::targets::{TargetView, TargetsPage};
pub use asker::{Asker, Peer};
pub use classic::from_open_metrics;
pub use problem::Problem;
pub use routes::list as routes;
pub use server::{Limits, Listener};

use guard::{Guard, Place};

/// What the pages are made of.
#[derive(Clone)]
pub struct Site {
    /// Where the state of every target is read.
    pub board: Board,
    /// Renders the metrics page.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Where requests to act go. The dispatcher answers each of them.
    pub requests: mpsc::Sender<Request>,
    /// True once every part of the daemon has started.
    pub ready: watch::Receiver<bool>,
    /// The time.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Reads what is kept on disk, for the API.
    pub archive: Archive,
    /// What is kept on disk of a target. It blocks, and so is called off the async threads.
    pub dossier: Arc<dyn Fn(&DossierQuery) -> Dossier + Send + Sync>,
}

/// Answers a question from the disk.
pub type Reading<Question, Answer> = Arc<dyn Fn(Question) -> Result<Answer, String> + Send + Sync>;

/// Reads what is kept on disk. All of it blocks, and so is called off the async threads; an error is a sentence.
#[derive(Clone)]
pub struct Archive {
    /// Samples of a span of time.
    pub series: Reading<SeriesQuery, Series>,
    /// Stored snapshots, newest first, of one target or of all.
    pub snapshots: Reading<Option<TargetName>, Vec<SnapshotRecord>>,
    /// The newest flame graph of a target's profiles, as SVG without script.
    pub flame_graph: Reading<TargetName, Option<String>>,
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").finish_non_exhaustive()
    }
}

/// What a person asks the daemon to do.
#[derive(Debug)]
pub enum Request {
    /// Take a snapshot now.
    Snapshot {
        /// Of which target.
        target: TargetName,
        /// Who asks.
        by: Asker,
        /// What became of it.
        reply: oneshot::Sender<SnapshotAnswer>,
    },
    /// Allow captures again.
    Rearm {
        /// Of which target.
        target: TargetName,
        /// Who asks.
        by: Asker,
        /// Whether captures were off.
        reply: oneshot::Sender<bool>,
    },
    /// Read the configuration anew.
    Reload {
        /// Who asks.
        by: Asker,
        /// What is wrong with it, where it was refused.
        reply: oneshot::Sender<Result<(), Vec<String>>>,
    },
    /// Floors, fit and forecast of one target.
    Picture {
        /// Of which target.
        target: TargetName,
        /// `None` where its watcher is too busy to say.
        reply: oneshot::Sender<Option<Picture>>,
    },
    /// Hold back what is told of some targets for a while.
    Silence {
        /// Whom, how long, and why.
        ask: Ask,
        /// Who asks, whatever name is given.
        by: Asker,
        /// The silence, once it is on disk, or why there is none.
        reply: oneshot::Sender<Result<Silence, Refusal>>,
    },
    /// End a silence before its time.
    EndSilence {
        /// Its id, or the start of it.
        id: String,
        /// The name that is given.
        name: String,
        /// Who asks, whatever name is given.
        by: Asker,
        /// The silence as it was ended, or why it was not.
        reply: oneshot::Sender<Result<Silence, Refusal>>,
    },
    /// Try a broken channel anew.
    MendChannel {
        /// Its name.
        channel: String,
        /// Who asks.
        by: Asker,
        /// Whether it was broken; `None` where there is no such channel.
        reply: oneshot::Sender<Option<bool>>,
    },
    /// A page of the audit trail.
    Events {
        /// Which events.
        query: TrailQuery,
        /// `None` where the database cannot be read.
        reply: oneshot::Sender<Option<TrailPage>>,
    },
}

/// How a site is served on one listener.
#[derive(Clone, Debug)]
pub struct Service {
    /// Who is answered, as the newest configuration has it.
    pub access: watch::Receiver<Arc<Access>>,
    /// What clients are allowed.
    pub limits: Limits,
    /// Only metrics and the checks of health, for a listener of their own.
    pub only_metrics: bool,
}

/// Serves until `stop`.
///
/// # Errors
/// Where the listener has no address.
pub async fn serve(listener: Listener, site: Site, service: Service, stop: CancellationToken) -> io::Result<()> {
    let Service { access, limits, only_metrics } = service;
    let place = match &listener {
        Listener::Tcp(tcp) => {
            let address = tcp.local_addr()?;
            let (is_loopback, port) = (address.ip().is_loopback(), address.port());
            if is_loopback { Place::Loopback { port } } else { Place::Network { port } }
        }
        Listener::Unix(_) => Place::File,
    };
    let guard = Guard { access, place, request_timeout: limits.request_timeout, body_limit: limits.body_limit };
    let known = if only_metrics { routes::metrics() } else { routes::all() };
    let router = known.into_router().with_state(site).layer(middleware::from_fn_with_state(guard, guard::admit));
    server::serve(listener, router, limits, stop).await;
    Ok(())
}
