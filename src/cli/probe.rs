//! `heapwatch probe URL`: one reading, and how each field was understood.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use url::Url;

use crate::http::{ClientError, ClientOptions, Credentials, ShownUrl};
use crate::probe::health::Field;
use crate::probe::{self, Format, ProbeError, Prober, Reading, Selector};
use crate::units::ByteSize;

pub(super) mod report;

use report::Report;

/// Ask a health endpoint once, and show how each field was understood.
#[derive(Clone, Debug, Args)]
pub struct ProbeArgs {
    /// The service; without a path, /health/debug is asked, or /metrics.
    #[arg(value_parser = parse_url)]
    pub url: Url,
    /// What it answers with: json, or metrics in the format of prometheus.
    #[arg(long, value_name = "FORMAT", default_value = "json", value_parser = parse_format)]
    pub format: Format,
    /// Send the token in this file as `Authorization: Bearer`.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Send this user name, with the password in --password-file, as `Authorization: Basic`.
    #[arg(long, value_name = "NAME", requires = "password_file", conflicts_with = "token_file")]
    pub user: Option<String>,
    /// The file that holds the password.
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// Send a header besides; may be repeated. Others on this machine can see it while the command runs.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    pub headers: Vec<(String, String)>,
    /// Trust the certificate authorities in this PEM file, besides the system's.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Show the certificate in this PEM file, which holds its key, too.
    #[arg(long, value_name = "FILE")]
    pub client_cert: Option<PathBuf>,
    /// Longest time for the whole answer.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_timeout)]
    pub timeout: Duration,
    /// Where a field stands that is not found by name, or its metric; may be repeated. `heapUsedMB` for a plain number of MB.
    #[arg(long = "field", value_name = "FIELD=/POINTER", value_parser = parse_field)]
    pub fields: Vec<(String, String)>,
    /// A number to watch besides, by JSON pointer or metric; may be repeated.
    #[arg(long = "gauge", value_name = "NAME=/POINTER", value_parser = parse_gauge)]
    pub gauges: Vec<(String, String)>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

impl ProbeArgs {
    /// An address, and nothing special about it but a token perhaps.
    pub(super) fn plain(url: Url, token_file: Option<PathBuf>) -> Self {
        Self {
            url,
            format: Format::Json,
            token_file,
            user: None,
            password_file: None,
            headers: Vec::new(),
            ca: None,
            client_cert: None,
            timeout: Duration::from_secs(10),
            fields: Vec::new(),
            gauges: Vec::new(),
            json: false,
        }
    }
}

/// Why `heapwatch probe` failed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeCliError {
    /// A file that an option names cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connection settings are not usable.
    #[error("cannot set up the probe")]
    Client(#[from] ClientError),
    /// The endpoint gave no reading.
    #[error("cannot probe {url}")]
    Probe {
        /// What was asked, without secrets.
        url: ShownUrl,
        /// Why.
        source: ProbeError,
    },
    /// The result cannot be written to stdout.
    #[error("cannot print the reading")]
    Print(#[from] io::Error),
}

/// Asks once and prints the reading.
pub async fn run(args: ProbeArgs) -> Result<(), ProbeCliError> {
    let as_json = args.json;
    let (url, reading) = take_reading(options(args)?).await?;
    let report = Report::new(&url, &reading);
    let mut stdout = io::stdout().lock();
    if as_json {
        serde_json::to_writer_pretty(&mut stdout, &report).map_err(io::Error::from)?;
        writeln!(stdout)?;
    } else {
        write!(stdout, "{report}")?;
    }
    Ok(stdout.flush()?)
}

/// Asks once; the address comes back without what may be secret.
pub(super) async fn take_reading(options: probe::Options) -> Result<(ShownUrl, Reading), ProbeCliError> {
    let url = ShownUrl::of(&options.url);
    let outcome = Prober::new(options)?.probe().await;
    let reading = outcome.map_err(|source| ProbeCliError::Probe { url: url.clone(), source })?;
    Ok((url, reading))
}

pub(super) fn options(args: ProbeArgs) -> Result<probe::Options, ProbeCliError> {
    let mut url = args.url;
    if url.path() == "/" {
        url.set_path(args.format.usual_path());
    }
    let credentials = match (args.token_file, args.user, args.password_file) {
        (Some(file), _, _) => Credentials::Bearer(secret(&file)?.into()),
        (None, Some(user), Some(file)) => Credentials::Basic { user, password: secret(&file)?.into() },
        (None, _, _) => Credentials::None,
    };
    let usual = ClientOptions::default();
    let client = ClientOptions {
        connect_timeout: usual.connect_timeout.min(args.timeout),
        ca_pem: args.ca.as_deref().map(read).transpose()?.map(String::into_bytes),
        identity_pem: args.client_cert.as_deref().map(read).transpose()?.map(Into::into),
        headers: args.headers.into_iter().map(|(name, value)| (name, value.into())).collect(),
        ..usual
    };
    Ok(probe::Options {
        url,
        format: args.format,
        credentials,
        client: Arc::new(client),
        rest: Duration::ZERO,
        timeout: args.timeout,
        body_limit: ByteSize::mib(1),
        pointers: args.fields.into_iter().collect(),
        gauges: args.gauges,
    })
}

fn secret(path: &Path) -> Result<String, ProbeCliError> {
    Ok(read(path)?.trim().to_owned())
}

fn read(path: &Path) -> Result<String, ProbeCliError> {
    /// Enough for a bundle of all public authorities; a wrong path such as a device must not fill the memory.
    const LONGEST: u64 = 4 << 20;
    let mut text = String::new();
    let outcome = File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    outcome.map_err(|source| ProbeCliError::Read { path: path.to_owned(), source })?;
    Ok(text)
}

/// A URL; `localhost:3000` is one, too.
pub(super) fn parse_url(text: &str) -> Result<Url, String> {
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url: Url = full.parse().map_err(|problem| format!("{problem} (for example http://localhost:3000)"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("`{other}` is neither http nor https")),
    }
}

fn parse_format(text: &str) -> Result<Format, String> {
    match text {
        "json" => Ok(Format::Json),
        "prometheus" => Ok(Format::Prometheus),
        _ => Err("is neither json nor prometheus".to_owned()),
    }
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let timeout = humantime::parse_duration(text).map_err(|problem| format!("{problem} (for example 10s)"))?;
    // A day is longer than anybody waits and far from overflowing a deadline.
    let is_sensible = (Duration::from_millis(1)..=Duration::from_hours(24)).contains(&timeout);
    is_sensible.then_some(timeout).ok_or_else(|| "must be from 1ms to 1d".into())
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("has no colon (for example \"X-Scope: memory\")")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn parse_field(text: &str) -> Result<(String, String), String> {
    let (name, pointer) = parse_gauge(text)?;
    if Field::named(&name).is_some() {
        return Ok((name, pointer));
    }
    let known: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
    Err(format!("`{name}` is no field; known are {}", known.join(", ")))
}

fn parse_gauge(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, place)) if place.starts_with('/') || Selector::parse(place).is_some() => {
            Ok((name.trim().to_owned(), place.to_owned()))
        }
        _ => Err("is no name with a JSON pointer or a metric (for example heapUsed=/data/memory/heap)".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_needs_neither_scheme_nor_path() {
        for (text, expected) in [
            ("localhost:3000", "http://localhost:3000/health/debug"),
            ("https://api.example.com/?key=1", "https://api.example.com/health/debug?key=1"),
            ("http://[::1]:3000/status", "http://[::1]:3000/status"),
        ] {
            let args = ProbeArgs::plain(parse_url(text).expect("a URL"), None);
            assert_eq!(options(args).expect("options").url.as_str(), expected);
        }
        for text in ["ftp://host/", "http://", ""] {
            assert!(parse_url(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        assert!(parse_timeout("0s").is_err() && parse_timeout("1y").is_err() && parse_timeout("10").is_err());
        assert!(parse_field("heapUse=/a").is_err() && parse_field("heapUsed=a b").is_err());
        assert_eq!(parse_field("heapUsedMB=/a/b"), Ok(("heapUsedMB".into(), "/a/b".into())));
        assert_eq!(parse_header("A: b:c"), Ok(("A".into(), "b:c".into())));
    }
}
