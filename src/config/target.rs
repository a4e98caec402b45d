//! `[[targets]]` and `[defaults]`: whom to watch, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::connection::{client, parse_url};
use super::detection;
use super::found::{Found, Wrong};
use super::group;
use super::instances::Template;
use super::profile;
use super::secret::Vault;
use super::snapshot;
use super::table::Table;
use super::values::{quoted, show_duration};
use super::{Source, Target, sources};
use crate::discovery::naming::Naming;
use crate::http::ShownUrl;
use crate::probe::health::Field;
use crate::probe::{Format, Selector};
use crate::target::{Labels, TargetName};
use crate::units::ByteSize;
use crate::{leak, probe};

/// What services answer with.
const FORMATS: [(&str, Format); 2] = [("json", Format::Json), ("prometheus", Format::Prometheus)];
pub(super) const EXAMPLE_URL: &str = "\"http://127.0.0.1:3000\"";
pub(super) const EXAMPLE_GROUP: &str = "\"checkout\"";

/// All targets, each with its group's settings and those of `[defaults]` for what it leaves out.
pub(super) fn read(root: &mut Table<'_>, vault: &Vault<'_>) -> (Vec<Target>, Vec<Source>) {
    let mut defaults = root.section("defaults");
    // Read once for itself, so that its problems are found even where every target overrides it.
    settings(&mut defaults, vault, None);
    let default_group = defaults.text("group", EXAMPLE_GROUP);
    let mut groups = group::read(root, vault, &defaults);
    let mut names = Taken::default();
    let rows = root.rows("targets", "name");
    let had_rows = !rows.is_empty();
    let mut targets = Vec::new();
    for mut row in rows {
        let group = row.text("group", EXAMPLE_GROUP).or_else(|| default_group.clone());
        if let Some(group) = group.as_deref().and_then(|name| groups.settings(name, root.report)) {
            row = row.or_else(group);
        }
        let mut row = row.or_else(&defaults);
        targets.extend(target(&mut row, vault, group, &mut names));
        row.finish();
    }
    targets.extend(groups.instances(&mut names));
    share_detection(&mut targets);
    let plain =
        Template::new(settings(&mut defaults, vault, Some(&Template::placeholder())), default_group, Naming::default());
    let sources = plain.map(|plain| sources::read(root, vault, &groups, &plain)).unwrap_or_default();
    let has_sources = sources::LISTS.into_iter().any(|list| root.has(list));
    if targets.is_empty() && !had_rows && !root.is_blamed("targets") && !groups.have_urls() && !has_sources {
        root.missing("targets", "[[targets]] with a name and a url");
    }
    groups.finish();
    defaults.finish();
    warn_of_twins(root, &targets);
    (targets, sources)
}

/// Targets of a file mostly are judged alike: those that are as the one before share its options.
fn share_detection(targets: &mut [Target]) {
    for at in 1..targets.len() {
        if let [before, target] = &mut targets[at - 1..=at]
            && before.leak == target.leak
        {
            target.leak = Arc::clone(&before.leak);
        }
    }
}

/// Two names for one process: each of its leaks would be told twice, and its snapshots would be taken twice.
fn warn_of_twins(root: &Table<'_>, targets: &[Target]) {
    let mut first: BTreeMap<&str, &TargetName> = BTreeMap::new();
    for target in targets {
        if let Some(twin) = first.insert(target.probe.url.as_str(), &target.name) {
            let url = ShownUrl::of(&target.probe.url);
            root.report.warn(format!("targets {twin} and {} are the same: {url}", target.name));
        }
    }
}

/// The detector's options of `[defaults]`.
pub(super) fn default_detection(root: &mut Table<'_>) -> leak::Options {
    let mut defaults = root.section("defaults");
    let mut snapshot = defaults.section("snapshot");
    let judged = detection::judged(&mut defaults, &mut snapshot, Vec::new());
    detection::read(&mut defaults, judged)
}

fn target(row: &mut Table<'_>, vault: &Vault<'_>, group: Option<String>, taken: &mut Taken) -> Option<Target> {
    let source = row.source();
    let name = row.parsed("name", "\"checkout-api\"", "a name in quotes", |text| {
        let name = parse_name(text)?;
        taken.take(name.as_str(), source).map(|()| name)
    });
    if !row.has("name") {
        row.missing("name", "\"checkout-api\"");
    }
    let base = super::connection::url(row, EXAMPLE_URL);
    if base.as_ref().is_some_and(|base| base.query().is_some()) {
        row.contradiction(
            "url",
            "",
            &[],
            Wrong::with_example("has a query, which belongs into `health_path`", EXAMPLE_URL),
        );
    }
    let settings = settings(row, vault, base.as_ref());
    settings.into_target(name?, group)
}

/// Names that are taken, and where each of them stands.
#[derive(Default)]
pub(super) struct Taken(BTreeMap<String, Option<String>>);

