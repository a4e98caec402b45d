//! Asks the running daemon over its API. It needs no configuration and no secrets, so any local user may ask.

use std::time::Duration;

use clap::Args;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use url::Url;

use crate::http::{self, BodyError, ClientError, ClientOptions};
use crate::web::Problem;

/// Where the daemon is.
#[derive(Clone, Debug, Args)]
pub struct ServerArgs {
    /// Address of the running heapwatch, or `unix:` and the path of its socket.
    #[arg(long, value_name = "ADDRESS", env = "HEAPWATCH_SERVER", default_value = "http://127.0.0.1:9797")]
    server: String,
}

/// Why the daemon did not answer as hoped.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// `--server` is no address.
    #[error("--server {0:?} is no address (for example http://127.0.0.1:9797 or unix:/run/heapwatch/api.sock)")]
    Address(String),
    /// No client.
    #[error("cannot ask heapwatch")]
    Client(#[from] ClientError),
    /// Nobody answers.
    #[error("no heapwatch answers at {server}: is it running? (`systemctl status heapwatch`)")]
    Silent {
        /// Where it was sought.
        server: String,
        /// Why not.
        #[source]
        source: reqwest::Error,
    },
    /// The answer broke off or is too large.
    #[error("the answer of heapwatch cannot be read")]
    Body(#[from] BodyError),
    /// It said no.
    #[error("{0}")]
    Refused(String),
    /// Something else than heapwatch answers there.
    #[error("what answers there is not heapwatch: {0}")]
    NotOurs(String),
}

/// Fifty thousand targets' status, with room.
const ANSWER_LIMIT_BYTES: usize = 256 << 20;
/// A reload or the gate may take a moment; nothing takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

impl ServerArgs {
    /// Reads `path`.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, AskError> {
        self.ask(Method::GET, path).await
    }

    /// Asks for something to be done.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, AskError> {
        self.ask(Method::POST, path).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &[&str]) -> Result<T, AskError> {
        let options = ClientOptions {
            unix_socket: self.server.strip_prefix("unix:").map(Into::into),
            ..ClientOptions::default()
        };
        let base = if options.unix_socket.is_some() { "http://localhost" } else { self.server.as_str() };
        let wrong = || AskError::Address(self.server.clone());
        let mut url = Url::parse(base).map_err(|_| wrong())?;
        // Names come from the command line: as segments they cannot leave the path.
        url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend(path);
        let request = http::client(&options)?.request(method, url).timeout(PATIENCE);
        let silent = |source| AskError::Silent { server: self.server.clone(), source };
        let answer = request.header(CONTENT_TYPE, "application/json").send().await.map_err(silent)?;
        let status = answer.status();
        let body = http::read_capped(answer, ANSWER_LIMIT_BYTES).await?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|problem| AskError::NotOurs(problem.to_string()));
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(AskError::Refused(problem.error)),
            Err(_) => Err(AskError::NotOurs(format!("status {status}"))),
        }
    }
}
