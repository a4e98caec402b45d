//! The demo's own leaking service, for machines without Node.js: it really allocates, and its snapshots show what it holds.
//!
//! It is used like the services in `tests/services`: settings come by environment, one line of JSON on standard output says
//! where it listens, and it ends when its standard input closes. So the demo starts either in the same way, and whatever
//! happens to the demo, the service does not outlive it.

mod graph;
mod logging;
mod process;
mod settings;
mod snapshot;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::stream;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio::time::{Instant, MissedTickBehavior};

use self::process::Process;
pub use self::settings::{ServiceOptions, SettingsError};
use self::snapshot::Snapshot;
use crate::units::ByteSize;

/// The service with its port taken.
#[derive(Debug)]
pub struct Service {
    listener: TcpListener,
    address: SocketAddr,
    state: Arc<ServiceState>,
    rate: f64,
}

/// What requests share.
#[derive(Debug)]
struct ServiceState {
    process: Mutex<Process>,
    requests: AtomicU64,
    started: Instant,
    token: SecretString,
    leak_per_request: ByteSize,
    most_live: ByteSize,
}

impl Service {
    /// Takes the port, on 127.0.0.1 only.
    pub async fn bind(options: ServiceOptions) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let address = listener.local_addr()?;
        let ServiceOptions { port: _, token, leak_per_request, rate, most_live } = options;
        let state = ServiceState {
            process: Mutex::default(),
            requests: AtomicU64::new(0),
            started: Instant::now(),
            token,
            leak_per_request,
            most_live,
        };
        Ok(Self { listener, address, state: Arc::new(state), rate })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is done, and makes its own traffic meanwhile. A connection that is open then lasts until its
    /// client is done or the runtime ends.
    pub async fn run(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let router = Router::new()
            .route("/", get(work))
            .route("/health/debug", get(health))
            .route("/admin/heap-snapshot", get(heap_snapshot))
            .with_state(Arc::clone(&self.state));
        tokio::select! {
            outcome = axum::serve(self.listener, router) => outcome,
            () = make_traffic(&self.state, self.rate) => Ok(()),
            () = stop => Ok(()),
        }
    }
}

/// Runs the service as a process of its own: settings by name from `environment`, stopped by the end of standard input.
pub async fn main(environment: impl Fn(&str) -> Option<String>) -> Result<(), ServiceError> {
    let options = ServiceOptions::from_environment(environment)?;
    let service = Service::bind(options).await.map_err(ServiceError::Bind)?;
    announce(service.address()).map_err(ServiceError::Announce)?;
    service.run(end_of_input()).await.map_err(ServiceError::Serve)
}

/// Why the service ended with a failure.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A setting in the environment is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The port is taken or forbidden.
    #[error("cannot listen on 127.0.0.1")]
    Bind(#[source] io::Error),
    /// Nobody reads standard output.
    #[error("cannot say where the service listens")]
    Announce(#[source] io::Error),
    /// Accepting connections failed.
    #[error("cannot go on serving")]
    Serve(#[source] io::Error),
}

fn announce(address: SocketAddr) -> io::Result<()> {
    use std::io::Write as _;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", json!({ "port": address.port(), "pid": std::process::id() }))?;
    out.flush()
}

/// Done when standard input ends, which it does when the parent process is gone.
async fn end_of_input() {
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    // A thread of its own: a blocked read must not hold up the end of the runtime.
    std::thread::spawn(move || {
        io::copy(&mut io::stdin().lock(), &mut io::sink()).ok();
        drop(ended);
    });
    end.await.ok();
}

/// Requests at `rate` a second, in bursts of a few where the rate is high. Never done.
async fn make_traffic(state: &ServiceState, rate: f64) {
    const TICK: Duration = Duration::from_millis(20);
    let mut ticks = tokio::time::interval(TICK);
    // Traffic that was late is lost, as that of a real client would be.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut owed = 0.0;
    loop {
        ticks.tick().await;
        owed += rate * TICK.as_secs_f64();
        while owed >= 1.0 {
            owed -= 1.0;
            handle_request(state);
        }
    }
}

/// What a request does: nothing but to pass the middleware. `None` beyond the bound on live bytes.
fn handle_request(state: &ServiceState) -> Option<u64> {
    let mut process = state.process();
    if process.live_bytes() >= state.most_live.bytes() {
        return None;
    }
    let number = state.requests.fetch_add(1, Ordering::Relaxed);
    // Random, as request ids are: two runs of the service must not look like one to those who compare snapshots.
    let request_id = format!("{:016x}", fastrand::u64(..));
    let length = usize::try_from(state.leak_per_request.bytes()).unwrap_or(usize::MAX);
    let trace = format!("GET / {request_id} ").chars().cycle().take(length).collect();
    logging::log_requests(&mut process, request_id, trace);
    Some(number)
}

async fn work(State(state): State<Arc<ServiceState>>) -> Response {
    match handle_request(&state) {
        Some(number) => Json(json!({ "request": number })).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn health(State(state): State<Arc<ServiceState>>) -> Response {
    let live = state.process().live_bytes();
    Json(json!({
        "status": "ok",
        "pid": std::process::id(),
        "uptime": state.started.elapsed().as_secs_f64(),
        "requests": state.requests.load(Ordering::Relaxed),
        "memory": {
            "heapUsed": live,
            "heapTotal": live,
            "external": 0,
            "arrayBuffers": 0,
            "rss": resident_bytes(),
        },
    }))
    .into_response()
}

async fn heap_snapshot(State(state): State<Arc<ServiceState>>, headers: HeaderMap) -> Response {
    if !is_authorized(&headers, &state.token) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
    }
    let snapshot = Snapshot::new(state.process().census());
    let chunks = stream::iter(snapshot.into_chunks().map(Ok::<_, io::Error>));
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(chunks)).into_response()
}

fn is_authorized(headers: &HeaderMap, token: &SecretString) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    given.is_some_and(|given| given.ct_eq(token.expose_secret().as_bytes()).into())
}

/// The memory of this process that is in RAM, from Linux; `None` elsewhere.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

impl ServiceState {
    fn process(&self) -> MutexGuard<'_, Process> {
        // Nothing panics between changes that belong together, so what a poisoned lock guards is whole.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
