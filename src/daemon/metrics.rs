//! heapwatch's own figures, in OpenMetrics text. Label values are configured names or come from enums.
//!
//! Counters are bumped where things happen; what is told of targets is read off the board when somebody asks.

mod by_target;
mod channels;
mod evidence;
mod polls;
mod process;
mod remote;
mod sources;
mod targets;

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::status::board::Board;
use crate::target::TargetName;
use channels::Channels;
use evidence::Evidence;
use polls::Polls;
use process::Process;
use remote::Remote;
use sources::Sources;
use targets::Targets;

type FloatGauge = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Every counter and gauge.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Names without our prefix.
    own: Registry,
    polls: Polls,
    evidence: Evidence,
    channels: Channels,
    remote: Remote,
    sources: Sources,
    config: Configuration,
}

/// What is known of the configuration.
#[derive(Debug, Default)]
struct Configuration {
    reload_successful: Gauge,
    reload_time: FloatGauge,
    hash: Gauge,
}

impl Metrics {
    /// All figures at zero, of a process that started at this Unix time and writes what it knows on this board.
    pub fn new(started: f64, board: Board) -> Self {
        let (mut registry, mut own) = (Registry::with_prefix("heapwatch"), Registry::default());
        own.register_collector(Box::new(Process { started }));
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What is running", version);
        let (polls, evidence) = (Polls::new(&mut registry), Evidence::new(&mut registry));
        let (channels, remote) = (Channels::new(&mut registry), Remote::new(&mut registry));
        let sources = Sources::new(&mut registry, board.clone());
        let config = Configuration::new(&mut registry);
        registry.register_collector(Box::new(Targets { board }));
        Self { registry, own, polls, evidence, channels, remote, sources, config }
    }

    /// A configuration was loaded at this Unix time, or refused.
    pub fn reloaded(&self, at: Option<f64>) {
        self.config.reload_successful.set(i64::from(at.is_some()));
        if let Some(unix_seconds) = at {
            self.config.reload_time.set(unix_seconds);
        }
    }

    /// The configuration in force is the one with this SHA-256.
    pub fn configured(&self, hash: [u8; 32]) {
        // A float holds 53 bits without loss.
        self.config.hash.set(hash.iter().take(6).fold(0, |bits, byte| bits << 8 | i64::from(*byte)));
    }

    /// A target is no longer watched: what is counted for it alone goes.
    pub fn forget(&self, target: &TargetName) {
        self.polls.forget(target);
        self.evidence.forget(target);
    }

    /// The whole page, in OpenMetrics 1.0 text.
    pub fn render(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail; an encoder that did would leave a page without its closing `# EOF`.
        text::encode_registry(&mut page, &self.own).ok();
        text::encode(&mut page, &self.registry).ok();
        page
    }
}

impl Configuration {
    fn new(registry: &mut Registry) -> Self {
        let config = Self::default();
        registry.register(
            "config_last_reload_successful",
            "1 when the newest configuration is in force",
            config.reload_successful.clone(),
        );
        registry.register_with_unit(
            "config_last_reload_success_timestamp",
            "When the configuration in force was loaded",
            Unit::Seconds,
            config.reload_time.clone(),
        );
        registry.register(
            "config_hash",
            "First 48 bits of the SHA-256 of the configuration file in force",
            config.hash.clone(),
        );
        config
    }
}
