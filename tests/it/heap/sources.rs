//! From a bundled and minified program back to its TypeScript.

use std::fs;
use std::path::Path;
use std::process::Command;

use heapwatch::heap::report::{Culprit, Report};
use serde_json::{Value, json};

use super::{Pair, node_is_there, repository};

const SESSIONS: &str = "
export interface Login { user: string; at: number }

class Session {
  readonly events: string[] = [];
  constructor(private readonly login: Login) {
    this.events.push(`login ${login.user}`, `token ${login.user}`);
  }
}

const active = new Map<string, Session>();

export function open(login: Login): void {
  active.set(login.user, new Session(login));
}
";

const MAIN: &str = "
import { open } from './sessions';

export function step(request: number): void {
  open({ user: `user-${request}`, at: request });
}
";

/// Bundles two TypeScript files into one minified file with its map, and takes the pair.
fn bundled(directory: &Path) -> Pair {
    fs::create_dir(directory.join("src")).unwrap();
    fs::write(directory.join("src/sessions.ts"), SESSIONS).unwrap();
    fs::write(directory.join("src/main.ts"), MAIN).unwrap();
    let output = Command::new(repository("tests/oracle/node_modules/.bin/esbuild"))
        .args([
            "src/main.ts",
            "--bundle",
            "--minify",
            "--platform=node",
            "--sourcemap=external",
            "--outfile=app.min.js",
        ])
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Pair::make(directory.join("app.min.js").to_str().unwrap())
}

fn first_culprit(pair: &Pair, more: &[&str]) -> Culprit {
    let output = Command::new(env!("CARGO_BIN_EXE_heapwatch"))
        .args(["heap", "culprit", "--json"])
        .args([pair.before(), pair.after()])
        .args(more)
        .output()
        .unwrap();
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    report.culprits.into_iter().next().unwrap_or_else(|| panic!("{}", report.headline))
}

/// The same map as the second section of one that is made of sections, where it begins at the end of the first line.
fn in_sections(map: &[u8]) -> Vec<u8> {
    let map: Value = serde_json::from_slice(map).unwrap();
    let empty = json!({"version": 3, "sources": [], "names": [], "mappings": ""});
    let section = |map: Value| json!({"offset": {"line": 0, "column": 0}, "map": map});
    serde_json::to_vec(&json!({"version": 3, "sections": [section(empty), section(map)]})).unwrap()
}

#[test]
fn a_leak_in_bundled_typescript_is_told_by_its_source() {
    if !node_is_there() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let pair = bundled(home.path());
    let map = home.path().join("app.min.js.map");
    let assert_is_the_source = |culprit: &Culprit, how: &str| {
        let at = culprit.location.as_ref().unwrap();
        assert_eq!((at.script.as_str(), at.line), ("src/sessions.ts", 6), "{how}: {culprit:#?}");
        let generated = culprit.generated.as_ref().unwrap();
        assert!(generated.script.ends_with("app.min.js"), "{how}: {culprit:#?}");
        assert!(culprit.headline.contains(" at sessions.ts:6:"), "{how}: {}", culprit.headline);
    };
    assert_is_the_source(&first_culprit(&pair, &[]), "beside the script");

    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("app.min.js.map"), in_sections(&fs::read(&map).unwrap())).unwrap();
    fs::remove_file(&map).unwrap();
    let without = first_culprit(&pair, &[]);
    assert!(without.generated.is_none() && without.location.unwrap().script.ends_with("app.min.js"));
    let directory = elsewhere.path().to_str().unwrap();
    assert_is_the_source(&first_culprit(&pair, &["--source-maps", directory]), "in sections, elsewhere");
}
