//! Whether a reload changes a target. Every field is named, so that a new one cannot be forgotten.

use secrecy::{ExposeSecret, SecretString};

use super::Target;
use crate::http::{ClientOptions, Credentials};
use crate::{capture, probe, remote_write};

impl Target {
    /// True where `other` is watched in the very same way, secrets included: a reload leaves such a target alone.
    pub fn same_as(&self, other: &Self) -> bool {
        let Self { name, labels, group, interval, probe, leak, capture, profile, down_after } = self;
        let same_captures = match (capture, &other.capture) {
            (Some(one), Some(another)) => same_capture(one, another),
            (None, None) => true,
            _ => false,
        };
        let same_profiles = match (profile, &other.profile) {
            (Some(one), Some(another)) => same_profile(one, another),
            (None, None) => true,
            _ => false,
        };
        *name == other.name
            && *labels == other.labels
            && *group == other.group
            && *interval == other.interval
            && same_probe(probe, &other.probe)
            && *leak == other.leak
            && same_captures
            && same_profiles
            && *down_after == other.down_after
    }
}

impl remote_write::Options {
    /// True where `other` is sent the very same in the very same way: a reload leaves what waits for it alone.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        let Self { name, url, client, credentials, timeout, labels, capacity, batch, flush } = self;
        *name == other.name
            && *url == other.url
            && same_client(client, &other.client)
            && same_credentials(credentials, &other.credentials)
            && *timeout == other.timeout
            && *labels == other.labels
            && *capacity == other.capacity
            && *batch == other.batch
            && *flush == other.flush
    }
}

fn same_probe(one: &probe::Options, other: &probe::Options) -> bool {
    let probe::Options { url, format, credentials, client, rest, timeout, body_limit, pointers, gauges } = one;
    *url == other.url
        && *format == other.format
        && same_credentials(credentials, &other.credentials)
        && same_client(client, &other.client)
        && *rest == other.rest
        && *timeout == other.timeout
        && *body_limit == other.body_limit
        && *pointers == other.pointers
        && *gauges == other.gauges
}

fn same_capture(one: &capture::Options, other: &capture::Options) -> bool {
    let capture::Options { url, credentials, client, gate, deadlines, pair_gap, baseline } = one;
    *url == other.url
        && same_credentials(credentials, &other.credentials)
        && same_client(client, &other.client)
        && *gate == other.gate
        && *deadlines == other.deadlines
        && *pair_gap == other.pair_gap
        && *baseline == other.baseline
}

fn same_profile(one: &capture::ProfileOptions, other: &capture::ProfileOptions) -> bool {
    let capture::ProfileOptions {
        url,
        is_promised,
        credentials,
        client,
        deadlines,
        pair_gap,
        daily_budget,
        disk_reserve,
    } = one;
    *url == other.url
        && *is_promised == other.is_promised
        && same_credentials(credentials, &other.credentials)
        && same_client(client, &other.client)
        && *deadlines == other.deadlines
        && *pair_gap == other.pair_gap
        && *daily_budget == other.daily_budget
        && *disk_reserve == other.disk_reserve
}

fn same_client(one: &ClientOptions, other: &ClientOptions) -> bool {
    let ClientOptions { connect_timeout, keep_alive, ca_pem, identity_pem, headers, gzip, unix_socket, trust: _ } = one;
    let same_identities = match (identity_pem, &other.identity_pem) {
        (Some(one), Some(another)) => same_secret(one, another),
        (None, None) => true,
        _ => false,
    };
    let same_headers = headers.len() == other.headers.len()
        && headers
            .iter()
            .zip(&other.headers)
            .all(|(one, another)| one.0 == another.0 && same_secret(&one.1, &another.1));
    *connect_timeout == other.connect_timeout
        && *keep_alive == other.keep_alive
        && *ca_pem == other.ca_pem
        && same_identities
        && same_headers
        && *gzip == other.gzip
        && *unix_socket == other.unix_socket
}

fn same_credentials(one: &Credentials, other: &Credentials) -> bool {
    match (one, other) {
        (Credentials::None, Credentials::None) => true,
        (Credentials::Bearer(one), Credentials::Bearer(another)) => same_secret(one, another),
        (Credentials::Basic { user, password }, Credentials::Basic { user: another_user, password: another }) => {
            user == another_user && same_secret(password, another)
        }
        _ => false,
    }
}

/// Both are ours, so it gives nothing away how long the comparison takes.
fn same_secret(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::config::{Sources, load};

    const TARGET: &str = "[[targets]]\nname = \"a\"\nurl = \"http://h\"\ntoken_file = \"./token\"\n";

    fn target(directory: &Path, token: &str, lines: &str) -> Target {
        fs::write(directory.join("token"), token).expect("a file");
        fs::set_permissions(directory.join("token"), fs::Permissions::from_mode(0o600)).expect("our own file");
        let file = directory.join("x.toml");
        fs::write(&file, format!("{TARGET}{lines}\n")).expect("a file");
        let sources = Sources { file: Some(file), ..Sources::default() };
        load(&sources).unwrap_or_else(|problems| panic!("{problems}")).targets.remove(0)
    }

    #[test]
    fn whatever_changes_makes_another_target() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let before = target(directory.path(), "one", "snapshot = {}");
        assert!(before.same_as(&target(directory.path(), "one", "snapshot = {} # a comment")));
        for lines in [
            "",
            "snapshot = { enabled = false }",
            "snapshot = { gap = \"29m\" }",
            "snapshot = { username = \"u\", password_file = \"./token\" }",
            "snapshot = { margin = \"1MiB\" }",
            "snapshot = { idle_timeout = \"30s\" }",
            "snapshot = { path = \"/x\" }",
            "snapshot = {}\nprofile = { enabled = false }",
            "snapshot = {}\nprofile = { path = \"/admin/heap-profile\" }",
            "snapshot = {}\nprofile = { timeout = \"9s\" }",
            "snapshot = {}\nprofile = { daily_budget = 2 }",
            "snapshot = {}\nprofile = { username = \"u\", password_file = \"./token\" }",
            "snapshot = {}\ninterval = \"29s\"",
            "snapshot = {}\ntimeout = \"9s\"",
            "snapshot = {}\nconnect_timeout = \"3s\"",
            "snapshot = {}\nheaders = { X-Team = \"a\" }",
            "snapshot = {}\nlabels = { team = \"a\" }",
            "snapshot = {}\ngroup = \"a\"",
            "snapshot = {}\nmemory_limit = \"1GiB\"",
            "snapshot = {}\ndown_after = 4",
            "snapshot = {}\nformat = \"prometheus\"\nhealth_path = \"/health/debug\"",
            "snapshot = {}\nfields = { rss = \"/rss\" }",
            "snapshot = {}\ndetection = { hold = \"21m\" }",
        ] {
            assert!(!before.same_as(&target(directory.path(), "one", lines)), "{lines}");
        }
        assert!(!before.same_as(&target(directory.path(), "two", "snapshot = {}")), "a token was rotated");
    }
}
