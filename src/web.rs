//! The HTTP side of the daemon:
//!
//! | route | answer |
//! |---|---|
//! | `GET /` | status page |
//! | `GET /metrics` | OpenMetrics |
//! | `GET /-/healthy` | 200 while the process runs |
//! | `GET /-/ready` | 200 once every part has started, else 503 |
//! | `POST /-/reload` | reads the configuration anew |
//! | `GET /api/v1/targets` | every target's status |
//! | `GET /api/v1/targets/{name}` | one target's status |
//! | `GET /api/v1/targets/{name}/picture` | floors, fit and forecast, for charts |
//! | `POST /api/v1/targets/{name}/snapshot` | takes a snapshot now, if the safety gate allows it |
//! | `POST /api/v1/targets/{name}/rearm` | allows captures again after one coincided with a death |
//!
//! It decides nothing: it reads the board, and passes requests on to the dispatcher.

mod api;
mod guard;
mod page;

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Timestamp;
use crate::leak::Picture;
use crate::status::board::Board;
use crate::status::dossier::{Dossier, DossierQuery};
use crate::target::TargetName;

pub use api::{Problem, SnapshotAnswer};

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
    /// What is kept on disk of a target. It blocks, and so is called off the async threads.
    pub dossier: Arc<dyn Fn(&DossierQuery) -> Dossier + Send + Sync>,
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
        /// What became of it.
        reply: oneshot::Sender<SnapshotAnswer>,
    },
    /// Allow captures again.
    Rearm {
        /// Of which target.
        target: TargetName,
        /// Whether captures were off.
        reply: oneshot::Sender<bool>,
    },
    /// Read the configuration anew.
    Reload {
        /// Why not, where it was refused.
        reply: oneshot::Sender<Result<(), String>>,
    },
    /// Floors, fit and forecast of one target.
    Picture {
        /// Of which target.
        target: TargetName,
        /// `None` where its watcher is too busy to say.
        reply: oneshot::Sender<Option<Picture>>,
    },
}

/// Where the pages are served.
#[derive(Debug)]
pub enum Listener {
    /// A TCP address.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// Serves until `stop` resolves.
pub async fn serve(listener: Listener, site: Site, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    match listener {
        Listener::Tcp(tcp) => {
            let port = tcp.local_addr()?.port();
            let routes = routes(site).layer(middleware::from_fn_with_state(port, guard::local_host_only));
            axum::serve(tcp, routes).with_graceful_shutdown(stop).await
        }
        // A browser cannot be made to talk to a socket file, so its Host says nothing.
        Listener::Unix(unix) => axum::serve(unix, routes(site)).with_graceful_shutdown(stop).await,
    }
}

fn routes(site: Site) -> Router {
    Router::new()
        .route("/", get(page::overview))
        .route("/metrics", get(api::metrics))
        .route("/-/healthy", get(api::healthy))
        .route("/-/ready", get(api::ready))
        .route("/-/reload", post(api::reload))
        .route("/api/v1/targets", get(api::targets))
        .route("/api/v1/targets/{name}", get(api::target))
        .route("/api/v1/targets/{name}/picture", get(api::picture))
        .route("/api/v1/targets/{name}/snapshot", post(api::snapshot))
        .route("/api/v1/targets/{name}/rearm", post(api::rearm))
        .layer(middleware::from_fn(guard::browser_headers))
        .layer(middleware::from_fn(guard::no_forged_posts))
        .with_state(site)
}
