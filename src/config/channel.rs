//! `[[channels]]`: where alerts go.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::connection::{client, parse_url, secret_url, url};
use super::found::Wrong;
use super::secret::{Keys, Vault};
use super::table::Table;
use super::target::{labels, parse_name};
use crate::alert::message::Severity;
use crate::alert::template::Template;
use crate::alert::{Channel, ChannelKind, WebhookFormat, pagerduty, ping, signature};
use crate::http::ClientOptions;

const SECRET: Keys = Keys { file: "secret_file", env: "secret_env" };
const ROUTING_KEY: Keys = Keys { file: "routing_key_file", env: "routing_key_env" };
pub(super) const SEVERITIES: [(&str, Severity); 3] =
    [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];

/// The kinds of channel, by their names in the configuration.
#[derive(Clone, Copy)]
enum Type {
    Log,
    Webhook,
    PagerDuty,
    Slack,
    Alertmanager,
    Ping,
}

const TYPES: [(&str, Type); 6] = [
    ("webhook", Type::Webhook),
    ("log", Type::Log),
    ("pagerduty", Type::PagerDuty),
    ("slack", Type::Slack),
    ("alertmanager", Type::Alertmanager),
    ("ping", Type::Ping),
];

/// The channels, and those that only want to hear that heapwatch is alive.
pub(super) fn read(root: &mut Table<'_>, vault: &Vault<'_>) -> (Vec<Channel>, Vec<ping::Options>) {
    let mut names = BTreeMap::new();
    let (mut channels, mut pings) = (Vec::new(), Vec::new());
    for mut row in root.rows("channels", "name") {
        match channel(&mut row, vault, &mut names) {
            Read::Channel(channel) => channels.push(*channel),
            Read::Ping(ping) => pings.push(*ping),
            // Without a type, nobody knows which keys it has.
            Read::Untyped => continue,
            Read::Wrong => {}
        }
        row.finish();
    }
    if channels.is_empty() && !root.is_blamed("channels") {
        root.report.warn("no channel is configured, so alerts go to the log only".to_owned());
    }
    if !channels.iter().any(|channel| matches!(channel.kind, ChannelKind::Log)) {
        channels.push(log(&names));
    }
    (channels, pings)
}

enum Read {
    Channel(Box<Channel>),
    Ping(Box<ping::Options>),
    Untyped,
    Wrong,
}

/// The log has every alert, also where nobody lists it as a channel.
fn log(taken: &BTreeMap<String, Option<String>>) -> Channel {
    let free = ["log", "heapwatch-log"].into_iter().find(|name| !taken.contains_key(*name));
    Channel {
        name: free.unwrap_or("the-log-of-heapwatch").to_owned(),
        kind: ChannelKind::Log,
        client: ClientOptions::default(),
        timeout: Duration::from_secs(15),
        min_severity: Severity::Info,
        labels: crate::target::Labels::new(),
    }
}

fn channel(row: &mut Table<'_>, vault: &Vault<'_>, taken: &mut BTreeMap<String, Option<String>>) -> Read {
    let words: Vec<_> = TYPES.iter().map(|(name, kind)| (*name, Some((*name, *kind)))).collect();
    let Some((type_name, kind)) = row.choice("type", None, &words) else {
        if !row.has("type") {
            row.missing("type", "\"webhook\"");
        }
        return Read::Untyped;
    };
    let name = name(row, type_name, taken);
    // What a receiver takes 15 s for, it takes forever: the lower end of what Standard Webhooks asks for.
    let timeout = row.duration("timeout", Duration::from_secs(15), Duration::from_millis(10)..=Duration::from_mins(5));
    let client = client(row, vault, ClientOptions::default().connect_timeout.min(timeout));
    if let Type::Ping = kind {
        let url = secret_url(row, vault, "\"https://hc-ping.com/...\"");
        return url.map_or(Read::Wrong, |url| Read::Ping(Box::new(ping::Options { url, client, timeout })));
    }
    let min_severity = row.choice("min_severity", Severity::Info, &SEVERITIES);
    let labels = labels(row);
    let kind = speaks(row, vault, kind);
    match (name, kind) {
        (Some(name), Some(kind)) => {
            Read::Channel(Box::new(Channel { name, kind, client, timeout, min_severity, labels }))
        }
        _ => Read::Wrong,
    }
}

