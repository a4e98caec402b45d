//! The built executable: what people and the daemon see.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use heapwatch::heap::report::Report;
use heapwatch::heap::retaining::Retaining;
use heapwatch::heap::summary::Summary;
use serde::de::DeserializeOwned;

use super::{Pair, node_is_there};

fn heapwatch(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_heapwatch");
    Command::new(program).arg("heap").args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn stdout(arguments: &[&str]) -> String {
    let output = heapwatch(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json<T: DeserializeOwned>(arguments: &[&str]) -> T {
    serde_json::from_str(&stdout(arguments)).unwrap()
}

fn compress(file: &Path, encoder: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let packed = file.with_extension("packed");
    fs::write(&packed, encoder(&fs::read(file).unwrap())).unwrap();
    packed.to_str().unwrap().to_owned()
}

/// A pipe that nobody writes to would be waited for without end.
#[test]
fn pipes_and_cut_archives_are_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    let whole = format!("{{\"snapshot\":{{\"meta\":\"{}", (0..9000).map(|n| (n * n).to_string()).collect::<String>());
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(whole.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    fs::write(path("cut.gz"), &packed[..packed.len() / 2]).unwrap();
    for (file, reason) in [("pipe", "no regular file"), ("cut.gz", "cannot read the snapshot on from byte ")] {
        for arguments in [&["summary", &path(file)][..], &["diff", &path(file), &path(file)]] {
            let output = heapwatch(arguments);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
            assert!(said.contains(reason), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn every_command_reads_every_packing() {
    if !node_is_there() {
        return;
    }
    let pair = Pair::make("session-map");
    let (before, after) = (pair.before(), pair.after());
    let gzip = compress(&before, |bytes| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    });
    let zstd = compress(&after, |bytes| zstd::encode_all(bytes, 1).unwrap());
    let plain: Report = json(&["diff", "--json", before.to_str().unwrap(), after.to_str().unwrap()]);
    let packed: Report = json(&["diff", "--json", &gzip, &zstd]);
    assert_eq!(plain, packed);
    let text = stdout(&["diff", &gzip, &zstd]);
    assert!(text.starts_with(&plain.headline) && text.contains("SessionEntry"), "{text}");
    let text = stdout(&["culprit", &gzip, &zstd]);
    assert!(text.contains("held by sessions (Map) in session-map.js") && !text.contains("constructor"), "{text}");

    let summary: Summary = json(&["summary", "--json", &zstd]);
    let sessions = summary.containers.iter().find(|container| container.path == "sessions (Map) in session-map.js");
    assert_eq!(sessions.unwrap().entries, 1600);
    assert!(stdout(&["summary", &zstd]).contains("sessions (Map) in session-map.js"));

    let id = sessions.unwrap().id.to_string();
    let explained: Retaining = json(&["retainers", "--json", &zstd, "--id", &id]);
    assert_eq!(explained.held_by, "sessions (Map) in session-map.js");
    assert!(explained.retainers.iter().any(|row| row.step.edge == "sessions"), "{explained:#?}");
}

#[test]
fn a_third_snapshot_settles_what_a_pair_cannot() {
    if !node_is_there() {
        return;
    }
    let pair = Pair::make("session-map");
    let files = [pair.before(), pair.after()];
    let [before, after] = files.each_ref().map(|file| file.to_str().unwrap());
    // The third is the second: nothing grew any more.
    let report: Report = json(&["diff", "--json", before, after, "--final", after]);
    assert!(report.culprits.is_empty() && report.notes[0].contains("SessionEntry"), "{:?}", report.notes);
}

#[test]
fn a_redacted_copy_holds_no_text_and_the_same_graph() {
    if !node_is_there() {
        return;
    }
    let pair = Pair::make("audit-log");
    let files = [pair.after(), pair.after().with_extension("redacted")];
    let [after, copy] = files.each_ref().map(|file| file.to_str().unwrap());
    stdout(&["redact", after, copy]);
    assert!(fs::read_to_string(after).unwrap().contains("request 999 from 10.0."));
    assert!(!fs::read_to_string(copy).unwrap().contains("request 999 from 10.0."));
    let (whole, redacted): (Summary, Summary) =
        (json(&["summary", "--json", after]), json(&["summary", "--json", copy]));
    assert_eq!((whole.classes, whole.largest), (redacted.classes, redacted.largest));
    assert!(!heapwatch(&["redact", after, copy]).status.success(), "an existing file is overwritten");
}

#[test]
fn what_cannot_be_read_is_told_with_file_and_place() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("page.heapsnapshot");
    fs::write(&file, "<html>login</html>").unwrap();
    let at = file.to_str().unwrap();
    for (arguments, expected) in [
        (vec!["summary", at], "not a V8 heap snapshot: it begins with `<html>login</html>` (at byte 0)"),
        (vec!["summary", "/nowhere/x"], "cannot open /nowhere/x: No such file"),
        (vec!["diff", at, at], "cannot analyse"),
    ] {
        let output = heapwatch(&arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(expected) && output.stdout.is_empty(), "{arguments:?}: {stderr}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
}

#[test]
fn two_processes_are_no_pair() {
    if !node_is_there() {
        return;
    }
    let (one, other) = (Pair::make("session-map"), Pair::make("emitter"));
    let output = heapwatch(&["diff", one.before().to_str().unwrap(), other.after().to_str().unwrap()]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("the two snapshots are of different processes: only "), "{stderr}");
}

#[test]
fn a_budget_refuses_with_the_figure() {
    if !node_is_there() {
        return;
    }
    let pair = Pair::make("lru");
    let output = heapwatch(&["summary", "--budget", "1MiB", pair.after().to_str().unwrap()]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let (before, after) = (pair.before(), pair.after());
    let files = [before.to_str().unwrap(), after.to_str().unwrap()];
    let counted: Report = json(&["diff", "--json", "--budget", "3MiB", "--without-edges", files[0], files[1]]);
    assert!(counted.classes.iter().any(|row| row.name == "(string)"), "{:?}", counted.classes);
    assert!(!heapwatch(&["diff", "--budget", "3MiB", files[0], files[1]]).status.success());
    assert!(stderr.contains("MiB, more than the 1 MiB allowed"), "{stderr}");
}

/// As the daemon asks for it: the whole analysis where it fits, and else what fits, with the figure.
#[test]
fn what_does_not_fit_is_counted_and_said() {
    if !node_is_there() {
        return;
    }
    let pair = Pair::make("lru");
    let files = [pair.before(), pair.after()];
    let [before, after] = files.each_ref().map(|file| file.to_str().unwrap());
    let within = |budget: &str| {
        json::<Report>(&["diff", "--json", before, after, "--budget", budget, "--without-edges=over-budget"])
    };
    let (counted, whole) = (within("3145728B"), within("512MiB"));
    assert!(
        counted.notes[0].starts_with("only classes were compared: the whole comparison needs about "),
        "{counted:?}"
    );
    assert!(counted.notes[0].ends_with("and 3 MiB are allowed"), "{:?}", counted.notes);
    assert!(counted.culprits.is_empty() && counted.headline.starts_with("no culprit can be named"), "{counted:?}");
    assert!(whole.notes.is_empty() && whole.headline.starts_with("no culprit: the heap"), "{whole:?}");
    let new = |report: &Report, name: &str| report.classes.iter().find(|row| row.name == name).unwrap().new;
    assert_eq!(new(&counted, "(string)"), new(&whole, "(string)"));
    let summary: Summary = json(&["summary", "--json", "--budget", "3145728B", "--without-edges=over-budget", after]);
    assert!(summary.nodes > 10_000 && summary.edges == 0, "{} nodes, {} edges", summary.nodes, summary.edges);
}

/// `DevTools` and memlab make one string of all strings and end at V8's longest of 512 MiB.
#[test]
fn strings_beyond_512_mib_are_no_special_case() {
    const TEXT: &str = "a text that is as long as many are: the body of a request, say, or a page that was rendered";
    if !node_is_there() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("long.heapsnapshot");
    let mut packed = zstd::Encoder::new(fs::File::create(&file).unwrap(), 1).unwrap();
    super::node("fuzz/seeds.mjs", &[directory.path().to_str().unwrap()]);
    let small = fs::read_to_string(directory.path().join("snapshot/after")).unwrap();
    let (head, tail) = small.split_once("\"strings\":[").unwrap();
    write!(packed, "{head}\"strings\":[{}", tail.trim_end().strip_suffix("]}").unwrap()).unwrap();
    let more = format!(",\"{}\"", TEXT.repeat(1000));
    for _ in 0..(513 << 20) / more.len() {
        packed.write_all(more.as_bytes()).unwrap();
    }
    packed.write_all(b"]}").unwrap();
    packed.finish().unwrap();
    let summary: Summary = json(&["summary", "--json", file.to_str().unwrap()]);
    assert!(summary.nodes > 0 && summary.bytes > 0);
}
