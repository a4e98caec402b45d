//! The watchdog under its own eyes: a daemon lives through days in minutes (targets come, go, leak, hang and restart,
//! snapshots are taken, receivers fail, people ask and do not listen), and its memory goes to its own detector, which
//! must not find a leak.
//!
//! The suite runs a minute of it; `tests/soak 4h` runs it for hours, on the release build.

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use heapwatch::clock::Timestamp;
use heapwatch::leak::verdict::{self, Verdict};
use heapwatch::leak::{Detector, Observation, Options};
use heapwatch::sample::Sample;
use heapwatch::units::ByteSize;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::capture::scripted::snapshot;
use crate::idle::own_bytes;
use crate::support::daemon::{Daemon, Home};

/// Longer ones are asked for by this variable: `4h`.
const LENGTH: &str = "SOAK_LENGTH";
const USUAL_LENGTH: Duration = Duration::from_secs(75);
/// Its own memory, without pages of files, may grow by this from the second third of a soak to the last one, or by a tenth:
/// what is told of targets is bounded, yet caches and malloc's heaps take a while to fill (1.8 MB in the shortest soak, with the
/// build that tests use). Three kilobytes that are forgotten with each poll are three times as much.
const MOST_GROWTH: u64 = 4_000_000;
/// A reading of our own memory; to the detector it is one of every 30 s, so a minute is 2.5 hours.
const READING: Duration = Duration::from_millis(200);
const AS_IF: Duration = Duration::from_secs(30);
/// Targets that stay, and those that every second reload takes away.
const STAYING: u64 = 8;
const COMING_AND_GOING: u64 = 8;

/// Every time that a day has, as seconds.
const DEFAULTS: &str = r#"
[alerts]
first_retry = "100ms"
longest_retry = "1s"
ttl = "10s"
broken_after = "3s"
[retention]
per_target = 3
[defaults]
interval = "100ms"
timeout = "80ms"
memory_limit = "512MiB"
detection = { block = "500ms", warm_up = "1s", hold = "2s", patience = 0.01, filling = "4s", longest_tooth = "3s", day = "12s", verify = "5s", min_slope = "50 MB/h" }
snapshot = { path = "/snapshot", gap = "1s", cooldown = "1s", daily_budget = 1000, disk_reserve = "1MiB", healthy_polls = 1, headroom_factor = 1 }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_own_detector_calls_its_own_memory_steady() {
    let length = std::env::var(LENGTH).ok().map(|text| humantime::parse_duration(&text).expect("a duration: 4h"));
    let length = length.unwrap_or(USUAL_LENGTH);
    let world = World::start().await;
    // As the unit has it.
    let home = Home::new().environment("MALLOC_ARENA_MAX", "1");
    home.configure(&world.tables(0));
    let daemon = Arc::new(home.start().await);
    let mut life = JoinSet::new();
    life.spawn(reload_for_ever(Arc::clone(&daemon), world.clone()));
    life.spawn(ask_for_ever(Arc::clone(&daemon)));
    life.spawn(capture_for_ever(Arc::clone(&daemon)));
    life.spawn(hang_for_ever(Arc::clone(&daemon)));

    let Watched { verdict, own } = watch(&daemon, length, &mut life).await;
    life.shutdown().await;
    let figures = daemon.get("/metrics").await.unwrap();
    let counted = |name: &str| -> f64 {
        let lines = figures.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    };
    for name in ["heapwatch_polls_total", "heapwatch_notifications_failed_total", "heapwatch_notifications_total"] {
        assert!(counted(name) > 0.0, "{name}: the soak has not lived\n{figures}");
    }
    let stored = "heapwatch_snapshots_total";
    assert!(counted(stored) > 0.0, "no snapshot was taken\n{figures}");
    let is_well = matches!(verdict.state, verdict::State::Steady);
    assert!(is_well, "of its own memory it says {}: {verdict:#?}", verdict.state);
    let (before, after) = levels(&own);
    let most = before + MOST_GROWTH.max(before / 10);
    assert!(after <= most, "its own memory rose from {before} to {after} bytes in a third of {length:?}");
}

