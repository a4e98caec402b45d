//! What a person asks for when they add a silence, and what is checked before there is one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{InvalidPattern, Scope, Silence};
use crate::clock::Timestamp;
use crate::target::{Labels, TargetName};

/// Longest reason and longest name of a person, in characters: they stand in every alert that was held back.
const LONGEST_WHY: usize = 300;
const LONGEST_BY: usize = 60;
/// Who it was, where nobody says.
const SOMEBODY: &str = "somebody";

/// A silence that somebody asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The name of a target; `*` and `?` stand for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Labels that a target must have.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Every target.
    #[serde(default)]
    pub all: bool,
    /// How long: `2h`.
    #[serde(rename = "for", default)]
    pub span: String,
    /// The reason.
    #[serde(default)]
    pub why: String,
    /// Who asks.
    #[serde(default)]
    pub by: String,
}

/// Why there is no silence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody is named.
    #[error("say whom to silence: a target, labels, or all")]
    Nobody,
    /// All, and yet some.
    #[error("`all` goes with neither a target nor labels")]
    AllAndSome,
    /// No reason.
    #[error("a silence needs a reason, which every alert that it held back will show")]
    NoReason,
    /// A reason or a name too long to show.
    #[error("`{field}` has more than {most} characters")]
    TooWordy {
        /// Which one.
        field: &'static str,
        /// What is allowed.
        most: usize,
    },
    /// No span of time.
    #[error("`{given}` is no span of time (for example \"2h\" or \"90m\")")]
    NoSpan {
        /// As it was given.
        given: String,
    },
    /// Beyond what the configuration allows.
    #[error("a silence ends after {} at most, as `alerts.longest_silence` says", humantime::format_duration(*longest))]
    TooLong {
        /// What is allowed.
        longest: Duration,
    },
    /// A pattern that cannot be understood.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// No target of this name.
    #[error("no target is named `{asked}`{}", hint(nearest.as_ref()))]
    UnknownTarget {
        /// As it was given.
        asked: String,
        /// The name that looks most like it.
        nearest: Option<TargetName>,
    },
    /// Targets there are, but none of these.
    #[error("no target matches {scope}")]
    CoversNobody {
        /// Whom it would cover.
        scope: Box<Scope>,
    },
    /// No silence of this id.
    #[error("no silence has the id `{0}` (`heapwatch silence list` shows them)")]
    UnknownId(String),
}

fn hint(nearest: Option<&TargetName>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}

impl Ask {
    /// The silence that is asked for, from `now` on, under the id `id`. It must cover one of `targets` at least: a slip of
    /// the finger would else be noticed at night.
    pub fn checked<'a>(
        self,
        id: String,
        now: Timestamp,
        longest: Duration,
        targets: impl Iterator<Item = (&'a TargetName, &'a Labels)> + Clone,
    ) -> Result<Silence, Refusal> {
        let scope = self.scope()?;
        let (why, by) = (worded("why", &self.why, LONGEST_WHY)?, person(&self.by)?);
        if why.is_empty() {
            return Err(Refusal::NoReason);
        }
        let span = humantime::parse_duration(&self.span).ok().filter(|span| !span.is_zero());
        let span = span.ok_or_else(|| Refusal::NoSpan { given: self.span.clone() })?;
        if span > longest {
            return Err(Refusal::TooLong { longest });
        }
        if !targets.clone().any(|(name, labels)| scope.covers(name, labels)) {
            return Err(nobody(scope, targets.map(|(name, _)| name)));
        }
        Ok(Silence { id, scope, from: now, until: now.plus(span), by, why, ended: None })
    }

    fn scope(&self) -> Result<Scope, Refusal> {
        let names_some = self.target.is_some() || !self.labels.is_empty();
        match (self.all, names_some) {
            (true, true) => Err(Refusal::AllAndSome),
            (true, false) => Ok(Scope::all()),
            (false, true) => Ok(Scope::new(self.target.as_deref(), &self.labels)?),
            (false, false) => Err(Refusal::Nobody),
        }
    }
}