impl Taken {
    /// Takes a name for what stands at `source`, unless another target has it.
    pub(super) fn take(&mut self, name: &str, source: Option<String>) -> Result<(), String> {
        if let Some(first) = self.0.get(name) {
            let first = first.as_ref().map_or_else(String::new, |first| format!(", and the other one is in {first}"));
            return Err(format!("names two targets{first}; every name is unique"));
        }
        self.0.insert(name.to_owned(), source);
        Ok(())
    }
}

/// Parses the name of a target, a channel or a gauge.
pub(super) fn parse_name(text: &str) -> Result<TargetName, String> {
    let rule = "must be 1 to 64 of letters, digits, `.`, `_` and `-`, starting with a letter or digit";
    TargetName::new(text).map_err(|_| rule.to_owned())
}

/// What `[defaults]` and groups can hold, too.
pub(super) struct Settings {
    labels: Labels,
    /// `None` where there is no address.
    probe: Option<probe::Options>,
    leak: leak::Options,
    capture: Option<crate::capture::Options>,
    profile: Option<crate::capture::ProfileOptions>,
    down_after: u32,
}

impl Settings {
    /// The target that is watched in this way; `None` where there is no address.
    pub(super) fn into_target(self, name: TargetName, group: Option<String>) -> Option<Target> {
        Some(Target {
            name,
            labels: self.labels,
            group,
            interval: self.leak.interval,
            probe: Arc::new(self.probe?),
            leak: Arc::new(self.leak),
            capture: self.capture.map(Box::new),
            profile: self.profile.map(Box::new),
            down_after: self.down_after,
        })
    }
}

pub(super) fn settings(table: &mut Table<'_>, vault: &Vault<'_>, base: Option<&Url>) -> Settings {
    let labels = labels(table);
    let format = table.choice("format", Format::Json, &FORMATS);
    let gauges = gauges(table, format);
    let watched = gauges.iter().map(|gauge| gauge.rule.clone()).collect();
    let mut snapshot = table.section("snapshot");
    let judged = detection::judged(table, &mut snapshot, watched);
    let timeout = timeout(table, judged.interval);
    let connect_timeout = connect_timeout(table, timeout);
    let client = Arc::new(client(table, vault, connect_timeout));
    let credentials = vault.credentials(table).unwrap_or_default();
    let url = table
        .parsed("health_path", "\"/health/debug\"", "a path in quotes", |path| beneath(base, path))
        .or_else(|| beneath(base, format.usual_path()).ok())
        .flatten();
    let body_limit = table.size("body_limit", ByteSize::mib(1), ByteSize::new(1024)..=ByteSize::mib(64));
    let pointers = pointers(table, format);
    let (capture, of_captures) = snapshot::read(&mut snapshot, vault, base, &judged, (&client, &credentials));
    snapshot.finish();
    let mut profile = table.section("profile");
    let profiles = profile::read(&mut profile, vault, base, &judged, (&client, &of_captures));
    profile.finish();
    let probe = url.map(|url| probe::Options {
        rest: rest(judged.interval),
        client,
        url,
        format,
        credentials,
        timeout,
        body_limit,
        pointers,
        gauges: gauges.into_iter().map(|gauge| (gauge.rule.name, gauge.place)).collect(),
    });
    let down_after = table.count("down_after", 3, 1..=1000);
    Settings { labels, probe, leak: detection::read(table, judged), capture, profile: profiles, down_after }
}

/// How long a connection may wait for the next poll. Over longer waits firewalls forget connections without a word.
fn rest(interval: Duration) -> Duration {
    const LONGEST: Duration = Duration::from_mins(2);
    if interval <= LONGEST { interval } else { Duration::ZERO }
}

/// A poll that takes longer than the interval would be late for the next one.
fn timeout(table: &mut Table<'_>, interval: Duration) -> Duration {
    let default = Duration::from_secs(10).min(interval);
    let timeout = table.duration("timeout", default, Duration::from_millis(10)..=Duration::from_mins(10));
    if timeout > interval {
        let problem = format!("must be at most the interval, {}", show_duration(interval));
        let example = quoted(&show_duration(default));
        table.contradiction("timeout", "", &["interval"], Wrong::with_example(problem, example));
    }
    timeout
}

fn connect_timeout(table: &mut Table<'_>, timeout: Duration) -> Duration {
    let default = Duration::from_secs(5).min(timeout);
    let connect = table.duration("connect_timeout", default, Duration::from_millis(10)..=Duration::from_mins(10));
    if connect > timeout {
        let problem = format!("must be at most `timeout`, {}", show_duration(timeout));
        let example = quoted(&show_duration(default));
        table.contradiction("connect_timeout", "", &["timeout", "interval"], Wrong::with_example(problem, example));
    }
    connect
}

/// The address of `path` beneath the target's; `None` where there is no address yet.
pub(super) fn beneath(base: Option<&Url>, path: &str) -> Result<Option<Url>, String> {
    if !path.starts_with('/') || path.starts_with("//") {
        return Err("must be a path that starts with a single `/`".to_owned());
    }
    let Some(base) = base else {
        return parse_url(&format!("http://localhost{path}")).map(|_| None);
    };
    let mut url = base.clone();
    url.set_query(None);
    parse_url(&format!("{}{path}", url.as_str().trim_end_matches('/'))).map(Some)
}

