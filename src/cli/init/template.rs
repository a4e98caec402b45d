//! The text of a first configuration: the keys that matter, with what the service said about them.

use std::fmt::Write as _;
use std::path::PathBuf;

use url::Url;

use crate::capture::GateOptions;
use crate::probe::health::{Field, Figure, Reading};
use crate::target::TargetName;
use crate::units::ByteSize;

/// What is known.
pub(super) struct Facts<'a> {
    pub(super) name: TargetName,
    /// As given; its path is the health endpoint's, where it has one.
    pub(super) url: &'a Url,
    /// What it says of itself; `None` where it does not answer yet.
    pub(super) reading: Option<&'a Reading>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) snapshot_token_file: Option<PathBuf>,
}

/// The configuration, as TOML.
pub(super) fn render(facts: &Facts<'_>) -> String {
    let mut text = String::from(HEAD);
    // Writing to a String cannot fail.
    writeln!(text, "name = \"{}\"", facts.name).unwrap_or_default();
    address(&mut text, facts);
    limit(&mut text, facts.reading);
    snapshots(&mut text, facts);
    text.push_str(CHANNELS);
    text
}

const HEAD: &str = "\
# What heapwatch watches. `man heapwatch.toml` has every key with its default.
#
#   heapwatch check               what is wrong here, with file and line
#   systemctl reload heapwatch    puts changes in force

[[targets]]
";

const CHANNELS: &str = "
# Where alerts go besides the log. `heapwatch test-alert` sends one through the real path.
#[[channels]]
#type = \"webhook\"
#url = \"https://hooks.example.com/heapwatch\"
#secret_file = \"/etc/heapwatch/webhook.secret\"
";

fn address(text: &mut String, facts: &Facts<'_>) {
    let mut base = facts.url.clone();
    base.set_path("");
    base.set_query(None);
    base.set_fragment(None);
    writeln!(text, "url = {:?}", base.as_str().trim_end_matches('/')).unwrap_or_default();
    let path = match facts.url.path() {
        "/" => "/health/debug",
        path => path,
    };
    match facts.url.query() {
        Some(query) => writeln!(text, "health_path = {:?}", format!("{path}?{query}")),
        None if path == "/health/debug" => writeln!(text, "#health_path = \"/health/debug\""),
        None => writeln!(text, "health_path = {path:?}"),
    }
    .unwrap_or_default();
    if let Some(file) = &facts.token_file {
        writeln!(text, "token_file = \"{}\"", file.display()).unwrap_or_default();
    }
}

/// A limit that the service reports needs no key; any other has to come from a person.
fn limit(text: &mut String, reading: Option<&Reading>) {
    let reported = |field| reading.and_then(|reading| bytes(reading, field)).map(ByteSize::new);
    let said = match (reported(Field::MemoryLimit), reported(Field::HeapLimit)) {
        (Some(limit), _) => format!("It reports {limit} itself, which holds unless this says otherwise."),
        (None, Some(limit)) => {
            format!("It reports the limit of its heap, {limit}; set this where its container is smaller.")
        }
        (None, None) => {
            "It reports none, so no time to the limit is told, and no snapshot is reckoned, without this.".to_owned()
        }
    };
    writeln!(text, "\n# The memory at which it is killed. {said}\n#memory_limit = \"512MiB\"").unwrap_or_default();
}

/// Nobody gets snapshots without asking; whoever asks shall know what they cost.
fn snapshots(text: &mut String, facts: &Facts<'_>) {
    let factor = GateOptions::default().headroom_factor;
    text.push_str(
        "\n# Heap snapshots from /admin/heap-snapshot name the line that leaks. Building one stops the process for a while and\n",
    );
    let cost = match facts.reading.map(|reading| (bytes(reading, Field::HeapUsed), bytes(reading, Field::Rss))) {
        Some((Some(heap), Some(rss))) => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "`as` saturates, which is meant"
            )]
            let peak = ByteSize::new(rss.saturating_add((heap as f64 * factor) as u64));
            format!("can cost many times its heap: one of it as it is now may take it to {peak}.")
        }
        Some(_) => "can cost many times its heap. None is taken before it reports both heapUsed and rss.".to_owned(),
        None => "can cost many times its heap.".to_owned(),
    };
    let (mark, file) = match &facts.snapshot_token_file {
        Some(file) => ("", file.display().to_string()),
        None => ("#", format!("/etc/heapwatch/{}.token", facts.name)),
    };
    writeln!(text, "# {cost}\n{mark}snapshot = {{ token_file = {file:?} }}").unwrap_or_default();
}

fn bytes(reading: &Reading, field: Field) -> Option<u64> {
    match reading.get(field)?.figure {
        Figure::Bytes(bytes) => Some(bytes),
        Figure::Count(_) | Figure::Span(_) | Figure::Instant(_) => None,
    }
}
