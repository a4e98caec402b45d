//! Asks the running daemon over its API. It needs no configuration; a token only where the daemon asks for one.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::{Host, Url};

use crate::config::Listen;
use crate::http::{self, BodyError, ClientError, ClientOptions, RequestError};
use crate::web::Problem;

/// Where the daemon is.
#[derive(Clone, Debug, Args)]
pub struct ServerArgs {
    /// Address of the running heapwatch, or `unix:` and the path of its socket.
    #[arg(long, value_name = "ADDRESS", env = "HEAPWATCH_SERVER", default_value = "http://127.0.0.1:9797")]
    server: String,
    /// The file that holds a token for it.
    #[arg(long, value_name = "FILE", env = "HEAPWATCH_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

/// Where the token itself may stand instead: an option would show it to everybody who lists processes.
const TOKEN_VARIABLE: &str = "HEAPWATCH_TOKEN";

/// Why the daemon did not answer as hoped.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// `--server` is no address.
    #[error("--server {0:?} is no address (for example http://127.0.0.1:9797 or unix:/run/heapwatch/api.sock)")]
    Address(String),
    /// The token's file cannot be read.
    #[error("cannot read the token in `{}`", path.display())]
    TokenFile {
        /// As it was named.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Everybody on the way could read the token.
    #[error("the token would be sent to {0} in the clear: ask over https, on this machine, or over a Unix socket")]
    InTheClear(String),
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
        source: RequestError,
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
/// Far more than any token.
const LONGEST_TOKEN: u64 = 4096;
/// The daemon itself says when something takes too long.
const PATIENCE: Duration = Duration::from_mins(11);

impl ServerArgs {
    /// Where a daemon with this configuration answers, if it does.
    pub(super) fn of(listen: &Listen) -> Option<Self> {
        match listen {
            Listen::Off => None,
            Listen::Tcp(address) => Some(Self { server: format!("http://{address}"), token_file: None }),
            Listen::Unix(path) => Some(Self { server: format!("unix:{}", path.display()), token_file: None }),
        }
    }

    /// Reads `path`.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, AskError> {
        self.ask(Method::GET, path, &[], None).await
    }

    /// Asks for something to be done.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, AskError> {
        self.ask(Method::POST, path, &[], None).await
    }

    /// Reads what `path` has of what `query` asks for.
    pub(super) async fn get_some<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, AskError> {
        self.ask(Method::GET, path, query, None).await
    }

    /// Hands `body` in at `path`.
    pub(super) async fn put_in<T: DeserializeOwned>(&self, path: &[&str], body: Value) -> Result<T, AskError> {
        self.ask(Method::POST, path, &[], Some(body)).await
    }

    /// Takes `path` away.
    pub(super) async fn delete<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, AskError> {
        self.ask(Method::DELETE, path, query, None).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> Result<T, AskError> {
        let options = ClientOptions {
            unix_socket: self.server.strip_prefix("unix:").map(Into::into),
            ..ClientOptions::default()
        };
        let base = if options.unix_socket.is_some() { "http://localhost" } else { self.server.as_str() };
        let wrong = || AskError::Address(self.server.clone());
        let mut url = Url::parse(base).map_err(|_| wrong())?;
        let token = self.token()?;
        if token.is_some() && !is_private(&url) {
            return Err(AskError::InTheClear(self.server.clone()));
        }
        // Names come from the command line: as segments they cannot leave the path.
        url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = http::client_for(&url, &options)?.request(method, url).timeout(PATIENCE);
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        let request = request.body(body.map_or_else(String::new, |body| body.to_string()));
        let silent = |source| AskError::Silent { server: self.server.clone(), source: RequestError::from(source) };
        let answer = request.header(CONTENT_TYPE, "application/json").send().await.map_err(silent)?;
        let status = answer.status();
        let body = http::read_capped(answer, ANSWER_LIMIT_BYTES).await?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|problem| AskError::NotOurs(problem.to_string()));
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(AskError::Refused(problem.detail)),
            Err(_) => Err(AskError::NotOurs(format!("status {status}"))),
        }
    }

    fn token(&self) -> Result<Option<SecretString>, AskError> {
        let Some(path) = &self.token_file else {
            return Ok(std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()).map(SecretString::from));
        };
        let unreadable = |source| AskError::TokenFile { path: path.clone(), source };
        let mut text = String::new();
        File::open(path).and_then(|file| file.take(LONGEST_TOKEN).read_to_string(&mut text)).map_err(unreadable)?;
        Ok(Some(text.trim().into()))
    }
}

/// Whether nobody on the way can listen. A socket file stands as `localhost` here.
fn is_private(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || is_loopback
}
