//! Files that the main file includes: read in order, blamed by file and line, and never the place for the house's keys.

use std::fs;

use super::case::Case;

const MAIN: &str = "[[targets]]\nname = \"api\"\nurl = \"http://127.0.0.1:3000\"\n";

fn case(main: &str, files: &[(&str, &str)]) -> Case {
    let case = Case::new(main);
    fs::create_dir(case.path().join("conf.d")).unwrap();
    for (name, text) in files {
        fs::write(case.path().join("conf.d").join(name), text).unwrap();
    }
    case
}

fn target(name: &str, port: u16) -> String {
    format!("[[targets]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{port}\"\n")
}

#[test]
fn files_beside_the_main_one_add_what_they_hold() {
    let channel = "[[channels]]\ntype = \"webhook\"\nname = \"ops\"\nurl = \"http://127.0.0.1:9/\"\n";
    let route = "[[routes]]\nlabels = { team = \"a\" }\nchannels = [\"ops\"]\n";
    let files = [
        ("20-b.toml", target("b", 2) + route),
        ("10-a.toml", target("a", 1) + channel),
        (".#hidden.toml", "no TOML at all".to_owned()),
        ("30-c.toml.dpkg-new", "neither".to_owned()),
    ];
    let case = case(MAIN, &files.each_ref().map(|(name, text)| (*name, text.as_str())));
    let shown = case.json();
    let names: Vec<&str> = shown["targets"].as_array().unwrap().iter().filter_map(|t| t["name"].as_str()).collect();
    assert_eq!(names, ["api", "a", "b"]);
    assert_eq!(shown["channels"][0]["name"], "ops");
    let outcome = case.check(&[]);
    assert!(
        outcome.stdout.contains("with DIR/conf.d/10-a.toml\nwith DIR/conf.d/20-b.toml\n"),
        "the files are named: {}",
        outcome.stdout
    );
    let routed = case.check(&["--route", "team=a"]);
    assert!(routed.stdout.contains("ops") && routed.stdout.contains("by route 1"), "{}", routed.stdout);
}

#[test]
fn all_mistakes_of_all_files_are_told_at_once_with_file_and_line() {
    let case = case(
        &format!("{MAIN}interval = \"0s\"\n"),
        &[
            ("a.toml", "[[targets]]\nname = \"a\"\nurl = \"http://h\"\ntimout = \"1s\"\n[[targets]]\nname = \"b\"\n"),
            ("b.toml", "[[targets]\n"),
            ("c.toml", "# one\n[[targets]]\nname = \"api\"\nurl = \"http://other\"\n"),
            ("d.toml", "targets = 5\nstate_directory = \"/x\"\n"),
        ],
    );
    let mut problems = case.problems();
    problems.sort();
    let expected = [
        "DIR/conf.d/b.toml:1:10: unclosed array table, expected `]]`: `[[targets]`",
        "state_directory in DIR/conf.d/d.toml:2: belongs into the main file; an included file holds targets, channels, routes, file_sd, http_sd, dns_sd, groups",
        "targets in DIR/conf.d/d.toml:1: must be a list of tables, written as [[targets]], and is a number",
        "targets.a.timout in DIR/conf.d/a.toml:4: is no key of heapwatch; did you mean `timeout`?",
        r#"targets.api.interval = "0s" in DIR/x.toml:4: must be at least 100ms (for example "30s")"#,
        r#"targets.api.name = "api" in DIR/conf.d/c.toml:3: names two targets, and the other one is in DIR/x.toml:1; every name is unique (for example "checkout-api")"#,
        r#"targets.b.url in DIR/conf.d/a.toml:5: is missing (for example "http://127.0.0.1:3000")"#,
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected).filter(|(_, expected)| !expected.contains("b.toml")) {
        assert_eq!(problem, expected);
    }
    assert!(problems.iter().any(|problem| problem.starts_with("DIR/conf.d/b.toml:1:")), "{problems:#?}");
}

#[test]
fn two_files_cannot_both_hold_a_group_or_a_channel() {
    let group = "[groups.shop]\ninterval = \"5s\"\n";
    let channel = "[[channels]]\ntype = \"log\"\nname = \"x\"\n";
    let case = case(MAIN, &[("a.toml", &format!("{group}{channel}")), ("b.toml", &format!("\n{channel}{group}"))]);
    let mut problems = case.problems();
    problems.sort();
    assert_eq!(
        problems,
        [
            r#"channels.x.name = "x" in DIR/conf.d/b.toml:4: is the name of two channels, and the other one is in DIR/conf.d/a.toml:3; give each a name of its own (for example "on-call")"#,
            "groups.shop in DIR/conf.d/b.toml:5: stands in DIR/conf.d/a.toml:1 already; every group stands in one file",
        ]
    );
}

#[test]
fn the_key_says_what_is_included() {
    let shop = target("shop", 1);
    let none = case(&format!("include = []\n{MAIN}"), &[("a.toml", "no TOML")]);
    assert_eq!(none.json()["included"].as_array().unwrap().len(), 0);
    let one = case("include = [\"conf.d/a.toml\"]\n", &[("a.toml", &shop), ("b.toml", "no TOML")]);
    assert_eq!(one.json()["targets"][0]["name"], "shop");
    let check = |include: &str, expected: &str| {
        assert_eq!(case(&format!("include = {include}\n{MAIN}"), &[]).problems(), [expected]);
    };
    check("[\"gone.toml\"]", "include in DIR/x.toml: names DIR/gone.toml, which is not there");
    check("[\"conf.d\"]", "include in DIR/x.toml: names the directory DIR/conf.d: write \"conf.d/*.toml\"");
    check(
        "\"conf.d\"",
        r#"include = "conf.d" in DIR/x.toml:1: must be a list of texts, and is text (for example ["conf.d/*.toml"])"#,
    );
}

#[test]
fn paths_count_from_the_file_that_they_stand_in() {
    let case =
        case(MAIN, &[("a.toml", &format!("{}token_file = \"./t\"\n", target("a", 1)))]).file("conf.d/t", "x", 0o600);
    assert_eq!(case.json()["targets"][1]["credentials"], "a token");
}
