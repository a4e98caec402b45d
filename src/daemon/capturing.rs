//! One capture as a task of its own: fetch, check, name, and report to the dispatcher.

use std::sync::Arc;

use crate::capture::download::Capturer;
use crate::capture::failure::CaptureError;
use crate::clock::Timestamp;
use crate::config::Target;
use crate::daemon::caught::caught;
use crate::daemon::clock::Clock;
use crate::errors;
use crate::evidence::CaptureKind;
use crate::leak::event::PairPart;
use crate::leak::verdict::Verdict;
use crate::sample::Sample;
use crate::store::StoreError;
use crate::store::sidecar::{self, Sidecar};
use crate::store::snapshots::{SnapshotDir, Stored};
use crate::target::{Life, TargetName};

/// What to capture, and the facts that go into the sidecar.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) target: Arc<Target>,
    pub(super) capturer: Arc<Capturer>,
    pub(super) directory: SnapshotDir,
    pub(super) clock: Clock,
    pub(super) began: Timestamp,
    pub(super) part: PairPart,
    pub(super) pair: String,
    pub(super) episode: Option<String>,
    pub(super) life: Option<Life>,
    pub(super) sample: Option<Sample>,
    pub(super) verdict: Option<Verdict>,
}

/// How a capture ended.
#[derive(Debug)]
pub struct Finished {
    /// Whose it was.
    pub target: TargetName,
    /// What was captured.
    pub kind: CaptureKind,
    /// Which of the pair.
    pub part: PairPart,
    /// When it was asked for.
    pub began: Timestamp,
    /// When it was over.
    pub ended: Timestamp,
    /// The stored capture, or why there is none.
    pub outcome: Result<Stored, CaptureFailure>,
}

/// Why a capture left nothing.
#[derive(Debug, thiserror::Error)]
pub enum CaptureFailure {
    /// The target did not send a whole one.
    #[error("nothing whole arrived")]
    Download(#[from] CaptureError),
    /// It could not be kept.
    #[error("it could not be stored")]
    Store(#[from] StoreError),
    /// A defect of heapwatch cut it off.
    #[error("heapwatch itself failed over it")]
    Panicked,
}

impl CaptureFailure {
    /// The name in metrics and in the state database.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Download(failure) => failure.reason().name(),
            Self::Store(_) => "store",
            Self::Panicked => "panicked",
        }
    }

    /// Whether the target has no such endpoint. Where nobody has promised one, whatever else answers there tells the same.
    pub(super) const fn is_absence(&self, is_promised: bool) -> bool {
        match self {
            Self::Download(failure) => failure.is_absence() || (!is_promised && failure.is_stranger()),
            Self::Store(_) | Self::Panicked => false,
        }
    }

    /// What is behind it, in one line: `the endpoint answered 404`.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::Download(failure) => errors::one_line(failure),
            Self::Store(_) | Self::Panicked => errors::one_line(self),
        }
    }

    /// Whether the target may have died of it.
    pub(super) const fn may_have_killed(&self) -> bool {
        match self {
            Self::Download(failure) => failure.may_have_killed(),
            Self::Store(_) => false,
            // Nobody knows how far it had come.
            Self::Panicked => true,
        }
    }
}

/// Takes the capture. Dropping the future leaves nothing that looks whole.
pub(super) async fn run(job: Job) -> Finished {
    let (target, kind, part, clock) = (job.target.name.clone(), job.capturer.kind(), job.part, job.clock);
    let began = job.began;
    let what = format!("the capture of {target}");
    let outcome = caught(&what, fetch_and_store(job)).await.unwrap_or(Err(CaptureFailure::Panicked));
    Finished { target, kind, part, began, ended: clock.now(), outcome }
}

async fn fetch_and_store(job: Job) -> Result<Stored, CaptureFailure> {
    let (directory, name, part, began) = (job.directory.clone(), job.target.name.clone(), job.part, job.began);
    let kind = job.capturer.kind();
    let partial = blocking(move || match kind {
        CaptureKind::HeapSnapshot => directory.begin(&name, part, began),
        CaptureKind::HeapProfile => directory.begin_profile(&name, part, began),
    })
    .await?;
    let file = partial.writer()?;
    let clock = job.clock;
    let downloaded = job.capturer.download(file, move || clock.now()).await?;
    let sidecar = Sidecar {
        schema: sidecar::SCHEMA,
        target: job.target.name.clone(),
        kind,
        labels: job.target.labels.clone(),
        life: job.life,
        at: job.began,
        part: job.part,
        pair: Some(job.pair),
        episode: job.episode,
        bytes: downloaded.bytes,
        sha256: downloaded.sha256,
        first_byte_seconds: downloaded.first_byte.as_secs_f64(),
        seconds: downloaded.total.as_secs_f64(),
        node_count: downloaded.node_count,
        edge_count: downloaded.edge_count,
        heap_used: job.sample.as_ref().and_then(|sample| sample.heap_used),
        rss: job.sample.as_ref().and_then(|sample| sample.rss),
        verdict: job.verdict,
    };
    Ok(blocking(move || partial.finish(&sidecar)).await?)
}

/// Runs file work off the async threads; syncing a gigabyte takes seconds.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(ended) => {
            Err(StoreError::Io { action: "finish", path: "the capture".into(), source: std::io::Error::other(ended) })
        }
    }
}
