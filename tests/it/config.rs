//! The configuration as a person meets it: through `heapwatch check`, with exit codes and sentences.

mod case;
mod groups;
mod included;
mod soup;
mod sources;

use std::io;
use std::process::Command;

use case::{Case, heapwatch};

const TARGET: &str = "[[targets]]\nname = \"api\"\nurl = \"http://127.0.0.1:3000\"\n";

/// One problem, told in these words; `DIR` stands for the directory of the file.
fn check(text: &str, expected: &str) {
    assert_eq!(Case::new(text).problems(), [expected], "{text}");
}

fn check_target(lines: &str, expected: &str) {
    check(&format!("{TARGET}{lines}\n"), expected);
}

#[test]
fn a_configuration_that_is_fine_is_summed_up() {
    let text =
        format!("{TARGET}memory_limit = \"512MiB\"\nsnapshot = {{ token_file = \"t\" }}\n").replace("\"t\"", "\"./t\"");
    let case = Case::new(text).file("t", "hunter2\n", 0o600);
    let outcome = case.check(&[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stdout.contains("api: http://127.0.0.1:3000/health/debug every 30s"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("snapshots from /admin/heap-snapshot with a token"), "{}", outcome.stdout);
    assert!(outcome.stderr.contains("no channel is configured"), "{}", outcome.stderr);
    assert!(!case.path().join("state").exists(), "a check creates nothing");
    assert_eq!(case.json()["targets"][0]["memory_limit_bytes"], 512 << 20);
}

#[test]
fn a_wrong_value_is_told_with_what_is_allowed() {
    check_target(
        "interval = \"0s\"",
        r#"targets.api.interval = "0s" in DIR/x.toml:4: must be at least 100ms (for example "30s")"#,
    );
    check_target(
        "interval = \"30\"",
        r#"targets.api.interval = "30" in DIR/x.toml:4: needs a unit: ms, s, m, h or d (for example "30s")"#,
    );
    check_target(
        "interval = 30",
        r#"targets.api.interval = 30 in DIR/x.toml:4: must be a duration in quotes, with a unit, and is a number (for example "30s")"#,
    );
    check_target(
        "memory_limit = \"512\"",
        r#"targets.api.memory_limit = "512" in DIR/x.toml:4: needs a unit: B, KiB, MiB, GiB or TiB, or KB, MB, GB or TB (for example "512 MiB")"#,
    );
    check_target("down_after = -1", "targets.api.down_after = -1 in DIR/x.toml:4: must be at least 1 (for example 3)");
    check_target(
        "down_after = 99999999999",
        "targets.api.down_after = 99999999999 in DIR/x.toml:4: must be at most 1000 (for example 3)",
    );
    check_target(
        "labels = { \"a-b\" = \"c\" }",
        r#"targets.api.labels.a-b = "c" in DIR/x.toml:4: is no name for a label: 1 to 64 of letters, digits and `_`, starting with a letter (for example { team = "payments" })"#,
    );
    check_target(
        "snapshot = true",
        "targets.api.snapshot = true in DIR/x.toml:4: must be a table, and is true or false",
    );
    check_target(
        "snapshot = { headroom_factor = nan }",
        "targets.api.snapshot.headroom_factor = NaN in DIR/x.toml:4: must be a finite number (for example 10)",
    );
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    check_target(
        "intervall = \"5s\"",
        "targets.api.intervall in DIR/x.toml:4: is no key of heapwatch; did you mean `interval`?",
    );
    check_target(
        "memory-limit = \"1GiB\"",
        "targets.api.memory-limit in DIR/x.toml:4: is no key of heapwatch; did you mean `memory_limit`?",
    );
    check_target(
        "gap = \"5m\"",
        "targets.api.gap in DIR/x.toml:4: is no key of heapwatch; it belongs elsewhere: `snapshot.gap`",
    );
    check_target(
        "[web]\nstop_timeout = \"5s\"",
        "web.stop_timeout in DIR/x.toml:5: is no key of heapwatch; write `stop_timeout` before the first [section]",
    );
    check_target(
        "[defaults]\nurl = \"http://h\"",
        "defaults.url in DIR/x.toml:5: is no key of heapwatch; it belongs elsewhere: `targets.url`",
    );
    check_target(
        "token = \"hunter2\"",
        "targets.api.token in DIR/x.toml:4: is no key of heapwatch; secrets do not stand in the configuration: write the path of a file as `token_file`",
    );
}

#[test]
fn contradictory_times_are_told_with_both_sides() {
    check_target(
        "timeout = \"1m\"",
        r#"targets.api.timeout = "1m" in DIR/x.toml:4: must be at most the interval, 30s (for example "10s")"#,
    );
    check_target(
        "snapshot = { gap = \"12h\", cooldown = \"6h\" }",
        r#"targets.api.snapshot.gap = "12h" in DIR/x.toml:4: must be at most `cooldown`, 6h: a pair has to be complete before the next one may begin (for example "30m")"#,
    );
    check_target(
        "snapshot = { first_byte_timeout = \"2h\" }",
        r#"targets.api.snapshot.first_byte_timeout = "2h" in DIR/x.toml:4: must be at most `total_timeout`, 1h (for example "10m")"#,
    );
    check_target(
        "detection = { block = \"1m\" }",
        r#"targets.api.detection.block = "1m" in DIR/x.toml:4: must be at least 4 intervals, or its low is no floor (for example "5m")"#,
    );
    check_target(
        "detection = { verify = \"10m\" }",
        r#"targets.api.detection.verify = "10m" in DIR/x.toml:4: must be at least 8 blocks, the shortest window that is judged (for example "48h")"#,
    );
}

#[test]
fn a_shorter_or_longer_interval_alone_contradicts_nothing() {
    for interval in ["1s", "200ms", "5m"] {
        let case = Case::new(format!("{TARGET}interval = \"{interval}\"\n"));
        assert_eq!(case.check(&[]).code, 0, "{interval}: {}", case.check(&[]).stderr);
    }
}

#[test]
fn addresses_are_checked_and_their_secrets_are_not_shown() {
    let target = |url: &str| format!("[[targets]]\nname = \"api\"\nurl = \"{url}\"\n");
    check(
        &target("http://bob:hunter2@db:3000"),
        r#"targets.api.url = "http://…@db:3000" in DIR/x.toml:3: has a user or password in it, which would show in logs: use `username` and `password_file` (for example "http://127.0.0.1:3000")"#,
    );
    check(
        &target("ftp://db"),
        r#"targets.api.url = "ftp://db" in DIR/x.toml:3: must start with http:// or https:// (for example "http://127.0.0.1:3000")"#,
    );
    check(
        &target("http://db?key=hunter2"),
        r#"targets.api.url = "http://db/…" in DIR/x.toml:3: has a query, which belongs into `health_path` (for example "http://127.0.0.1:3000")"#,
    );
    check(
        &target("checkout:3000"),
        r#"targets.api.url = "checkout:3000" in DIR/x.toml:3: must start with http:// or https:// (for example "http://127.0.0.1:3000")"#,
    );
}

#[test]
fn targets_need_names_of_their_own() {
    check(
        &format!("{TARGET}{TARGET}"),
        r#"targets.api.name = "api" in DIR/x.toml:5: names two targets, and the other one is in DIR/x.toml:1; every name is unique (for example "checkout-api")"#,
    );
    check("", "targets in DIR/x.toml: is missing (for example [[targets]] with a name and a url)");
    let problems = Case::new("[[targets]]\ninterval = \"5s\"\n").problems();
    assert_eq!(
        problems,
        [
            r#"targets[0].name in DIR/x.toml:1: is missing (for example "checkout-api")"#,
            r#"targets[0].url in DIR/x.toml:1: is missing (for example "http://127.0.0.1:3000")"#,
        ]
    );
    check(
        "[targets]\nname = \"api\"\n",
        "targets = { … } in DIR/x.toml:1: must be a list of tables, written as [[targets]]",
    );
}

#[test]
fn secret_files_must_be_there_whole_and_private() {
    let problem = |case: &Case| case.problems().join("\n");
    let token = |name: &str| Case::new(format!("{TARGET}token_file = \"./{name}\"\n"));
    let prefix =
        |name: &str| format!("targets.api.token_file = \"./{name}\" in DIR/x.toml:4: names DIR/./{name}, which ");
    let open = token("t").file("t", "hunter2", 0o644);
    assert_eq!(
        problem(&open),
        prefix("t") + "is open to every user of this machine (mode 0644): `chmod 0600` it, or 0640"
    );
    let empty = token("t").file("t", "\n", 0o600);
    assert_eq!(problem(&empty), prefix("t") + "is empty");
    assert_eq!(problem(&token("t")), prefix("t") + "cannot be read: No such file or directory (os error 2)");
    assert_eq!(problem(&token("..")), prefix("..") + "is not a regular file");
    let two_lines = token("t").file("t", "hunter2\nhunter3\n", 0o600);
    let expected = "holds a line break or another control character within the secret";
    assert!(problem(&two_lines).ends_with(expected), "{}", problem(&two_lines));
    assert!(!problem(&two_lines).contains("hunter"), "{}", problem(&two_lines));
}

#[test]
fn credentials_are_not_mixed_from_the_target_and_the_defaults() {
    let text = format!("[defaults]\ntoken_file = \"./t\"\n{TARGET}username = \"bob\"\npassword_file = \"./t\"\n");
    let case = Case::new(text).file("t", "hunter2", 0o600);
    assert_eq!(case.json()["targets"][0]["credentials"], "the password of bob");
    let case = Case::new(format!("[defaults]\nusername = \"bob\"\n{TARGET}{}", TARGET.replace("api", "b")));
    let problem = r#"defaults.password_file in DIR/x.toml:1: is missing (for example "/etc/heapwatch/api.password")"#;
    assert_eq!(case.problems(), [problem], "told once, not for each target");
}

#[test]
fn one_process_under_two_names_is_worth_a_warning() {
    let case = Case::new(format!("{TARGET}{}", TARGET.replace("api", "b")));
    let stderr = case.check(&[]).stderr;
    assert!(stderr.contains("targets api and b are the same: http://127.0.0.1:3000/health/debug"), "{stderr}");
}

#[test]
fn a_pipe_in_the_place_of_a_secret_does_not_hang() {
    let case = Case::new(format!("{TARGET}token_file = \"./pipe\"\n"));
    let made = Command::new("mkfifo").arg("-m").arg("600").arg(case.path().join("pipe")).status().unwrap();
    assert!(made.success());
    assert!(case.problems()[0].ends_with("is not a regular file"), "{:?}", case.problems());
}

#[test]
fn bare_names_are_credentials_of_the_service() {
    let case = Case::new(format!("{TARGET}token_file = \"api.token\"\n")).file("api.token", "hunter2", 0o400);
    let problems = case.problems();
    assert!(problems[0].contains("$CREDENTIALS_DIRECTORY is not set"), "{problems:?}");
    let directory = case.path().display().to_string();
    let case = case.env("CREDENTIALS_DIRECTORY", &directory);
    assert_eq!(case.json()["targets"][0]["credentials"], "a token");
}

#[test]
fn secrets_come_from_variables_too() {
    let case = Case::new(format!("{TARGET}token_env = \"HEAPWATCH_API_TOKEN\"\n"));
    assert_eq!(
        case.problems(),
        [r#"targets.api.token_env = "HEAPWATCH_API_TOKEN" in DIR/x.toml:4: names a variable that is not set"#]
    );
    let case = case.env("HEAPWATCH_API_TOKEN", "0123");
    assert_eq!(case.json()["targets"][0]["credentials"], "a token");
}

#[test]
fn directories_are_checked_before_anything_is_written() {
    let case = Case::new(format!("state_directory = \"./x.toml/state\"\n{TARGET}"));
    let problems = case.problems();
    assert_eq!(problems.len(), 2, "state and snapshots: {problems:?}");
    assert!(
        problems[0].starts_with("state_directory = \"./x.toml/state\" in DIR/x.toml:1: cannot be used: "),
        "{problems:?}"
    );
    let case = Case::new(format!("snapshot_directory = \"./x.toml\"\n{TARGET}"));
    assert_eq!(
        case.problems(),
        [r#"snapshot_directory = "./x.toml" in DIR/x.toml:1: is not a directory (for example "/var/lib/heapwatch")"#]
    );
}

#[test]
fn channels_are_checked_by_their_type() {
    let channel = |lines: &str| format!("{TARGET}[[channels]]\n{lines}\n");
    check(
        &channel("type = \"webhok\""),
        r#"channels[0].type = "webhok" in DIR/x.toml:5: must be one of webhook, log, pagerduty, slack, alertmanager, ping; did you mean "webhook"? (for example "webhook")"#,
    );
    check(&channel("url = \"http://h\""), r#"channels[0].type in DIR/x.toml:4: is missing (for example "webhook")"#);
    check(
        &channel("type = \"log\"\nname = \"ops\"\nurl = \"http://h\""),
        "channels.ops.url in DIR/x.toml:7: is no key of heapwatch; known here are `ca_file`, `client_cert_file`, `headers`, `labels`, `min_severity`, `name`, `timeout`, `type`",
    );
    check(
        &channel("type = \"pagerduty\""),
        r#"channels[0].routing_key_file in DIR/x.toml:4: is missing (for example "/etc/heapwatch/pagerduty.key")"#,
    );
    check(
        &channel("type = \"log\"\n[[channels]]\ntype = \"log\""),
        "channels[1].name = \"log\" by default: is the name of two channels, and the other one is in DIR/x.toml:4; give each a name of its own (for example \"on-call\")",
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let text = "bogus = 1\nlimits = { max_captures = 0 }\n[defaults]\ninterval = \"1ms\"\n[defaults.snapshot]\ngap = 5\n\
                [[targets]]\nname = \"a b\"\nurl = \"x\"\n[[targets]]\nname = \"ok\"\nurl = \"http://h\"\ntimeout = \"1y\"\n\
                [[channels]]\ntype = \"slack\"\n[web]\nlisten = \"0.0.0.0:80\"\n[alerts]\nnotify = [\"leak\"]\n";
    let problems = Case::new(text).problems();
    for key in [
        "bogus",
        "limits.max_captures",
        "defaults.interval",
        "defaults.snapshot.gap",
        "targets[0].name",
        "targets[0].url",
        "targets.ok.timeout",
        "channels[0].url",
        "web.listen",
        "alerts.notify",
    ] {
        assert_eq!(problems.iter().filter(|line| line.starts_with(key)).count(), 1, "{key}: {problems:#?}");
    }
    assert_eq!(problems.len(), 10, "{problems:#?}");
}

#[test]
fn a_file_that_cannot_be_understood_is_told_with_its_place() {
    let problem = |text: &[u8]| Case::new(text).problems().join("\n");
    let syntax = problem(b"[web]\nlisten = off\n");
    assert!(syntax.starts_with("DIR/x.toml:2:10: "), "{syntax}");
    assert!(syntax.ends_with("`listen = off`"), "{syntax}");
    assert_eq!(problem(b"a = \"\xff\"\n"), "DIR/x.toml:1:6: is not UTF-8 text");
    let missing = heapwatch(&["check", "--config", "/nonexistent/x.toml"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(78));
    assert_eq!(
        String::from_utf8(missing.stderr).unwrap(),
        "heapwatch: bad configuration\n/nonexistent/x.toml: cannot be read: No such file or directory (os error 2)\n"
    );
}

#[test]
fn variables_override_the_file_and_text_stays_text() {
    let case = Case::new(format!("{TARGET}group = \"file\"\n"));
    assert_eq!(case.json()["targets"][0]["group"], "file", "a target's own key stands above the defaults");
    let case = Case::new(format!("[defaults]\ngroup = \"file\"\n{TARGET}"))
        .env("HEAPWATCH_DEFAULTS__GROUP", "0123")
        .env("HEAPWATCH_DEFAULTS__INTERVAL", "5s")
        .env("HEAPWATCH_ALERTS__CAPACITY", "64")
        .env("HEAPWATCH_ALERTS__NOTIFY", "leak_confirmed, leak_resolved")
        .env("HEAPWATCH_DEFAULTS__SNAPSHOT__BASELINE", "true");
    let target = &case.json()["targets"][0];
    assert_eq!(target["group"], "0123", "digits in a variable are a text where a text is wanted");
    assert_eq!(target["interval_seconds"], 5.0);
    assert!(target["snapshots"].is_object());
}

#[test]
fn wrong_variables_are_told_by_their_names() {
    let case = Case::new(TARGET)
        .env("HEAPWATCH_DEFAULTS__INTERVAL", "5")
        .env("HEAPWATCH_ALERTS__CAPACITY", "many")
        .env("HEAPWATCH_LOG__LEVLE", "info");
    assert_eq!(
        case.problems(),
        [
            r#"defaults.interval = "5" in HEAPWATCH_DEFAULTS__INTERVAL: needs a unit: ms, s, m, h or d (for example "30s")"#,
            r#"alerts.capacity = "many" in HEAPWATCH_ALERTS__CAPACITY: must be a whole number, and is text (for example 10000)"#,
            "log.levle in HEAPWATCH_LOG__LEVLE: is no key of heapwatch; did you mean `level`?",
        ]
    );
    let case = Case::new(TARGET).env("HEAPWATCH_TARGETS__API__INTERVAL", "5s");
    assert_eq!(
        case.problems(),
        [
            "HEAPWATCH_TARGETS__API__INTERVAL: lists and groups can only stand in the file; what targets have in common is HEAPWATCH_DEFAULTS__..."
        ]
    );
}

#[test]
fn variables_of_others_are_left_alone() {
    let case = Case::new(TARGET)
        .env("HEAPWATCH_SERVICE_HOST", "10.0.0.1")
        .env("HEAPWATCH_PORT_9797_TCP", "tcp://10.0.0.1:9797")
        .env("HEAPWATCH_CONFIG", "/elsewhere")
        .env("HEAPWATCH_SERVER", "http://127.0.0.1:1")
        .env("HEAPWATCHER", "x");
    assert_eq!(case.check(&[]).code, 0, "{}", case.check(&[]).stderr);
}

#[test]
fn wrong_usage_is_told_apart_from_failure() {
    for (arguments, code) in [
        (&["check", "--bogus"][..], 64),
        (&["chekc"], 64),
        (&[], 64),
        (&["--help"], 0),
        (&["check", "--help"], 0),
        (&["--version"], 0),
    ] {
        assert_eq!(heapwatch(arguments).output().unwrap().status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_has_gone_away_is_no_failure() {
    let case = Case::new(TARGET);
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = case.command(&["check"]).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
