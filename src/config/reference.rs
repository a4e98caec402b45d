//! `config/heapwatch.toml` says the truth: it loads as it is, it has every key, and each default in it is the code's.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::documented::{Line, REFERENCE, classify};
use super::layers::Layers;
use super::report::Report;
use super::table::Table;
use super::{Config, Sources, load, read};
use crate::alert::{ChannelKind, WebhookFormat};
use crate::http::Credentials;
use crate::units::ByteSize;

/// The file with the lines that `keep` wants, its secrets read from `secrets`.
fn written(secrets: &Path, keep: impl Fn(Line<'_>) -> bool) -> String {
    let mut text = String::new();
    for line in REFERENCE.lines().map(classify).filter(|line| keep(*line)) {
        match line {
            Line::Section(code) | Line::Default(code) | Line::Example(code) | Line::Alternative(code) => {
                writeln!(text, "{code}").expect("strings take everything");
            }
            Line::Prose => {}
        }
    }
    text.replace("/etc/heapwatch", &secrets.display().to_string())
        .replace("/var/lib/heapwatch", &secrets.display().to_string())
}

/// A directory with everything that the examples name.
fn secrets() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let signing = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["example".to_owned()]).expect("a certificate");
    let certificate = cert.pem();
    let identity = certificate.clone() + &signing_key.serialize_pem();
    for (name, content) in [
        ("api.token", "token"),
        ("profile.token", "token"),
        ("snapshot.token", "token"),
        ("mimir.token", "token"),
        ("api.key", "key"),
        ("ca.pem", certificate.as_str()),
        ("client.pem", identity.as_str()),
        ("webhook.secret", signing),
        ("pagerduty.key", "0123456789abcdef0123456789abcdef"),
        ("slack.url", "https://hooks.slack.com/services/T0/B0/x"),
        ("ping.url", "https://hc-ping.com/x"),
    ] {
        let mut options = fs::OpenOptions::new();
        let file = options.create(true).write(true).truncate(true).mode(0o600).open(directory.path().join(name));
        std::io::Write::write_all(&mut file.expect("a new file"), content.as_bytes()).expect("room for a few bytes");
    }
    directory
}

fn loaded(directory: &Path, text: &str) -> Config {
    let file = directory.join("heapwatch.toml");
    fs::write(&file, text).expect("a file");
    let credentials_directory = Some(directory.to_owned());
    let sources = Sources { file: Some(file), credentials_directory, ..Sources::default() };
    let config = load(&sources).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    // Files that say the same in other words are the same here.
    Config { hash: None, ..config }
}

#[test]
fn every_example_loads() {
    let directory = secrets();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    let mut seen = 0;
    for example in fs::read_dir(examples).expect("the examples") {
        let text = fs::read_to_string(example.expect("an example").path()).expect("text");
        let config = loaded(directory.path(), &text.replace("/etc/heapwatch", &directory.path().display().to_string()));
        assert!(!config.targets.is_empty());
        seen += 1;
    }
    assert!(seen >= 4, "{seen} examples");
}

