//! The demo's webhook receiver: takes what the daemon posts and checks the signature as a real receiver would.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::DemoError;
use crate::alert::signature::{self, SignedHeaders, SigningKey};
use crate::daemon::clock::Clock;

/// A receiver that listens; dropped, it ends.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    received: mpsc::Receiver<Received>,
    server: JoinHandle<()>,
}

/// One webhook as it came in.
pub(super) struct Received {
    /// The body, byte for byte.
    pub(super) body: String,
    /// Whether the signature holds, and if not, why.
    pub(super) signature: Result<(), String>,
}

impl Received {
    /// The `data.event` of the body.
    pub(super) fn event(&self) -> Option<&'static str> {
        const KNOWN: [&str; 4] = ["leak_confirmed", "snapshot_stored", "analysis_ready", "analysis_failed"];
        let body: serde_json::Value = serde_json::from_str(&self.body).ok()?;
        let event = body.pointer("/data/event")?.as_str()?;
        KNOWN.into_iter().find(|known| *known == event)
    }
}

/// Older signatures count as replays, as Standard Webhooks' own libraries have it.
const TOLERANCE: Duration = Duration::from_mins(5);

struct Desk {
    key: SigningKey,
    clock: Clock,
    received: mpsc::Sender<Received>,
}

impl Receiver {
    /// Listens on a free port of 127.0.0.1.
    pub(super) async fn start(secret: &SecretString) -> Result<Self, DemoError> {
        let key = SigningKey::parse(secret).map_err(|problem| DemoError::BadSignature(problem.to_string()))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(DemoError::Receiver)?;
        let address = listener.local_addr().map_err(DemoError::Receiver)?;
        // Full when the view has not shown 64 webhooks yet; the daemon then waits for its answer, and tries again.
        let (sender, received) = mpsc::channel(64);
        let desk = Arc::new(Desk { key, clock: Clock::start(), received: sender });
        let routes = Router::new().route("/heapwatch", post(take)).with_state(desk);
        let server = tokio::spawn(async move {
            axum::serve(listener, routes).await.ok();
        });
        Ok(Self { address, received, server })
    }

    /// The next webhook. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Received> {
        self.received.recv().await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed = SignedHeaders {
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp"),
        signature: text("webhook-signature"),
    };
    let now = desk.clock.now().wall_ms() / 1000;
    let signature = signature::verify(&desk.key, signed, &body, now, TOLERANCE).map_err(|problem| problem.to_string());
    let status = if signature.is_ok() { StatusCode::NO_CONTENT } else { StatusCode::UNAUTHORIZED };
    let received = Received { body: String::from_utf8_lossy(&body).into_owned(), signature };
    if desk.received.send(received).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    status
}
