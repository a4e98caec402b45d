//! Prometheus remote write 1.0: what is told of targets, sent to where long-term trends already live.
//!
//! - `series` turns the status of a target into samples, and says which series have ended;
//! - `queue` bounds what waits for a receiver;
//! - `wire` is the format: protobuf in a snappy block;
//! - `sender` posts one request and says what its failure means.
//!
//! It keeps nothing on disk: what a receiver misses while heapwatch is down is still in the state database, and in
//! `heapwatch history`.

pub mod queue;
pub mod sender;
pub mod series;
mod wire;

use std::time::Duration;

use url::Url;

use crate::http::{ClientOptions, Credentials};
use crate::target::Labels;

/// One receiver of samples.
#[derive(Clone, Debug)]
pub struct Options {
    /// What it is called in logs and metrics.
    pub name: String,
    /// Where samples are posted.
    pub url: Url,
    /// How to connect.
    pub client: ClientOptions,
    /// What the requests prove themselves with.
    pub credentials: Credentials,
    /// Longest time for one request.
    pub timeout: Duration,
    /// Labels that every sample gets besides.
    pub labels: Labels,
    /// Most samples that wait; beyond it the oldest are dropped.
    pub capacity: usize,
    /// Most samples in one request.
    pub batch: usize,
    /// Longest that a sample waits for company.
    pub flush: Duration,
}
