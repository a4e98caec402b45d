//! `heapwatch probe URL`: one reading, and how each field was understood.

use crate::http::ClientError;
use crate::probe::ProbeError;

/// Asks a health endpoint once and shows how each field was understood.
#[derive(Clone, Debug, clap::Args)]
pub struct ProbeArgs {
    /// The service; without a path, /health/debug is asked.
    pub url: url::Url,
}

/// Why `heapwatch probe` failed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeCliError {
    /// The connection settings are not usable.
    #[error("cannot set up the probe")]
    Client(#[from] ClientError),
    /// The endpoint gave no reading.
    #[error("cannot probe {url}")]
    Probe {
        /// What was asked, without secrets.
        url: String,
        /// Why.
        source: ProbeError,
    },
}

/// Asks once and prints the reading.
#[expect(clippy::unused_async, reason = "the asking is written next")]
pub async fn run(_args: ProbeArgs) -> Result<(), ProbeCliError> {
    Ok(())
}