/// The name of whoever asks.
pub fn person(by: &str) -> Result<String, Refusal> {
    let by = worded("by", by, LONGEST_BY)?;
    Ok(if by.is_empty() { SOMEBODY.to_owned() } else { by })
}

/// One line of text, without what could disturb a terminal or a log.
fn worded(field: &'static str, text: &str, most: usize) -> Result<String, Refusal> {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let plain = plain.trim();
    if plain.chars().count() > most { Err(Refusal::TooWordy { field, most }) } else { Ok(plain.to_owned()) }
}

fn nobody<'a>(scope: Scope, names: impl Iterator<Item = &'a TargetName>) -> Refusal {
    let Some(asked) = scope.target().map(str::to_owned) else {
        return Refusal::CoversNobody { scope: Box::new(scope) };
    };
    let mut names = names.peekable();
    if names.peek().is_none() {
        return Refusal::UnknownTarget { asked, nearest: None };
    }
    let likeness = |name: &TargetName| strsim::jaro_winkler(name.as_str(), &asked);
    let nearest = names.max_by(|one, other| likeness(one).total_cmp(&likeness(other))).cloned();
    match nearest {
        // The name is right, and the labels are not.
        Some(nearest) if likeness(&nearest) >= 1.0 => Refusal::CoversNobody { scope: Box::new(scope) },
        nearest => Refusal::UnknownTarget { asked, nearest },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn now() -> Timestamp {
        // The wall clock is two hours off, which the end must not mind.
        Timestamp::from_lines(1_760_000_000_000, 1_760_007_200_000)
    }

    fn check(ask: Ask) -> Result<Silence, Refusal> {
        let payments = Labels::from([("team".to_owned(), "payments".to_owned())]);
        let targets =
            [(TargetName::new("checkout-api").unwrap(), payments), (TargetName::new("mail").unwrap(), Labels::new())];
        ask.checked("a1b2c3".to_owned(), now(), DAY, targets.iter().map(|(name, labels)| (name, labels)))
    }

    fn ask(target: &str) -> Ask {
        Ask { target: Some(target.to_owned()), span: "2h".to_owned(), why: "deploy".to_owned(), ..Ask::default() }
    }

    #[test]
    fn a_silence_ends_on_the_steady_line() {
        let silence = check(ask("checkout-*")).unwrap();
        assert_eq!(silence.until.since(silence.from), Duration::from_hours(2));
        let clock_set_back = Timestamp::from_lines(now().steady_ms() + 7_199_000, 0);
        let clock_set_forward = Timestamp::from_lines(now().steady_ms() + 7_199_000, i64::MAX);
        assert!(silence.is_active(clock_set_back) && silence.is_active(clock_set_forward));
        assert!(!silence.is_active(now().plus(Duration::from_hours(2))));
        assert_eq!(silence.by, "somebody");
    }

    #[test]
    fn a_silence_without_reason_end_or_target_is_refused() {
        let label = |name: &str, value: &str| Labels::from([(name.to_owned(), value.to_owned())]);
        for (ask, expected) in [
            (Ask { target: None, ..ask("") }, "say whom"),
            (Ask { all: true, ..ask("mail") }, "neither a target nor labels"),
            (Ask { why: " \n".to_owned(), ..ask("mail") }, "needs a reason"),
            (Ask { why: "x".repeat(301), ..ask("mail") }, "more than 300"),
            (Ask { span: "soon".to_owned(), ..ask("mail") }, "`soon` is no span"),
            (Ask { span: "0s".to_owned(), ..ask("mail") }, "`0s` is no span"),
            (Ask { span: "25h".to_owned(), ..ask("mail") }, "after 1day at most"),
            (ask("chekout-api"), "no target is named `chekout-api`; did you mean `checkout-api`?"),
            (ask("[x"), "is no pattern"),
            (Ask { labels: label("team", "payment"), target: None, ..ask("") }, "no target matches team=payment"),
            (Ask { labels: label("team", "payments"), ..ask("mail") }, "no target matches mail team=payments"),
        ] {
            let refusal = check(ask).expect_err(expected).to_string();
            assert!(refusal.contains(expected), "{refusal}");
        }
        assert!(check(Ask { all: true, target: None, ..ask("") }).is_ok());
    }
}
