//! `[groups.checkout]`: what the targets of one service have in common, and the addresses of its processes.
//!
//! A key counts in the target first, then in its group, then in `[defaults]`.

use std::collections::BTreeMap;

use url::Url;

use super::Target;
use super::connection::parse_url;
use super::found::Wrong;
use super::instances::Template;
use super::report::{Report, nearest};
use super::secret::Vault;
use super::table::Table;
use super::target::{Taken, parse_name, settings};
use super::values::quoted;
use crate::discovery::naming::{Naming, Place};
use crate::target::Labels;

const EXAMPLE_URLS: &str = "[\"http://10.0.0.1:3000\", \"http://10.0.0.2:3000\"]";
/// Host and port name a process for as long as it stays where it is, whatever comes and goes beside it.
const USUAL_NAME: &str = "{group}-{host}-{port}";

/// Every group of the configuration.
pub(super) struct Groups<'a> {
    groups: BTreeMap<String, Group<'a>>,
}

struct Group<'a> {
    own: Table<'a>,
    urls: Vec<Url>,
    has_urls: bool,
    template: Option<Template>,
}

/// Reads `[groups]`.
pub(super) fn read<'a>(root: &mut Table<'a>, vault: &Vault<'_>, defaults: &Table<'a>) -> Groups<'a> {
    let mut groups = BTreeMap::new();
    for (name, mut own) in root.named_sections("groups") {
        if let Err(rule) = parse_name(&name) {
            own.report.add(super::Problem {
                key: format!("groups.{name}"),
                value: None,
                source: own.source(),
                problem: format!("as a name {rule}"),
                example: Some("[groups.checkout]".to_owned()),
            });
            continue;
        }
        let has_urls = own.has("urls");
        let urls = own.read("urls", |found| {
            let wrong = |problem| Wrong::with_example(problem, EXAMPLE_URLS);
            let texts = found.texts().map_err(wrong)?;
            texts.iter().map(|text| base_url(text)).collect::<Result<Vec<_>, _>>().map_err(wrong)
        });
        let naming = naming(&mut own, USUAL_NAME);
        let mut all = own.clone().or_else(defaults);
        let template =
            Template::new(settings(&mut all, vault, Some(&Template::placeholder())), Some(name.clone()), naming);
        own.learn(&all);
        groups.insert(name, Group { own, urls: urls.unwrap_or_default(), has_urls, template });
    }
    Groups { groups }
}

/// `target_name`: how the targets of a group or a source are called.
pub(super) fn naming(table: &mut Table<'_>, usual: &str) -> Naming {
    let example = quoted(usual);
    let parsed = table.parsed("target_name", &example, "a name with placeholders in quotes", Naming::parse);
    parsed.unwrap_or_else(|| Naming::parse(usual).unwrap_or_default())
}

fn base_url(text: &str) -> Result<Url, String> {
    let url = parse_url(text).map_err(|problem| format!("in this list, one {problem}"))?;
    match url.query() {
        Some(_) => Err("in this list, one has a query, which belongs into `health_path`".to_owned()),
        None => Ok(url),
    }
}

impl<'a> Groups<'a> {
    /// What stands in for the keys that a target of this group leaves out. A group without a table of its own is as
    /// good as any: its targets are not captured at once.
    pub(super) fn settings(&self, name: &str, report: &Report) -> Option<&Table<'a>> {
        if let Some(group) = self.groups.get(name) {
            return Some(&group.own);
        }
        if let Some(near) = nearest(name, self.groups.keys().map(String::as_str)) {
            report.warn(format!("there is no [groups.{name}]; did you mean {near}?"));
        }
        None
    }

    /// What every target of this group has in common.
    pub(super) fn template(&self, name: &str, report: &Report) -> Option<&Template> {
        self.settings(name, report)?;
        self.groups.get(name)?.template.as_ref()
    }

    /// True where any group lists addresses.
    pub(super) fn have_urls(&self) -> bool {
        self.groups.values().any(|group| group.has_urls)
    }

    /// A target for each address.
    pub(super) fn instances(&mut self, taken: &mut Taken) -> Vec<Target> {
        let mut targets = Vec::new();
        for (name, group) in &mut self.groups {
            let Some(template) = &group.template else { continue };
            let source = group.own.source();
            for url in &group.urls {
                let place = Place { group: Some(name), source: name, labels: &Labels::new(), url };
                let made = template.naming.name(&place).and_then(|name| {
                    taken
                        .take(name.as_str(), source.clone())
                        .map_err(|problem| format!("makes a target {name}, which {problem}"))?;
                    template.target(name, url, Labels::new())
                });
                match made {
                    Ok(target) => targets.push(target),
                    Err(problem) => group.own.contradiction("urls", "", &[], Wrong::new(problem)),
                }
            }
        }
        targets
    }

    /// Says which keys of the groups nobody asked for.
    pub(super) fn finish(self) {
        for group in self.groups.into_values() {
            group.own.finish();
        }
    }
}