/// What came of a soak.
struct Watched {
    verdict: Verdict,
    /// Readings of the memory that is its own, in bytes.
    own: Vec<u64>,
}

/// The middle readings of the second third and of the last one.
fn levels(own: &[u64]) -> (u64, u64) {
    let third = own.len() / 3;
    let middle = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part[part.len() / 2]
    };
    (middle(&own[third..2 * third]), middle(&own[2 * third..]))
}

/// Reads the daemon's memory for so long, and says what its detector makes of it.
async fn watch(daemon: &Daemon, length: Duration, life: &mut JoinSet<()>) -> Watched {
    // What systemd's MemoryMax= is to the service.
    let options = Options { memory_limit: Some(ByteSize::mib(2048)), ..Options::default() };
    let mut detector = Detector::new(options);
    let (began, mut at) = (Instant::now(), Timestamp::from_unix_ms(1_760_000_000_000));
    let (mut shown, mut own) = (began, Vec::new());
    while began.elapsed() < length {
        assert!(life.try_join_next().is_none(), "a part of its life has ended");
        let sample = Sample { rss: Some(daemon.rss_bytes()), ..Sample::empty(at) };
        detector.observe(Observation::Sample(&sample));
        own.push(own_bytes(daemon.pid()));
        let is_leaking = matches!(detector.verdict().state, verdict::State::Leaking);
        assert!(!is_leaking, "of its own memory it says {:#?}", detector.verdict());
        if shown.elapsed() > length / 30 {
            shown = Instant::now();
            let (rss, state) = (ByteSize::new(sample.rss.unwrap_or(0)), detector.verdict().state);
            let own = ByteSize::new(own.last().copied().unwrap_or(0));
            eprintln!("{:>6.0} s  {rss:>10}  {own:>10} its own  {state}", began.elapsed().as_secs_f64());
        }
        at = at.plus(AS_IF);
        sleep(READING).await;
    }
    Watched { verdict: detector.verdict().clone(), own }
}

/// A configuration that is never the same for long; now and then it is a bad one.
async fn reload_for_ever(daemon: Arc<Daemon>, world: World) {
    for round in 1.. {
        sleep(Duration::from_millis(1_500)).await;
        daemon.home.configure(&world.tables(round));
        // On a machine that is busy with other things a reload may take longer than a request may.
        daemon.post("/-/reload").await;
        if round % 5 == 0 {
            daemon.home.configure("[[targets]]\nname = \"no url\"\n");
            assert_eq!(daemon.post("/-/reload").await, None, "a bad file is refused");
        }
    }
}

