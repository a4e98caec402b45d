//! `heapwatch replay` over recordings of real Node.js processes, with default options.
//!
//! `node tests/services/record.js tests/fixtures/recordings` makes them anew. What a recording should make of the
//! detector stands in its own first lines, so whoever adds one need not touch this file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Recordings that the detector judges wrongly today, with and without a limit, and what is wrong. A line that is no
/// longer true fails the test as well, so this list can only shrink.
const KNOWN_MISSES: &[(&str, Limit, &str)] = &[
    ("ok-cache-in-a-line", Limit::Told, "a cache that fills in a line to its cap is taken for a leak after 1.7 of 2 h"),
    (
        "ok-cache-in-a-line",
        Limit::Unknown,
        "a cache that fills in a line to its cap is taken for a leak after 1.7 of 2 h",
    ),
];

/// Unix seconds at which every recording begins.
const START: f64 = 1_780_000_000.0;

/// Whether the detector is told the memory limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Told,
    Unknown,
}

/// A recording with the label from its first lines.
struct Recording {
    name: String,
    text: String,
    /// The signal that leaks, and from which hour on.
    leaks: Option<(String, f64)>,
    limit: String,
}

impl Recording {
    fn open(path: &Path) -> Self {
        let mut text = String::new();
        flate2::read::GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        let label = text.lines().nth(1).unwrap_or_default().trim_start_matches("# ");
        let label: BTreeMap<_, _> = label.split(", ").filter_map(|part| part.split_once(": ")).collect();
        let hour: f64 = label["from hour"].parse().unwrap();
        let leaks = Some(label["leaks"]).filter(|signal| *signal != "nothing").map(|signal| (signal.to_owned(), hour));
        let name = path.file_name().unwrap().to_string_lossy().trim_end_matches(".csv.gz").to_owned();
        let limit = label["limit"].replace(' ', "");
        Self { name, text, leaks, limit }
    }

    fn named(name: &str) -> Self {
        Self::open(&directory().join(format!("{name}.csv.gz")))
    }

    /// The same without some of its columns: what a target reports that tells less of itself.
    fn without(&self, columns: &[&str]) -> Self {
        let rows = self.text.lines().filter(|line| !line.starts_with('#'));
        let header: Vec<&str> = rows.clone().next().unwrap().split(',').collect();
        let kept: Vec<bool> = header.iter().map(|column| !columns.contains(column)).collect();
        let cut = |row: &str| {
            let cells = row.split(',').zip(&kept).filter(|(_, kept)| **kept).map(|(cell, _)| cell);
            cells.collect::<Vec<_>>().join(",") + "\n"
        };
        Self {
            text: rows.map(cut).collect(),
            name: self.name.clone(),
            leaks: self.leaks.clone(),
            limit: self.limit.clone(),
        }
    }

    /// The same as the story's endpoint would report it: whole MiB.
    fn rounded(&self) -> Self {
        const SIZES: [&str; 5] = ["heapUsed", "heapTotal", "external", "arrayBuffers", "rss"];
        let plain = self.without(&[]);
        let header: Vec<String> = plain.text.lines().next().unwrap().split(',').map(str::to_owned).collect();
        let round = |(column, cell): (&String, &str)| match cell.parse::<u64>() {
            Ok(bytes) if SIZES.contains(&column.as_str()) => ((bytes + (1 << 19)) >> 20 << 20).to_string(),
            _ => cell.to_owned(),
        };
        let row = |row: &str| header.iter().zip(row.split(',')).map(round).collect::<Vec<_>>().join(",") + "\n";
        Self { text: plain.text.lines().map(row).collect(), ..plain }
    }