/// Its own name, else that of its type; deliveries are kept by it, so it must be unique.
fn name(row: &mut Table<'_>, type_name: &str, taken: &mut BTreeMap<String, Option<String>>) -> Option<String> {
    let named = row.parsed("name", "\"on-call\"", "a name in quotes", |text| parse_name(text).map(String::from));
    let name = match named {
        Some(name) => name,
        None if row.has("name") => return None,
        None => type_name.to_owned(),
    };
    let Some(first) = taken.get(&name) else {
        taken.insert(name.clone(), row.source());
        return Some(name);
    };
    let first = first.as_ref().map_or_else(String::new, |first| format!(", and the other one is in {first}"));
    let problem = format!("is the name of two channels{first}; give each a name of its own");
    row.contradiction("name", &format!("\"{name}\""), &[], Wrong::with_example(problem, "\"on-call\""));
    None
}

fn speaks(row: &mut Table<'_>, vault: &Vault<'_>, kind: Type) -> Option<ChannelKind> {
    match kind {
        Type::Log | Type::Ping => Some(ChannelKind::Log),
        Type::Webhook => webhook(row, vault),
        Type::PagerDuty => pagerduty(row, vault),
        Type::Slack => {
            let url = secret_url(row, vault, "\"https://hooks.slack.com/services/...\"")?;
            Some(ChannelKind::Slack { url })
        }
        Type::Alertmanager => alertmanager(row),
    }
}

fn webhook(row: &mut Table<'_>, vault: &Vault<'_>) -> Option<ChannelKind> {
    let secrets = signing_secrets(row, vault);
    let words = [("standard", WebhookFormat::Standard), ("cloudevents", WebhookFormat::CloudEvents)];
    let names = [("standard", 0), ("cloudevents", 1)];
    let chosen: usize = row.choice("format", 0, &names);
    let template = row.read("template_file", |found| {
        let text = super::secret::plain_file(found)?;
        Template::parse(&text).map_err(|error| Wrong::new(format!("names a template that {error}")))
    });
    let format = match template {
        Some(template) => WebhookFormat::Template(template),
        None => words[chosen].1.clone(),
    };
    let url = secret_url(row, vault, "\"https://hooks.example.com/heapwatch\"")?;
    Some(ChannelKind::Webhook { url, secrets, format })
}

/// `secret_file`, or `secret_files` with the newest first while a secret is rotated.
fn signing_secrets(row: &mut Table<'_>, vault: &Vault<'_>) -> Vec<SecretString> {
    let check = |secret: &SecretString| signature::check_secret(secret).map_err(|error| error.to_string());
    let several = row.read("secret_files", |found| {
        let names = found.texts().map_err(Wrong::new)?;
        let secrets: Result<Vec<_>, _> =
            names.iter().map(|name| vault.named_file(found, name).map(SecretString::from)).collect();
        let secrets = secrets?;
        secrets
            .iter()
            .try_for_each(|secret| check(secret).map_err(|problem| Wrong::new(format!("holds one that {problem}"))))?;
        Ok(secrets)
    });
    let Some(secret) = vault.secret(row, SECRET) else { return several.unwrap_or_default() };
    let key = if row.has(SECRET.file) { SECRET.file } else { SECRET.env };
    if let Err(problem) = check(&secret) {
        row.contradiction(key, "", &[], Wrong::new(format!("names a secret that {problem}")));
    }
    if row.has("secret_files") {
        row.contradiction(key, "", &[], Wrong::new("contradicts `secret_files`: give one of them"));
    }
    vec![secret]
}

fn pagerduty(row: &mut Table<'_>, vault: &Vault<'_>) -> Option<ChannelKind> {
    let example = format!("\"{}\"", pagerduty::ENQUEUE_URL);
    let url = match row.find("url") {
        Some(_) => url(row, &example),
        None => Url::parse(pagerduty::ENQUEUE_URL).ok(),
    };
    let routing_key = vault.secret(row, ROUTING_KEY);
    if !(row.has(ROUTING_KEY.file) || row.has(ROUTING_KEY.env)) {
        row.missing(ROUTING_KEY.file, "\"/etc/heapwatch/pagerduty.key\"");
    }
    Some(ChannelKind::PagerDuty { url: url?, routing_key: routing_key? })
}

fn alertmanager(row: &mut Table<'_>) -> Option<ChannelKind> {
    let example = "[\"http://10.0.0.1:9093\", \"http://10.0.0.2:9093\"]";
    let peers = row.read("urls", |found| {
        let texts = found.texts().map_err(|problem| Wrong::with_example(problem, example))?;
        if texts.is_empty() {
            return Err(Wrong::with_example("names no peer", example));
        }
        let urls: Result<Vec<_>, _> = texts.iter().map(|text| parse_url(text)).collect();
        urls.map_err(|problem| Wrong::with_example(format!("in this list, one {problem}"), example))
    });
    if !row.has("urls") {
        row.missing("urls", example);
    }
    let usual = Duration::from_mins(1);
    let resend = row.duration("resend", usual, Duration::from_secs(1)..=Duration::from_hours(1));
    Some(ChannelKind::Alertmanager { peers: peers?, resend })
}
