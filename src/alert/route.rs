//! Routes: which channels hear of which alerts. Pure.
//!
//! The first route that matches decides, and those after it only where it says `continue`. What no route matches goes to
//! the default channels, and without those to every channel, so that a gap in the routes loses nothing. Three things stand
//! above the routes: the log has everything, the end of an incident goes wherever its beginning went, and heapwatch's own
//! trouble goes to every channel.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use glob::Pattern;

use super::message::{Alert, News, Severity};
use crate::target::Labels;

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Labels that a target must have; values may hold `*` and `?`.
    pub labels: BTreeMap<String, Pattern>,
    /// The least severity.
    pub min_severity: Severity,
    /// Kinds of news, by [`News::kind`]; empty: every kind.
    pub events: BTreeSet<&'static str>,
    /// Names of channels.
    pub channels: BTreeSet<String>,
    /// Whether the routes after it are looked at besides.
    pub goes_on: bool,
    /// Time between two reminders of what it matches; `None`: as everywhere. Zero: no reminders.
    pub repeat_interval: Option<Duration>,
}

/// All routes, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// The routes.
    pub routes: Vec<Route>,
    /// Where goes what no route matches; `None`: to every channel.
    pub default_channels: Option<BTreeSet<String>>,
}

/// What a route looks at.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Labels of the target.
    pub labels: &'a Labels,
    /// How much it matters.
    pub severity: Severity,
    /// The kind of news.
    pub kind: &'a str,
}

/// Who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// Every channel.
    All,
    /// These.
    Some(BTreeSet<&'a str>),
}

impl Route {
    /// Whether it matches.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let has =
            |(name, pattern): (&String, &Pattern)| subject.labels.get(name).is_some_and(|value| pattern.matches(value));
        subject.severity >= self.min_severity
            && (self.events.is_empty() || self.events.contains(subject.kind))
            && self.labels.iter().all(has)
    }

    /// Whether it matches everything, so that no route after it is looked at unless it goes on.
    pub fn matches_all(&self) -> bool {
        self.labels.is_empty() && self.events.is_empty() && self.min_severity == Severity::Info
    }
}

impl Routes {
    /// The numbers of the routes that decide, from 0.
    pub fn deciding(&self, subject: &Subject<'_>) -> Vec<usize> {
        let mut deciding = Vec::new();
        for (number, route) in self.routes.iter().enumerate().filter(|(_, route)| route.matches(subject)) {
            deciding.push(number);
            if !route.goes_on {
                break;
            }
        }
        deciding
    }

