//! `[[remote_write]]`: receivers of what is told of targets in numbers.

use std::collections::BTreeSet;
use std::time::Duration;

use super::connection::{client, url};
use super::found::Wrong;
use super::secret::Vault;
use super::table::Table;
use super::target::{labels, parse_name};
use crate::http::{ClientOptions, Credentials};
use crate::remote_write::Options;

const EXAMPLE_URL: &str = "\"https://mimir.example.com/api/v1/push\"";

/// Reads every `[[remote_write]]`.
pub(super) fn read(root: &mut Table<'_>, vault: &Vault<'_>) -> Vec<Options> {
    let mut names = BTreeSet::new();
    let mut receivers = Vec::new();
    for mut row in root.rows("remote_write", "name") {
        receivers.extend(receiver(&mut row, vault, &mut names));
        row.finish();
    }
    receivers
}

fn receiver(row: &mut Table<'_>, vault: &Vault<'_>, taken: &mut BTreeSet<String>) -> Option<Options> {
    let named = row.parsed("name", "\"mimir\"", "a name in quotes", |text| parse_name(text).map(String::from));
    let name = named.unwrap_or_else(|| "remote".to_owned());
    if !taken.insert(name.clone()) {
        let problem = "is the name of two receivers; give each a name of its own";
        row.contradiction("name", &format!("\"{name}\""), &[], Wrong::with_example(problem, "\"mimir\""));
    }
    let url = url(row, EXAMPLE_URL);
    let timeout = row.duration("timeout", Duration::from_secs(30), Duration::from_millis(10)..=Duration::from_mins(5));
    let connecting = ClientOptions::default().connect_timeout.min(timeout);
    // What it answers is read for its first words only.
    let client = ClientOptions { gzip: false, ..client(row, vault, connecting) };
    let credentials = vault.credentials(row).unwrap_or(Credentials::None);
    let labels = labels(row);
    let batch = row.count("batch", 2_000, 1..=50_000);
    let capacity = row.count("capacity", 100_000.max(batch), batch..=10_000_000);
    let flush = row.duration("flush", Duration::from_secs(5), Duration::from_millis(10)..=Duration::from_mins(5));
    Some(Options { name, url: url?, client, credentials, timeout, labels, capacity, batch, flush })
}
