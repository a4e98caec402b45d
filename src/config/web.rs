//! `[web]`: where API, metrics and status page answer, and whom.
//!
//! An address that other machines reach is refused unless a proxy terminates TLS in front of it and tokens are asked
//! for: heapwatch speaks no TLS itself, and what it shows (URLs, culprits) and does (captures) is not for everybody.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::found::Wrong;
use super::table::Table;
use super::values::quoted;
use super::{Listen, WebOptions};
use crate::units::ByteSize;
use crate::web::{Access, InvalidHash, Limits, Scope, Token, TokenHash};

const EXAMPLE_ADDRESS: &str = "\"127.0.0.1:9797\"";
const DEFAULT_LISTEN: Listen = Listen::Tcp(SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9797));
/// The owner and the group of the service.
const SOCKET_MODE: u32 = 0o660;
const SCOPES: [(&str, Scope); 2] = [("read", Scope::Read), ("admin", Scope::Admin)];

/// Reads `[web]`.
pub(super) fn read(root: &mut Table<'_>) -> WebOptions {
    let mut table = root.section("web");
    let behind_tls_proxy = table.flag("behind_tls_proxy", false);
    let tokens = tokens(&mut table);
    let allowed_hosts = allowed_hosts(&mut table, tokens.is_empty());
    let conditions = Conditions { behind_tls_proxy, has_tokens: !tokens.is_empty() };
    let options = WebOptions {
        listen: listen(&mut table, "listen", DEFAULT_LISTEN, conditions),
        metrics_listen: listen(&mut table, "metrics_listen", Listen::Off, conditions),
        socket_mode: socket_mode(&mut table),
        access: Access { tokens, allowed_hosts },
        limits: limits(&mut table),
    };
    if options.metrics_listen != Listen::Off
        && options.metrics_listen == options.listen
        && !is_any_port(&options.listen)
    {
        let problem = "is the address of `listen`, which serves metrics anyhow: leave it out, or name another";
        table.contradiction("metrics_listen", "", &["listen"], Wrong::with_example(problem, "\"127.0.0.1:9798\""));
    }
    table.finish();
    options
}

/// What must hold before other machines may reach a listener.
#[derive(Clone, Copy)]
struct Conditions {
    behind_tls_proxy: bool,
    has_tokens: bool,
}

fn listen(table: &mut Table<'_>, key: &'static str, default: Listen, conditions: Conditions) -> Listen {
    let listen =
        table.parsed(key, EXAMPLE_ADDRESS, "an address in quotes", parse_listen).unwrap_or_else(|| default.clone());
    let Listen::Tcp(address) = &listen else { return listen };
    let missing = match (conditions.behind_tls_proxy, conditions.has_tokens) {
        _ if address.ip().is_loopback() => return listen,
        (true, true) => return listen,
        (false, true) => "set `behind_tls_proxy = true` once a proxy with TLS stands in front of it",
        (true, false) => "add a token under [[web.tokens]] (`heapwatch token` makes one)",
        (false, false) => {
            "put a proxy with TLS in front of it, set `behind_tls_proxy = true`, and add a token under \
             [[web.tokens]] (`heapwatch token` makes one); or listen on this machine alone"
        }
    };
    let problem = format!("is reached by other machines: {missing}");
    table.contradiction(key, "", &["tokens", "behind_tls_proxy"], Wrong::with_example(problem, EXAMPLE_ADDRESS));
    default
}

fn is_any_port(listen: &Listen) -> bool {
    matches!(listen, Listen::Tcp(address) if address.port() == 0)
}

fn parse_listen(text: &str) -> Result<Listen, String> {
    if text == "off" {
        return Ok(Listen::Off);
    }
    if let Some(path) = text.strip_prefix("unix:") {
        let path = PathBuf::from(path);
        let absolute = path.is_absolute();
        return if absolute {
            Ok(Listen::Unix(path))
        } else {
            Err("must have an absolute path after `unix:`".to_owned())
        };
    }
    let wrong = || "must be an address with a port, `unix:` with a path, or \"off\"".to_owned();
    text.replace("localhost:", "127.0.0.1:").parse().map(Listen::Tcp).map_err(|_| wrong())
}

/// The permissions of a socket file, as octal digits in quotes: TOML would take 660 for a decimal number.
fn socket_mode(table: &mut Table<'_>) -> u32 {
    let parse = |text: &str| {
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| (3..=4).contains(&text.len()) && *mode <= 0o777);
        mode.ok_or_else(|| "must be three octal digits, such as \"660\"".to_owned())
    };
    table.parsed("socket_mode", "\"660\"", "octal digits in quotes", parse).unwrap_or(SOCKET_MODE)
}

fn allowed_hosts(table: &mut Table<'_>, is_open: bool) -> Vec<String> {
    let example = "[\"heapwatch.example.com\"]";
    let hosts = table.read("allowed_hosts", |found| {
        let wrong = |problem| Wrong::with_example(problem, example);
        let hosts = found.texts().map_err(wrong)?;
        let is_host = |host: &&String| {
            !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'))
        };
        if let Some(host) = hosts.iter().find(|host| !is_host(host)) {
            let problem = format!("must have names such as a browser's address line shows, and has {}", quoted(host));
            return Err(wrong(problem));
        }
        Ok(hosts.iter().map(|host| host.to_ascii_lowercase()).collect::<Vec<_>>())
    });
    let hosts = hosts.unwrap_or_default();
    if is_open && !hosts.is_empty() {
        let problem = "lets others than the users of this machine in, and nobody is asked for a token: add one under \
                       [[web.tokens]] (`heapwatch token` makes one)";
        table.contradiction("allowed_hosts", "", &["tokens"], Wrong::new(problem));
    }
    hosts
}

fn tokens(table: &mut Table<'_>) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    for mut row in table.rows("tokens", "name") {
        let name = row.text("name", "\"grafana\"");
        if name.as_ref().is_none_or(String::is_empty) {
            row.missing_because("name", "is missing: it tells you later which token is whose", "\"grafana\"");
        }
        let example = "\"sha256:...\", as `heapwatch token` prints it";
        let hash = match row.find("hash") {
            None => {
                row.missing("hash", example);
                None
            }
            Some(found) => {
                let parsed = found.value.as_str().unwrap_or_default().parse::<TokenHash>();
                // Hidden: somebody may have put the token itself there.
                let wrong = |invalid: InvalidHash| Wrong::with_example(invalid.to_string(), example);
                parsed.map_err(|invalid| row.blame_hidden(&found, wrong(invalid))).ok()
            }
        };
        let scope = row.choice("scope", Scope::Read, &SCOPES);
        row.finish();
        if let (Some(name), Some(hash)) = (name, hash) {
            tokens.push(Token { name, scope, hash });
        }
    }
    tokens
}

fn limits(table: &mut Table<'_>) -> Limits {
    let usual = Limits::default();
    let times = Duration::from_millis(100)..=Duration::from_mins(10);
    let max_connections = table.count("max_connections", usual.max_connections, 1..=100_000);
    let body_limit = ByteSize::new(u64::try_from(usual.body_limit).unwrap_or(u64::MAX));
    let body_limit = table.size("body_limit", body_limit, ByteSize::new(1024)..=ByteSize::mib(16));
    Limits {
        max_connections,
        max_connections_per_peer: table.count("max_connections_per_peer", usual.max_connections_per_peer, 1..=100_000),
        head_timeout: table.duration("head_timeout", usual.head_timeout, times.clone()),
        request_timeout: table.duration("request_timeout", usual.request_timeout, times),
        body_limit: usize::try_from(body_limit.bytes()).unwrap_or(usize::MAX),
    }
}
