//! Sources as `heapwatch check` has them: what they need, and what the lists in files hold.

use super::case::Case;

fn problems(text: &str) -> Vec<String> {
    Case::new(text).problems()
}

#[test]
fn what_a_source_needs_is_told_with_file_and_line() {
    assert_eq!(
        problems("[[file_sd]]\n[[http_sd]]\nname = \"a\"\n[[dns_sd]]\nname = \"a\"\nnames = [\"h\"]\ntype = \"A\"\n"),
        [
            r#"file_sd[0].name in DIR/x.toml:1: is missing (for example "checkout")"#,
            r#"file_sd[0].files in DIR/x.toml:1: is missing (for example ["/etc/heapwatch/sd/*.json"])"#,
            r#"http_sd.a.url in DIR/x.toml:2: is missing (for example "https://inventory.example.com/heapwatch")"#,
            r#"dns_sd.a.name = "a" in DIR/x.toml:5: names two sources, and the other one is in DIR/x.toml:2; every name is unique (for example "checkout")"#,
            "dns_sd.a.port in DIR/x.toml:4: is missing: addresses do not say where the processes listen (for example 3000)",
        ]
    );
    assert_eq!(
        problems("[[file_sd]]\nname = \"a\"\nfiles = [\"list.txt\"]\ntarget_name = \"same\"\n"),
        [
            r#"file_sd.a.files = ["list.txt"] in DIR/x.toml:3: must end in .json, .yml or .yaml, and has "list.txt" (for example ["/etc/heapwatch/sd/*.json"])"#,
            r#"file_sd.a.target_name = "same" in DIR/x.toml:4: calls every target the same: put {host}, {port} or a {label} into it (for example "{source}-{host}-{port}")"#,
        ]
    );
}

#[test]
fn lists_in_files_are_summed_up() {
    let list = r#"[{"targets": ["h:1", "h:2", "no address"]}]"#;
    let case = Case::new("[[file_sd]]\nname = \"files\"\nfiles = [\"./*.json\", \"./gone.yml\"]\n")
        .file("a.json", list, 0o644);
    let outcome = case.check(&[]);
    let line = "  files: file_sd DIR/./*.json, DIR/./gone.yml every 5s, 2 targets now; `no address` is no address such as 10.0.0.1:3000; DIR/./gone.yml cannot be read: ";
    assert!(outcome.stdout.contains(line), "{}", outcome.stdout);
    assert_eq!(case.json()["sources"][0]["targets"], 2);
}