async fn ask_for_ever(daemon: Arc<Daemon>) {
    for round in 0_u64.. {
        let name = format!("stays-{}", round % STAYING);
        for path in [
            "/metrics".to_owned(),
            "/".to_owned(),
            "/api/v1/targets".to_owned(),
            format!("/api/v1/targets/{name}"),
            format!("/api/v1/targets/{name}/series?signal=rss"),
            format!("/api/v1/targets/{name}/picture"),
            "/api/v1/snapshots".to_owned(),
            "/api/v1/targets/nobody".to_owned(),
        ] {
            // A target that is busy says so; that the daemon answers at all is asserted elsewhere.
            daemon.get(&path).await;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn capture_for_ever(daemon: Arc<Daemon>) {
    for round in 0_u64.. {
        daemon.post(&format!("/api/v1/targets/stays-{}/snapshot", round % STAYING)).await;
        daemon.post(&format!("/api/v1/targets/stays-{}/rearm", round % STAYING)).await;
        sleep(Duration::from_millis(700)).await;
    }
}

/// Clients that connect and say nothing, or ask and do not listen.
async fn hang_for_ever(daemon: Arc<Daemon>) {
    let mut hanging = Vec::new();
    for round in 0_u64.. {
        if let Ok(mut stream) = UnixStream::connect(daemon.home.path("socket")).await {
            if round % 2 == 0 {
                stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.ok();
            }
            hanging.push(stream);
        }
        if hanging.len() > 40 {
            hanging.drain(..20);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// The targets and the receivers.
#[derive(Clone)]
struct World {
    address: std::net::SocketAddr,
}

#[derive(Clone, Default)]
struct Asked {
    health: Arc<AtomicU64>,
    hooks: Arc<AtomicU64>,
    snapshot: Bytes,
}

impl World {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Asked { snapshot: snapshot(20_000).into(), ..Asked::default() };
        let routes = Router::new()
            .route("/t/{number}/health/debug", get(health))
            .route("/t/{number}/snapshot", get(|State(asked): State<Asked>| async move { asked.snapshot }))
            .route("/hook", post(hook))
            .with_state(asked);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address }
    }

    /// The configuration of a round.
    fn tables(&self, round: u64) -> String {
        let mut tables = format!("head_timeout = \"2s\"\nmax_connections = 64\n{DEFAULTS}");
        write!(tables, "[[channels]]\ntype = \"webhook\"\nname = \"flaky\"\nurl = \"http://{}/hook\"\n", self.address)
            .unwrap();
        // Nobody listens on port 9.
        tables += "[[channels]]\ntype = \"webhook\"\nname = \"dead\"\nurl = \"http://127.0.0.1:9/\"\n";
        let staying = (0..STAYING).map(|number| (format!("stays-{number}"), number, 0));
        let others = (0..COMING_AND_GOING).filter(|number| !(number + round).is_multiple_of(2));
        let others = others.map(|number| (format!("comes-{}-{number}", round % 4), 100 + number, round));
        for (name, number, team) in staying.chain(others) {
            write!(
                tables,
                "[[targets]]\nname = \"{name}\"\nurl = \"http://{}/t/{number}\"\nlabels = {{ team = \"{team}\" }}\n",
                self.address
            )
            .unwrap();
        }
        tables
    }
}

/// Steady ones, one that leaks and restarts, one that fails every third time, one that hangs.
async fn health(State(asked): State<Asked>, Path(number): Path<u64>) -> Result<String, StatusCode> {
    const MB: u64 = 1_000_000;
    let poll = asked.health.fetch_add(1, Ordering::Relaxed);
    match number % 8 {
        1 if poll.is_multiple_of(3) => return Err(StatusCode::INTERNAL_SERVER_ERROR),
        2 if poll.is_multiple_of(5) => sleep(Duration::from_millis(200)).await,
        _ => {}
    }
    // A life of 4,000 polls of all targets together.
    let (life, age) = (poll / 4_000, poll % 4_000);
    let leaked = if number % 8 == 3 { age * MB / 40 } else { 0 };
    let used = 60 * MB + leaked + (poll % 20) * MB / 2;
    let (total, rss) = (used + 20 * MB, used + 80 * MB);
    Ok(format!(
        r#"{{"memory":{{"heapUsed":{used},"heapTotal":{total},"external":2000000,"rss":{rss}}},"pid":{life},"uptime":{}}}"#,
        age / 100
    ))
}

/// Takes one alert of three.
async fn hook(State(asked): State<Asked>) -> StatusCode {
    match asked.hooks.fetch_add(1, Ordering::Relaxed) % 3 {
        0 => StatusCode::NO_CONTENT,
        1 => StatusCode::SERVICE_UNAVAILABLE,
        _ => {
            sleep(Duration::from_secs(2)).await;
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

impl Daemon {
    /// Resident memory now.
    fn rss_bytes(&self) -> u64 {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.pid())).unwrap();
        let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
        pages * rustix::param::page_size() as u64
    }
}
