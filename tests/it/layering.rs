//! Imports only go down the list in `lib.rs`, adapters never import one another, and cores touch nothing outside.
//!
//! A breach is named by file and line. The list is read from `lib.rs`, so a new module cannot be forgotten.

#![expect(clippy::string_slice, reason = "the offsets come from `match_indices` and `char_indices`")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Within the assembly, the command line uses the daemon, and both use the configuration.
const ASSEMBLY: [&str; 3] = ["config", "daemon", "cli"];

/// What the pure modules must not name, and why.
const BANNED_IN_CORES: [(&str, &str); 9] = [
    ("tokio", "a core awaits nothing"),
    ("reqwest", "a core has no sockets"),
    ("std::net", "a core has no sockets"),
    ("std::fs", "a core has no files"),
    ("std::env", "a core is told everything"),
    ("tracing", "a core logs nothing: it returns what is to be said"),
    ("Instant::now", "a core is told the time"),
    ("SystemTime::now", "a core is told the time"),
    ("spawn(", "a core starts nothing"),
];

#[test]
fn imports_only_go_down() {
    let breaches = breaches(&Layers::read(), &sources());
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn words_and_cores_touch_nothing_outside() {
    let layers = Layers::read();
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| layers.is_pure(&source.module)) {
        // The tests of a core may read their fixtures.
        let code = source.code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            for (word, why) in BANNED_IN_CORES.iter().filter(|(word, _)| line.contains(word)) {
                breaches.push(format!("{}:{}: names {word}: {why}", source.file, number + 1));
            }
        }
    }
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn every_kind_of_breach_is_seen() {
    let layers = Layers::read();
    let check = |module: &str, code: &str, expected: &[usize]| {
        let source = Source::new(format!("src/{module}.rs"), code);
        let lines: Vec<String> = expected.iter().map(|line| format!("src/{module}.rs:{line}: ")).collect();
        let found = breaches(&layers, &[source]);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (breach, line) in found.iter().zip(&lines) {
            assert!(breach.starts_with(line), "{breach} is not in {line}");
        }
    };
    check("leak", "use crate::growth;\nuse crate::probe::Options;\n", &[2]);
    check("probe", "use crate::{capture, http};\n", &[1]);
    check("probe", "use crate::{\n    http::client,\n    store::{self, Store},\n};\n", &[3]);
    check("alert", "fn f() -> crate::web::Page {}\n", &[1]);
    check("store", "// use crate::web; as in a comment\n", &[]);
    check("config", "use crate::daemon;\n", &[1]);
    check("daemon", "use crate::{cli::exit, config};\n", &[1]);
    check("cli", "use crate::{config, daemon, probe};\n", &[]);
    check("probe", "use super::web;\n", &[1]);
}

/// The list in `lib.rs`.
struct Layers {
    /// Number of the layer, from below, by module.
    layer_of: BTreeMap<String, usize>,
    /// Headings of the layers, from below.
    headings: Vec<String>,
}

impl Layers {
    fn read() -> Self {
        let text = fs::read_to_string(root().join("lib.rs")).unwrap();
        let mut layers = Self { layer_of: BTreeMap::new(), headings: Vec::new() };
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("// -- ") {
                layers.headings.push(heading.to_owned());
            } else if let Some(module) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
                let layer = layers.headings.len().checked_sub(1).expect("every module stands under a heading");
                layers.layer_of.insert(module.to_owned(), layer);
            }
        }
        assert!(layers.headings.len() >= 4, "lib.rs lists words, cores, adapters and assembly: {:?}", layers.headings);
        layers
    }

    fn heading(&self, module: &str) -> &str {
        &self.headings[self.layer_of[module]]
    }

    fn is_pure(&self, module: &str) -> bool {
        ["words", "cores"].iter().any(|pure| self.heading(module).starts_with(pure))
    }

    /// Why `module` must not import `other`, if so.
    fn objection(&self, module: &str, other: &str) -> Option<&'static str> {
        let (from, to) = (self.layer_of[module], self.layer_of[other]);
        let place = |module: &str| ASSEMBLY.iter().position(|name| *name == module);
        if module == other || to < from {
            None
        } else if to > from {
            Some("which is above it")
        } else if self.heading(module).starts_with("adapters") {
            Some("and adapters never import one another")
        } else if self.heading(module).starts_with("assembly") && place(other) > place(module) {
            Some("which is above it")
        } else {
            None
        }
    }
}

/// One file of the library, without its comments.
struct Source {
    file: String,
    module: String,
    code: String,
}

impl Source {
    fn new(file: String, text: &str) -> Self {
        let below = file.strip_prefix("src/").unwrap();
        let module = below.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        let code = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
        Self { file, module, code }
    }

    /// The modules that this file names, each with its line.
    fn imports(&self) -> Vec<(usize, String)> {
        // In the file of a top-level module, `super` is the crate.
        let is_top = self.file == format!("src/{}.rs", self.module);
        let roots = if is_top { vec!["crate::", "super::"] } else { vec!["crate::"] };
        // Modules within a file, such as its tests, have a `super` of their own.
        let own_super = |at: usize| self.code[..at].lines().next_back().is_some_and(|line| line.starts_with(' '));
        let mut imports = Vec::new();
        for root in roots {
            for (at, _) in self.code.match_indices(root) {
                if root == "super::" && own_super(at) {
                    continue;
                }
                let start = at + root.len();
                imports.extend(
                    names(&self.code[start..]).into_iter().map(|(offset, name)| (self.line(start + offset), name)),
                );
            }
        }
        imports
    }

    fn line(&self, offset: usize) -> usize {
        self.code[..offset].matches('\n').count() + 1
    }
}

/// The first names of a path: `leak` of `leak::Options`, `http` and `store` of `{http::client, store::{self, Store}}`.
fn names(path: &str) -> Vec<(usize, String)> {
    let name_at = |at: usize| -> (usize, String) {
        (at, path[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
    };
    if !path.starts_with('{') {
        return vec![name_at(0)];
    }
    let (mut depth, mut expects_name) = (0, false);
    let mut names = Vec::new();
    for (at, c) in path.char_indices() {
        match c {
            '{' => (depth, expects_name) = (depth + 1, depth == 0),
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' => expects_name = depth == 1,
            c if expects_name && c.is_alphabetic() => {
                names.push(name_at(at));
                expects_name = false;
            }
            _ => {}
        }
    }
    names
}

fn breaches(layers: &Layers, sources: &[Source]) -> Vec<String> {
    let mut breaches = Vec::new();
    for source in sources {
        for (line, name) in source.imports() {
            if !layers.layer_of.contains_key(&name) {
                continue;
            }
            if let Some(objection) = layers.objection(&source.module, &name) {
                breaches.push(format!("{}:{line}: {} imports {name}, {objection}", source.file, source.module));
            }
        }
    }
    breaches
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file of the library but its root and the executable's, which may name everything.
fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    let mut directories = vec![root()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = format!("src/{}", path.strip_prefix(root()).unwrap().display());
                if !["src/lib.rs", "src/main.rs"].contains(&file.as_str()) {
                    sources.push(Source::new(file, &fs::read_to_string(&path).unwrap()));
                }
            }
        }
    }
    assert!(sources.len() > 30, "the sources are where they were: {}", sources.len());
    sources.sort_by(|one, other| one.file.cmp(&other.file));
    sources
}
