//! `[[routes]]`: which channels hear of which alerts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use glob::Pattern;

use super::alerts::kinds;
use super::channel::SEVERITIES;
use super::found::{Found, Wrong};
use super::report::nearest;
use super::table::Table;
use super::values::quoted;
use crate::alert::message::Severity;
use crate::alert::route::{Route, Routes};
use crate::alert::{Channel, ChannelKind};

const EXAMPLE: &str = "[\"on-call\"]";

/// Reads the routes; `default_channels` stands in `[alerts]`.
pub(super) fn read(root: &mut Table<'_>, channels: &[Channel], default_channels: Option<BTreeSet<String>>) -> Routes {
    let rows = root.rows("routes", "name");
    let routes: Vec<Route> = rows
        .into_iter()
        .map(|mut row| {
            let route = route(&mut row, channels);
            row.finish();
            route
        })
        .collect();
    let routes = Routes { routes, default_channels };
    warn_of_unheard(root, channels, &routes);
    routes
}

fn route(row: &mut Table<'_>, channels: &[Channel]) -> Route {
    if !row.has("channels") {
        row.missing("channels", EXAMPLE);
    }
    Route {
        labels: labels(row),
        min_severity: row.choice("min_severity", Severity::Info, &SEVERITIES),
        events: row.read("events", kinds).unwrap_or_default(),
        channels: row.read("channels", |found| names(found, channels)).unwrap_or_default(),
        goes_on: row.flag("continue", false),
        repeat_interval: repeat_interval(row),
    }
}

fn repeat_interval(row: &mut Table<'_>) -> Option<Duration> {
    let usual = crate::alert::policy::Options::default().repeat_interval.unwrap_or_default();
    let is_given = row.has("repeat_interval");
    let interval = row.duration("repeat_interval", usual, Duration::ZERO..=Duration::from_hours(365 * 24));
    is_given.then_some(interval)
}

fn labels(row: &mut Table<'_>) -> BTreeMap<String, Pattern> {
    let mut labels = BTreeMap::new();
    for (name, found) in row.entries("labels") {
        let text = found.value.as_str().ok_or_else(|| format!("must be text in quotes{}", found.instead()));
        let pattern = text.and_then(|text| {
            Pattern::new(text).map_err(|problem| format!("is no pattern ({}); `*` stands for any text", problem.msg))
        });
        match pattern {
            Ok(pattern) => drop(labels.insert(name, pattern)),
            Err(problem) => row.blame(&found, Wrong::with_example(problem, "\"payments\"")),
        }
    }
    labels
}

/// Names of configured channels.
pub(super) fn names(found: &Found<'_>, channels: &[Channel]) -> Result<BTreeSet<String>, Wrong> {
    let wrong = |problem| Wrong::with_example(problem, EXAMPLE);
    let texts = found.texts().map_err(wrong)?;
    if texts.is_empty() {
        return Err(wrong("names no channel".to_owned()));
    }
    let known = || channels.iter().map(|channel| channel.name.as_str());
    match texts.iter().find(|text| !known().any(|name| name == *text)) {
        None => Ok(texts.into_iter().collect()),
        Some(unknown) => {
            let advice = nearest(unknown, known()).map_or_else(
                || format!("configured are {}", known().collect::<Vec<_>>().join(", ")),
                |nearest| format!("did you mean \"{nearest}\"?"),
            );
            Err(wrong(format!("names {}, which is no channel; {advice}", quoted(unknown))))
        }
    }
}

/// A channel that no route names is rather forgotten than meant.
fn warn_of_unheard(root: &Table<'_>, channels: &[Channel], routes: &Routes) {
    if routes.routes.is_empty() && routes.default_channels.is_none() {
        return;
    }
    let reachable = routes.reachable();
    let is_log = |channel: &&Channel| matches!(channel.kind, ChannelKind::Log);
    for channel in channels.iter().filter(|channel| !is_log(channel) && !reachable.contains(channel.name.as_str())) {
        let name = &channel.name;
        root.report.warn(if routes.takes_all() || routes.default_channels.is_some() {
            format!("no route reaches the channel {name}: it hears of heapwatch's own troubles only")
        } else {
            format!("no route names the channel {name}: it hears only of what no route matches")
        });
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::config::{Config, Problems, Sources, load};

    fn check(text: &str) -> Result<Config, Problems> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("x.toml");
        let hooks = ["ops", "chat"].map(|name| {
            format!("[[channels]]\ntype = \"webhook\"\nname = \"{name}\"\nurl = \"http://127.0.0.1:9/\"\n")
        });
        let state = directory.path().join("state");
        let target = "[[targets]]\nname = \"api\"\nurl = \"http://127.0.0.1:9\"\n";
        fs::write(&file, format!("state_directory = {state:?}\n{text}{target}{}", hooks.concat())).unwrap();
        load(&Sources { file: Some(file), ..Sources::default() })
    }

    #[test]
    fn a_route_to_an_unknown_channel_names_the_nearest() {
        let refused = check("[[routes]]\nchannels = [\"opps\"]\n").expect_err("no such channel").to_string();
        assert!(refused.contains("which is no channel; did you mean \"ops\"?"), "{refused}");
    }

    #[test]
    fn a_channel_that_no_route_reaches_is_warned_of() {
        let config = check("[[routes]]\nchannels = [\"ops\"]\n").unwrap();
        assert_eq!(config.warnings, ["no route reaches the channel chat: it hears of heapwatch's own troubles only"]);
        let config = check("[[routes]]\nmin_severity = \"critical\"\nchannels = [\"ops\"]\n").unwrap();
        assert_eq!(config.warnings, ["no route names the channel chat: it hears only of what no route matches"]);
        let all =
            "[alerts]\ndefault_channels = [\"chat\"]\n[[routes]]\nlabels = { env = \"prod\" }\nchannels = [\"ops\"]\n";
        assert_eq!(check(all).unwrap().warnings, Vec::<String>::new());
        assert_eq!(check("").unwrap().warnings, Vec::<String>::new());
    }
}
