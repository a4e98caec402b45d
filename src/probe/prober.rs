//! The asking: one GET under two deadlines and a cap.

use super::health::{self, Mapping, Reading};
use super::{Options, ProbeError, Stage};
use crate::http::{self, ClientError};

/// Polls one target.
#[derive(Clone, Debug)]
pub struct Prober {
    options: Options,
    mapping: Mapping,
    client: reqwest::Client,
}

impl Prober {
    /// Sets up the client; connects to nothing.
    pub fn new(options: Options) -> Result<Self, ClientError> {
        let client = http::client(&options.client)?;
        let mapping = Mapping::new(&options.pointers, &options.gauges);
        Ok(Self { options, mapping, client })
    }

    /// One GET and its reading.
    ///
    /// Cancel-safe: dropping it closes the connection and leaves nothing behind.
    pub async fn probe(&self) -> Result<Reading, ProbeError> {
        let body = tokio::time::timeout(self.options.timeout, self.get())
            .await
            .map_err(|_| ProbeError::Timeout(Stage::Waiting))??;
        Ok(health::read(&body, &self.mapping)?)
    }

    async fn get(&self) -> Result<bytes::Bytes, ProbeError> {
        let request = http::authorize(self.client.get(self.options.url.clone()), &self.options.credentials);
        let response = request.send().await.map_err(|error| ProbeError::Unreachable(error.without_url()))?;
        let limit = usize::try_from(self.options.body_limit.bytes()).unwrap_or(usize::MAX);
        Ok(http::read_capped(response, limit).await?)
    }
}
