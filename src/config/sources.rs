//! `[[file_sd]]`, `[[http_sd]]`, `[[dns_sd]]` and `[discovery]`: where targets are listed that come and go.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::connection::{client, url};
use super::found::Wrong;
use super::group::{Groups, naming};
use super::instances::Template;
use super::secret::Vault;
use super::table::Table;
use super::target::{EXAMPLE_GROUP, parse_name};
use super::values::quoted;
use super::{Discovery, Source};
use crate::discovery::keeping::Patience;
use crate::discovery::{Options, Place, dns, web};
use crate::http::ClientOptions;

/// What stands in a list of sources.
pub(super) const LISTS: [&str; 3] = ["file_sd", "http_sd", "dns_sd"];
/// The name of a source is unique, and host and port name a process as long as it stays where it is.
const USUAL_NAME: &str = "{source}-{host}-{port}";
const EXAMPLE_FILES: &str = "[\"/etc/heapwatch/sd/*.json\"]";
const RECORDS: [(&str, dns::Records); 3] =
    [("SRV", dns::Records::Srv), ("A", dns::Records::A), ("AAAA", dns::Records::Aaaa)];

/// Reads every source; a group that a source names has been read before.
pub(super) fn read(root: &mut Table<'_>, vault: &Vault<'_>, groups: &Groups<'_>, plain: &Template) -> Vec<Source> {
    let mut names = BTreeMap::new();
    let mut sources = Vec::new();
    for list in LISTS {
        for mut row in root.rows(list, "name") {
            let name = name(&mut row, &mut names);
            let (place, usual) = match list {
                "file_sd" => (files(&mut row), Duration::from_secs(5)),
                "http_sd" => (server(&mut row, vault), Duration::from_mins(1)),
                _ => (dns_names(&mut row), Duration::from_secs(30)),
            };
            let refresh =
                row.duration("refresh_interval", usual, Duration::from_millis(100)..=Duration::from_hours(24));
            let group = row.text("group", EXAMPLE_GROUP);
            let naming = naming(&mut row, USUAL_NAME);
            let template = group.as_deref().and_then(|group| groups.template(group, row.report)).unwrap_or(plain);
            let template = template.with(group, naming);
            row.finish();
            if let (Some(name), Some(place)) = (name, place) {
                sources.push(Source { name, options: Options { place, refresh }, template });
            }
        }
    }
    sources
}

/// `[discovery]`.
pub(super) fn discovery(root: &mut Table<'_>) -> Discovery {
    let mut table = root.section("discovery");
    let usual = Discovery::default();
    let longest = Duration::from_hours(365 * 24);
    let discovery = Discovery {
        patience: Patience {
            empty_after: table.duration("empty_after", usual.patience.empty_after, Duration::ZERO..=longest),
            alert_after: table.count("alert_after", usual.patience.alert_after, 1..=1000),
        },
        hold: table.duration("hold", usual.hold, Duration::ZERO..=longest),
        max_targets: table.count("max_targets", usual.max_targets, 1..=1_000_000),
    };
    table.finish();
    discovery
}

fn name(row: &mut Table<'_>, taken: &mut BTreeMap<String, Option<String>>) -> Option<String> {
    if !row.has("name") {
        row.missing("name", "\"checkout\"");
    }
    let source = row.source();
    row.parsed("name", "\"checkout\"", "a name in quotes", |text| {
        let name = String::from(parse_name(text)?);
        if let Some(first) = taken.get(&name) {
            let first = first.as_ref().map_or_else(String::new, |first| format!(", and the other one is in {first}"));
            return Err(format!("names two sources{first}; every name is unique"));
        }
        taken.insert(name.clone(), source);
        Ok(name)
    })
}

fn files(row: &mut Table<'_>) -> Option<Place> {
    let files = row.read("files", |found| {
        let wrong = |problem: String| Wrong::with_example(problem, EXAMPLE_FILES);
        let texts = found.texts().map_err(wrong)?;
        if texts.is_empty() {
            return Err(wrong("names no file".to_owned()));
        }
        let check = |text: &String| {
            let path = found.resolve(text);
            let is_list = path.extension().is_some_and(|extension| {
                ["json", "yml", "yaml"].iter().any(|known| extension.eq_ignore_ascii_case(known))
            });
            if !is_list {
                return Err(format!("must end in .json, .yml or .yaml, and has {}", quoted(text)));
            }
            glob::Pattern::new(&path.display().to_string())
                .map(|_| path)
                .map_err(|problem| format!("has {}, which is no pattern: {}", quoted(text), problem.msg))
        };
        texts.iter().map(check).collect::<Result<Vec<PathBuf>, _>>().map_err(wrong)
    });
    if !row.has("files") {
        row.missing("files", EXAMPLE_FILES);
    }
    Some(Place::Files(files?))
}

fn server(row: &mut Table<'_>, vault: &Vault<'_>) -> Option<Place> {
    let url = url(row, "\"https://inventory.example.com/heapwatch\"");
    let credentials = vault.credentials(row).unwrap_or_default();
    let timeout = row.duration("timeout", Duration::from_secs(10), Duration::from_millis(10)..=Duration::from_mins(5));
    let client = client(row, vault, ClientOptions::default().connect_timeout.min(timeout));
    Some(Place::Web(Box::new(web::Options { url: url?, credentials, client, timeout })))
}

fn dns_names(row: &mut Table<'_>) -> Option<Place> {
    let example = "[\"_checkout._tcp.example.com\"]";
    let names = row.read("names", |found| {
        let wrong = |problem: String| Wrong::with_example(problem, example);
        let texts = found.texts().map_err(wrong)?;
        let is_name = |text: &&String| {
            (1..=253).contains(&text.len())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        };
        match texts.iter().find(|text| !is_name(text)) {
            Some(text) => Err(wrong(format!("has {} in it, which is no name in DNS", quoted(text)))),
            None if texts.is_empty() => Err(wrong("holds no name".to_owned())),
            None => Ok(texts),
        }
    });
    if !row.has("names") {
        row.missing("names", example);
    }
    let records = row.choice("type", dns::Records::Srv, &RECORDS);
    let port = row.has("port").then(|| row.count("port", 3000_u16, 1..=u16::MAX));
    if port.is_none() && records != dns::Records::Srv {
        row.missing_because("port", "is missing: addresses do not say where the processes listen", "3000");
    }
    let server = row.parsed("server", "\"127.0.0.1:8600\"", "an address in quotes", |text| {
        text.parse::<SocketAddr>().map_err(|_| "must be an address with a port".to_owned())
    });
    let timeout = row.duration("timeout", Duration::from_secs(10), Duration::from_millis(10)..=Duration::from_mins(5));
    Some(Place::Dns(dns::Options { names: names?, records, port, server, timeout }))
}