    fn replay(&self, limit: Limit) -> Vec<Value> {
        let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
        file.write_all(self.text.as_bytes()).unwrap();
        let limit = if limit == Limit::Told { &self.limit } else { "" };
        let output = Command::new(env!("CARGO_BIN_EXE_heapwatch"))
            .args(["replay", "--limit", limit])
            .arg(file.path())
            .output()
            .expect("the executable runs");
        assert!(output.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    /// What is wrong with the alarms on this recording.
    fn complaint(&self, limit: Limit) -> Option<String> {
        let alarms: Vec<(f64, String)> = of_kind(&self.replay(limit), "leak_confirmed")
            .map(|event| (hour(event), event["signal"].as_str().unwrap().to_owned()))
            .collect();
        match (&self.leaks, alarms.as_slice()) {
            (None, []) => None,
            (None, [(hour, signal), ..]) => Some(format!("false alarm for {signal} at hour {hour:.1}")),
            (Some((signal, _)), []) => Some(format!("the leak of {signal} was not found")),
            (Some((_, from)), [(hour, found), ..]) if hour < from => {
                Some(format!("false alarm for {found} at hour {hour:.1}, before the leak"))
            }
            (Some((signal, _)), [(_, found), ..]) => {
                (found != signal).then(|| format!("{found} was blamed for {signal}"))
            }
        }
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recordings")
}

fn all() -> Vec<Recording> {
    let files = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let mut recordings: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|end| end == "gz"))
        .map(|path| Recording::open(&path))
        .collect();
    recordings.sort_by(|one, two| one.name.cmp(&two.name));
    recordings
}

fn of_kind<'a>(events: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["event"] == kind)
}

/// Hours since the recording began.
fn hour(event: &Value) -> f64 {
    (event["time"].as_f64().unwrap() - START) / 3600.0
}

fn check_all(limit: Limit) {
    let mut surprises = Vec::new();
    for recording in all() {
        let known = KNOWN_MISSES.iter().find(|(name, told, _)| *name == recording.name && *told == limit);
        match (recording.complaint(limit), known) {
            (Some(complaint), None) => surprises.push(format!("{}: {complaint}", recording.name)),
            (None, Some((_, _, why))) => {
                surprises.push(format!("{} is judged rightly now, take it out of KNOWN_MISSES: {why}", recording.name));
            }
            _ => {}
        }
    }
    assert!(surprises.is_empty(), "limit {limit:?}:\n{}", surprises.join("\n"));
}

#[test]
fn recordings_are_judged_as_their_labels_say() {
    assert!(all().len() >= 20, "the recordings are gone");
    check_all(Limit::Told);
}

#[test]
fn recordings_are_judged_as_their_labels_say_where_no_limit_is_known() {
    check_all(Limit::Unknown);
}

#[test]
fn known_misses_are_recordings_that_exist() {
    let names: Vec<_> = all().into_iter().map(|recording| recording.name).collect();
    for (name, limit, why) in KNOWN_MISSES {
        assert!(names.iter().any(|known| known == name), "{name} ({limit:?}): {why}");
    }
}

#[test]
fn only_a_heap_leak_asks_for_snapshots() {
    for recording in all() {
        let Some((signal, _)) = &recording.leaks else { continue };
        let due = of_kind(&recording.replay(Limit::Told), "snapshot_due").count();
        assert_eq!(due > 0, signal == "heapUsed", "{}: {due} snapshots", recording.name);
    }
}

#[test]
fn whole_megabytes_and_rss_alone_lose_no_verdict() {
    let rss_alone = ["uptime", "heapUsed", "heapTotal", "external", "arrayBuffers", "requests", "pid"];
    for (name, leaks) in [("leak-closures", true), ("leak-buffers", true), ("leak-native", true), ("ok-fixed", false)] {
        let recording = Recording::named(name);
        assert_eq!(recording.rounded().complaint(Limit::Told), None, "{name}, rounded");
        let events = recording.without(&rss_alone).replay(Limit::Told);
        let signals: Vec<_> = of_kind(&events, "leak_confirmed").map(|event| event["signal"].clone()).collect();
        assert_eq!(signals, if leaks { vec!["rss"] } else { Vec::new() }, "{name}, rss alone");
        assert_eq!(of_kind(&events, "snapshot_due").count(), 0, "{name}: rss alone does not say that the heap leaks");
    }
}