    /// Who is told of what has this subject.
    pub fn told(&self, subject: &Subject<'_>) -> Told<'_> {
        let deciding = self.deciding(subject);
        let channels = match (&self.default_channels, deciding.as_slice()) {
            (None, []) => return Told::All,
            (Some(channels), []) => channels.iter().map(String::as_str).collect(),
            (_, deciding) => {
                let routes = deciding.iter().filter_map(|number| self.routes.get(*number));
                routes.flat_map(|route| &route.channels).map(String::as_str).collect()
            }
        };
        Told::Some(channels)
    }

    /// Whether `channel` is told of `alert` for its subject; the end of what it was told is the caller's to know.
    pub fn reach(&self, alert: &Alert, channel: &str) -> bool {
        // A broken channel or a full disk concerns whoever relies on being called.
        if matches!(alert.news, News::Trouble { .. } | News::Test { .. }) {
            return true;
        }
        let subject = Subject { labels: &alert.labels, severity: alert.severity, kind: alert.news.kind() };
        self.told(&subject).has(channel)
    }

    /// Time between two reminders of a leak, where a route says so: the shortest of those that decide.
    pub fn repeat_interval(&self, labels: &Labels, severity: Severity) -> Option<Duration> {
        let subject = Subject { labels, severity, kind: "leak_reminder" };
        self.deciding(&subject).into_iter().filter_map(|number| self.routes.get(number)?.repeat_interval).min()
    }

    /// Whether some route matches everything, so that nothing is left for the default channels.
    pub fn takes_all(&self) -> bool {
        self.routes.iter().any(Route::matches_all)
    }

    /// Names of channels that some alert can reach by a route or by default.
    pub fn reachable(&self) -> BTreeSet<&str> {
        let last = self.routes.iter().position(|route| route.matches_all() && !route.goes_on);
        let looked_at = self.routes.iter().take(last.map_or(self.routes.len(), |last| last + 1));
        let routed = looked_at.flat_map(|route| &route.channels);
        let default = self.default_channels.iter().flatten().filter(|_| !self.takes_all());
        routed.chain(default).map(String::as_str).collect()
    }
}

impl Told<'_> {
    /// Whether a channel is among them.
    pub fn has(&self, channel: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(channels) => channels.contains(channel),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::examples::{NOW, alert, leak};
    use crate::alert::message::Status;
    use crate::alert::policy;

    fn route(labels: &[(&str, &str)], min_severity: Severity, channels: &[&str]) -> Route {
        Route {
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), Pattern::new(value).unwrap())).collect(),
            min_severity,
            events: BTreeSet::new(),
            channels: channels.iter().map(|name| (*name).to_owned()).collect(),
            goes_on: false,
            repeat_interval: None,
        }
    }

    fn routes(routes: Vec<Route>, default: Option<&[&str]>) -> Routes {
        let default_channels = default.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        Routes { routes, default_channels }
    }

    fn check(routes: &Routes, env: &str, severity: Severity, kind: &str, expected: &[&str]) {
        let labels = Labels::from([("env".to_owned(), env.to_owned())]);
        let told = routes.told(&Subject { labels: &labels, severity, kind });
        let all = ["ops", "pager", "chat"];
        let told: Vec<&str> = all.into_iter().filter(|channel| told.has(channel)).collect();
        assert_eq!(told, expected, "{env} {severity:?} {kind}");
    }

    #[test]
    fn the_first_route_that_matches_decides() {
        let routes = routes(
            vec![
                route(&[("env", "prod*")], Severity::Critical, &["pager"]),
                route(&[("env", "prod*")], Severity::Info, &["chat"]),
            ],
            Some(&["ops"]),
        );
        check(&routes, "prod-eu", Severity::Critical, "leak_confirmed", &["pager"]);
        check(&routes, "prod-eu", Severity::Warning, "leak_confirmed", &["chat"]);
        check(&routes, "staging", Severity::Critical, "leak_confirmed", &["ops"]);
    }

    #[test]
    fn a_route_that_goes_on_adds_to_those_after_it() {
        let mut first = route(&[], Severity::Critical, &["pager"]);
        first.goes_on = true;
        let mut restarts = route(&[], Severity::Info, &["chat"]);
        restarts.events = BTreeSet::from(["target_restarted"]);
        let routes = routes(vec![first, restarts], None);
        check(&routes, "prod", Severity::Critical, "target_restarted", &["pager", "chat"]);
        check(&routes, "prod", Severity::Critical, "leak_confirmed", &["pager"]);
        check(&routes, "prod", Severity::Info, "leak_confirmed", &["ops", "pager", "chat"]);
    }

    #[test]
    fn without_routes_everybody_is_told_and_of_own_trouble_always() {
        assert!(Routes::default().reach(&alert(News::LeakConfirmed(leak())), "ops"));
        let routes = routes(vec![route(&[], Severity::Info, &["chat"])], None);
        assert!(!routes.reach(&alert(News::LeakConfirmed(leak())), "ops"));
        assert!(routes.reach(&policy::trouble("channel chat", "410", Status::Firing, NOW), "ops"));
    }

    #[test]
    fn what_stands_behind_a_route_for_everything_reaches_nobody() {
        let routes = routes(
            vec![route(&[], Severity::Info, &["chat"]), route(&[("env", "prod")], Severity::Info, &["pager"])],
            Some(&["ops"]),
        );
        assert_eq!(routes.reachable(), BTreeSet::from(["chat"]));
    }

    #[test]
    fn reminders_come_as_often_as_the_most_impatient_route_says() {
        let hours = |hours| Some(Duration::from_hours(hours));
        let mut first = route(&[("env", "prod")], Severity::Critical, &["pager"]);
        (first.goes_on, first.repeat_interval) = (true, hours(1));
        let mut second = route(&[], Severity::Info, &["chat"]);
        second.repeat_interval = hours(12);
        let routes = routes(vec![first, second], None);
        let prod = Labels::from([("env".to_owned(), "prod".to_owned())]);
        assert_eq!(routes.repeat_interval(&prod, Severity::Critical), hours(1));
        assert_eq!(routes.repeat_interval(&prod, Severity::Warning), hours(12));
    }
}