/// DESIGN.md, 'Configuration, at its smallest'.
#[test]
fn the_smallest_configuration_is_this_small() {
    let directory = secrets();
    let text = r#"
        [[targets]]
        name = "checkout-api"
        url = "http://127.0.0.1:3000"
        memory_limit = "512MiB"
        snapshot = { token_file = "./snapshot.token" }

        [[channels]]
        type = "webhook"
        url = "https://hooks.example.com/heapwatch"
        secret_file = "./webhook.secret"
    "#;
    let config = loaded(directory.path(), text);
    let target = &config.targets[0];
    let capture = target.capture.as_ref().expect("snapshots are on");
    assert_eq!(target.probe.url.as_str(), "http://127.0.0.1:3000/health/debug");
    assert_eq!(capture.url.as_str(), "http://127.0.0.1:3000/admin/heap-snapshot");
    assert!(matches!((&target.probe.credentials, &capture.credentials), (Credentials::None, Credentials::Bearer(_))));
    assert_eq!(capture.gate.memory_limit, target.leak.memory_limit);
    assert_eq!(capture.gate.memory_limit, Some(ByteSize::mib(512)));
    let profile = target.profile.as_ref().expect("profiles are tried");
    assert_eq!(profile.url.as_str(), "http://127.0.0.1:3000/admin/heap-profile");
    assert!(matches!(profile.credentials, Credentials::Bearer(_)), "the token of the snapshots");
    assert!(!profile.is_promised);
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn the_reference_loads_as_it_is_shipped() {
    let directory = secrets();
    let config = loaded(directory.path(), &format!("state_directory = {:?}\n{REFERENCE}", directory.path()));
    assert_eq!(config.targets.len(), 1);
    assert!(config.targets[0].capture.is_none(), "nobody gets snapshots without asking");
}

fn is_example(line: Line<'_>) -> bool {
    matches!(line, Line::Section(_) | Line::Example(_))
}

#[test]
fn every_documented_default_is_the_default() {
    let directory = secrets();
    let documented = written(directory.path(), |line| is_example(line) || matches!(line, Line::Default(_)));
    let documented = loaded(directory.path(), &documented);
    let built_in = loaded(directory.path(), &written(directory.path(), is_example));
    let (one, other) = (format!("{documented:#?}"), format!("{built_in:#?}"));
    let differences: Vec<_> = one.lines().zip(other.lines()).filter(|(one, other)| one != other).collect();
    assert!(differences.is_empty(), "the document says the left, the code the right: {differences:#?}");
    assert_eq!(one, other);
    // What a channel's Debug does not show.
    for (one, other) in documented.channels.iter().zip(&built_in.channels) {
        match (&one.kind, &other.kind) {
            (ChannelKind::Webhook { format, .. }, ChannelKind::Webhook { format: other, .. }) => {
                assert_eq!((format, other), (&WebhookFormat::Standard, &WebhookFormat::Standard));
            }
            (ChannelKind::PagerDuty { url, .. }, ChannelKind::PagerDuty { url: other, .. }) => assert_eq!(url, other),
            (ChannelKind::Alertmanager { resend, .. }, ChannelKind::Alertmanager { resend: other, .. }) => {
                assert_eq!(resend, other);
            }
            _ => {}
        }
    }
}

#[test]
fn every_key_is_documented_and_every_documented_key_is_one() {
    let directory = secrets();
    let text = written(directory.path(), |line| !matches!(line, Line::Alternative(_)));
    let file = directory.path().join("heapwatch.toml");
    fs::write(&file, text).expect("a file");
    let sources = Sources { file: Some(file), ..Sources::default() };
    let report = Report::new(Layers::read(sources.file.as_deref(), &[]).expect("it parses"));
    let mut root = Table::root(&report);
    read(&mut root, &sources);
    root.finish();
    let known: BTreeSet<String> =
        report.known_keys().into_iter().map(|key| key.replace("targets.", "defaults.")).collect();
    // A group holds what targets hold, and a few keys besides.
    let known: BTreeSet<String> = known
        .iter()
        .filter(|key| !key.strip_prefix("groups.").is_some_and(|key| known.contains(&format!("defaults.{key}"))))
        .cloned()
        .collect();
    let sections =
        ["defaults.detection", "defaults.snapshot", "defaults.profile", "defaults.gauges"].map(str::to_owned);
    let leaves: BTreeSet<String> = known.difference(&BTreeSet::from(sections)).cloned().collect();
    let documented = documented_keys();
    assert_eq!(leaves.difference(&documented).collect::<Vec<_>>(), Vec::<&String>::new(), "keys without a word");
    assert_eq!(documented.difference(&leaves).collect::<Vec<_>>(), Vec::<&String>::new(), "words without a key");
}

/// The keys of the file, each with its section.
fn documented_keys() -> BTreeSet<String> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in REFERENCE.lines() {
        match classify(line) {
            Line::Section(code) => {
                let name =
                    code.trim_matches(['[', ']']).replace("targets", "defaults").replace("groups.checkout", "groups");
                keys.insert(name.clone());
                section = format!("{name}.");
            }
            Line::Default(code) | Line::Example(code) | Line::Alternative(code) => {
                let key = code.split(' ').next().unwrap_or_default();
                keys.insert(format!("{section}{key}"));
            }
            Line::Prose => {}
        }
    }
    keys.remove("defaults.detection");
    keys.remove("defaults.snapshot");
    keys.remove("defaults.profile");
    keys.remove("defaults.gauges");
    keys.extend(["name", "pointer", "metric", "maximum", "growth"].map(|key| format!("defaults.gauges.{key}")));
    keys.insert("targets".to_owned());
    keys
}