#[test]
fn a_fix_that_held_is_told_with_before_and_after() {
    let events = Recording::named("leak-fixed").replay(Limit::Told);
    assert_eq!(of_kind(&events, "leak_confirmed").count(), 1);
    assert_eq!(of_kind(&events, "still_leaking").count(), 0);
    let resolved: Vec<_> = of_kind(&events, "leak_resolved").collect();
    assert_eq!(resolved.len(), 1);
    assert!((53.0..53.2).contains(&hour(resolved[0])), "48 h after the deploy at hour 5: {}", hour(resolved[0]));
    let says = resolved[0]["says"].as_str().unwrap();
    assert!(says.contains(" before; ") && says.ends_with("over 48h after, floors level: fix held"), "{says}");
}

#[test]
fn a_deploy_that_changes_nothing_is_told_to_still_leak() {
    let events = Recording::named("leak-deployed-again").replay(Limit::Told);
    let hours = |kind| of_kind(&events, kind).map(hour).collect::<Vec<_>>();
    assert_eq!(of_kind(&events, "leak_confirmed").count(), 1, "one leak, one episode");
    let (restarts, told) = (hours("restarted"), hours("still_leaking"));
    assert_eq!((restarts.len(), told.len()), (2, 2));
    for (restart, told) in restarts.iter().zip(&told) {
        assert!((0.0..1.5).contains(&(told - restart)), "{told} is long after {restart}");
    }
    assert_eq!(of_kind(&events, "leak_resolved").count(), 0);
}

/// By pid, by start time, by a counter that starts over, and by a drop over a gap where the target says nothing.
#[test]
fn restarts_are_recognised_by_whatever_the_target_tells() {
    let told = ["pid", "uptime", "requests"];
    for (name, restarts) in
        [("leak-crash", 3), ("leak-deployed-again", 2), ("ok-deploys", 3), ("ok-fixed", 0), ("ok-idle", 0)]
    {
        let recording = Recording::named(name);
        let mut ways: Vec<Vec<&str>> =
            told.iter().map(|kept| told.into_iter().filter(|way| way != kept).collect()).collect();
        ways.extend([Vec::new(), told.to_vec()]);
        for removed in ways {
            let events = recording.without(&removed).replay(Limit::Told);
            let found = of_kind(&events, "restarted").count();
            assert_eq!(found, restarts, "{name} without {removed:?}");
        }
    }
}

#[test]
fn crashes_at_the_heap_limit_are_counted_as_kills() {
    let events = Recording::named("leak-crash").replay(Limit::Told);
    let kills: Vec<_> = of_kind(&events, "restarted").map(|event| event["kills_this_week"].as_u64().unwrap()).collect();
    assert_eq!(kills, [1, 2, 3]);
    assert!(of_kind(&events, "restarted").all(|event| event["cause"] == "at_memory_limit"));
    let deploys = Recording::named("ok-deploys").replay(Limit::Told);
    assert!(of_kind(&deploys, "restarted").all(|event| event["kills_this_week"] == 0));
}

/// As recorded, without the level, without the count of collections, and without both: the more is told, the sooner.
#[test]
fn a_leak_is_found_by_whatever_the_target_tells_of_its_collections() {
    let told = Recording::named("leak-after-gc");
    let healthy = Recording::named("ok-after-gc");
    let found = |removed: &[&str]| {
        let events = told.without(removed).replay(Limit::Told);
        of_kind(&events, "leak_confirmed").next().map_or_else(|| panic!("not found without {removed:?}"), hour)
    };
    let ways = [&[][..], &["heapUsedAfterGc"], &["majorGcs"], &["heapUsedAfterGc", "majorGcs"]];
    let hours = ways.map(found);
    // By then it has leaked 55 of the 460 MiB to its limit.
    assert!(hours.iter().all(|hour| *hour < 5.0), "{hours:?}");
    assert!(hours.iter().take(3).all(|hour| *hour <= hours[3]), "later with levels than without: {hours:?}");
    for removed in ways {
        assert_eq!(healthy.without(removed).complaint(Limit::Told), None, "without {removed:?}");
    }
}
