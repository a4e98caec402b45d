//! Groups: a target's keys count first, then its group's, then the defaults; addresses of a group are targets.

use super::case::Case;

fn targets(text: &str) -> Vec<serde_json::Value> {
    let case = Case::new(text).file("t", "secret", 0o600).file("other", "secret", 0o600);
    case.json()["targets"].as_array().unwrap().clone()
}

fn problems(text: &str) -> Vec<String> {
    Case::new(text).problems()
}

#[test]
fn the_target_comes_before_its_group_and_the_group_before_the_defaults() {
    let targets = targets(
        "[defaults]\ninterval = \"40s\"\nmemory_limit = \"1GiB\"\nlabels = { env = \"prod\", team = \"none\" }\n\
         token_file = \"./t\"\n[defaults.snapshot]\nenabled = true\n\
         [groups.checkout]\ninterval = \"20s\"\nlabels = { team = \"payments\" }\nusername = \"bob\"\npassword_file = \"./other\"\n\
         [[targets]]\nname = \"a\"\nurl = \"http://h:1\"\ngroup = \"checkout\"\n\
         [[targets]]\nname = \"b\"\nurl = \"http://h:2\"\ngroup = \"checkout\"\ninterval = \"15s\"\nlabels = { env = \"test\" }\n\
         [[targets]]\nname = \"c\"\nurl = \"http://h:3\"\n",
    );
    let intervals: Vec<f64> = targets.iter().map(|target| target["interval_seconds"].as_f64().unwrap()).collect();
    assert_eq!(intervals, [20.0, 15.0, 40.0]);
    assert_eq!(targets[0]["labels"], serde_json::json!({ "env": "prod", "team": "payments" }));
    assert_eq!(targets[1]["labels"], serde_json::json!({ "env": "test", "team": "payments" }));
    assert_eq!(targets[1]["memory_limit_bytes"], 1_u64 << 30);
    assert_eq!(
        (&targets[0]["credentials"], &targets[2]["credentials"]),
        (&"the password of bob".into(), &"a token".into())
    );
    assert_eq!((&targets[0]["group"], &targets[2]["group"]), (&"checkout".into(), &serde_json::Value::Null));
}

#[test]
fn addresses_of_a_group_are_targets_with_names_that_last() {
    let text = |urls: &str| {
        format!(
            "[groups.checkout]\nurls = [{urls}]\nhealth_path = \"/mem?full=1\"\nlabels = {{ team = \"a\" }}\n\
             [groups.checkout.snapshot]\nenabled = true\n"
        )
    };
    let both = targets(&text("\"http://10.0.0.1:3000\", \"https://eu.example/shop\""));
    let names: Vec<&str> = both.iter().filter_map(|target| target["name"].as_str()).collect();
    assert_eq!(names, ["checkout-10.0.0.1-3000", "checkout-eu.example-443"]);
    assert_eq!(both[1]["url"], "https://eu.example/shop/mem");
    assert_eq!(both[1]["snapshots"]["url"], "https://eu.example/shop/admin/heap-snapshot");
    // Once profiles of all targets of groups and lists were asked of the placeholder that their settings are read with.
    assert_eq!(both[1]["profiles"]["url"], "https://eu.example/shop/admin/heap-profile");
    assert_eq!((&both[0]["group"], &both[0]["labels"]["team"]), (&"checkout".into(), &"a".into()));
    let one = targets(&text("\"https://eu.example/shop\""));
    assert_eq!(one[0]["name"], names[1], "a name does not depend on what stands before it");
}

#[test]
fn what_is_wrong_with_a_group_is_told_once_with_its_line() {
    assert_eq!(
        problems(
            "[groups.a]\ninterval = \"0s\"\nurls = [\"http://h:1\", \"http://h:2\"]\n\
             [[targets]]\nname = \"x\"\nurl = \"http://h\"\ngroup = \"a\"\n"
        ),
        [r#"groups.a.interval = "0s" in DIR/x.toml:2: must be at least 100ms (for example "30s")"#]
    );
    assert_eq!(
        problems("[groups.a]\nurls = [\"http://h:1\"]\nintervall = \"5s\"\n"),
        ["groups.a.intervall in DIR/x.toml:3: is no key of heapwatch; did you mean `interval`?"]
    );
    assert_eq!(
        problems("[groups.a]\nurls = [\"http://h:1\"]\ntarget_name = \"same\"\n"),
        [
            r#"groups.a.target_name = "same" in DIR/x.toml:3: calls every target the same: put {host}, {port} or a {label} into it (for example "{group}-{host}-{port}")"#
        ]
    );
    let twice = problems("[groups.a]\nurls = [\"http://h:1\", \"http://h:1/x\"]\n");
    assert!(twice[0].contains("makes a target a-h-1, which names two targets"), "{twice:?}");
}

#[test]
fn a_group_that_is_nearly_another_one_is_warned_of() {
    let text =
        "[groups.checkout]\ninterval = \"20s\"\n[[targets]]\nname = \"x\"\nurl = \"http://h\"\ngroup = \"chekout\"\n";
    let outcome = Case::new(text).check(&[]);
    assert!(outcome.stderr.contains("there is no [groups.chekout]; did you mean checkout?"), "{}", outcome.stderr);
}