pub(super) fn labels(table: &mut Table<'_>) -> Labels {
    const LONGEST: usize = 256;
    let mut labels = Labels::new();
    for (name, found) in table.entries("labels") {
        let starts_well = name.chars().next().is_some_and(|first| first.is_ascii_alphabetic());
        let spelled_well = name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let wrong = |problem: &str| Wrong::with_example(problem, "{ team = \"payments\" }");
        match found.value.as_str() {
            _ if !(starts_well && spelled_well) => table.blame(
                &found,
                wrong("is no name for a label: 1 to 64 of letters, digits and `_`, starting with a letter"),
            ),
            Some(text) if text.len() <= LONGEST && !text.chars().any(char::is_control) => {
                labels.insert(name, text.to_owned());
            }
            Some(_) => table.blame(&found, wrong("must be at most 256 bytes without control characters")),
            None => table.blame(&found, wrong(&format!("must be text in quotes{}", found.instead()))),
        }
    }
    labels
}

/// `fields = { heapUsed = "/data/memory/heap" }`.
fn pointers(table: &mut Table<'_>, format: Format) -> BTreeMap<String, String> {
    let mut pointers = BTreeMap::new();
    for (name, found) in table.entries("fields") {
        match field(&name, &found, format) {
            Ok(pointer) => drop(pointers.insert(name, pointer)),
            Err(wrong) => table.blame(&found, wrong),
        }
    }
    pointers
}

fn field(name: &str, found: &Found<'_>, format: Format) -> Result<String, Wrong> {
    let (what, example) = match format {
        Format::Json => ("JSON pointer", "{ heapUsed = \"/data/memory/heap\" }"),
        Format::Prometheus => ("metric", "{ heapUsed = 'nodejs_heap_space_size_used_bytes{space=\"old\"}' }"),
    };
    let wrong = |problem: String| Wrong::with_example(problem, example);
    if Field::named(name).is_none() {
        let names: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
        return Err(wrong(format!("is no field of a health body; known are {}", names.join(", "))));
    }
    let text = found.value.as_str().ok_or_else(|| wrong(format!("must be a {what} in quotes{}", found.instead())))?;
    match format {
        Format::Json => pointer(text),
        Format::Prometheus => metric(text),
    }
    .map_err(wrong)
}

/// A metric by its name, with labels perhaps.
fn metric(text: &str) -> Result<String, String> {
    match Selector::parse(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("must be the name of a metric, with labels in braces perhaps".to_owned()),
    }
}

/// A JSON pointer (RFC 6901) to a member: `/data/memory/heap`.
fn pointer(text: &str) -> Result<String, String> {
    let mut after_tildes = text.split('~').skip(1);
    let escaped_well = after_tildes.all(|rest| rest.starts_with(['0', '1']));
    if text.starts_with('/') && escaped_well {
        Ok(text.to_owned())
    } else {
        Err("must be a JSON pointer: each step after a `/`, with `~0` for `~` and `~1` for `/`".to_owned())
    }
}

struct Gauge {
    rule: leak::GaugeRule,
    /// A JSON pointer or a metric.
    place: String,
}

/// `gauges = [{ name = "listeners", pointer = "/process/listeners", maximum = 10 }]`, or with `metric` for `pointer`.
fn gauges(table: &mut Table<'_>, format: Format) -> Vec<Gauge> {
    let mut taken = BTreeSet::new();
    let mut gauges = Vec::new();
    for mut row in table.rows("gauges", "name") {
        let name = row.parsed("name", "\"listeners\"", "a name in quotes", |text| {
            let name = parse_name(text)?;
            let fresh = taken.insert(name.clone());
            if fresh { Ok(name.to_string()) } else { Err("names two gauges of this target".to_owned()) }
        });
        let (pointer_example, metric_example) = ("\"/process/listeners\"", "\"nodejs_active_handles_total\"");
        let by_pointer = row.parsed("pointer", pointer_example, "a JSON pointer in quotes", pointer);
        let by_metric = row.parsed("metric", metric_example, "a metric in quotes", metric);
        let (key, example, place) = match format {
            Format::Json => ("pointer", pointer_example, by_pointer),
            Format::Prometheus => ("metric", metric_example, by_metric),
        };
        for (key, example) in [("name", "\"listeners\""), (key, example)] {
            if !row.has(key) {
                row.missing(key, example);
            }
        }
        let maximum = row.maybe_number("maximum", 10.0, f64::MIN..=f64::MAX);
        let growth = row.flag("growth", false);
        if !growth && !row.has("maximum") {
            row.missing_because("maximum", "is missing, and `growth = true` is, too", "10");
        }
        row.finish();
        if let (Some(name), Some(place)) = (name, place) {
            gauges.push(Gauge { rule: leak::GaugeRule { name, maximum, growth }, place });
        }
    }
    gauges
}
