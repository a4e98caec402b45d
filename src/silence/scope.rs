//! Whom a silence covers.

use std::collections::BTreeMap;
use std::fmt;

use glob::Pattern;
use serde::{Deserialize, Serialize};

use crate::target::{Labels, TargetName};

/// Whom a silence covers: a target by its name, targets by their labels, both, or all where neither is given.
///
/// Names and the values of labels may hold `*`, `?` and `[abc]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Scope {
    target: Option<Pattern>,
    labels: BTreeMap<String, Pattern>,
}

/// A pattern that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is no pattern ({why}); `*` stands for any text, `?` for one letter, `[ab]` for one of those")]
pub struct InvalidPattern {
    /// As it was given.
    pub pattern: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// As it stands in JSON and in the database.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    labels: Labels,
}

impl Scope {
    /// The targets with this name and these labels.
    pub fn new(target: Option<&str>, labels: &Labels) -> Result<Self, InvalidPattern> {
        let target = target.map(pattern).transpose()?;
        let labels =
            labels.iter().map(|(name, value)| Ok((name.clone(), pattern(value)?))).collect::<Result<_, _>>()?;
        Ok(Self { target, labels })
    }

    /// Every target.
    pub const fn all() -> Self {
        Self { target: None, labels: BTreeMap::new() }
    }

    /// Whether it covers the target of this name with these labels.
    pub fn covers(&self, target: &TargetName, labels: &Labels) -> bool {
        let is_named = self.target.as_ref().is_none_or(|pattern| pattern.matches(target.as_str()));
        let has = |(name, pattern): (&String, &Pattern)| labels.get(name).is_some_and(|value| pattern.matches(value));
        is_named && self.labels.iter().all(has)
    }

    /// The pattern that a target's name must match, if any.
    pub fn target(&self) -> Option<&str> {
        self.target.as_ref().map(Pattern::as_str)
    }
}

fn pattern(text: &str) -> Result<Pattern, InvalidPattern> {
    Pattern::new(text).map_err(|problem| InvalidPattern { pattern: text.to_owned(), why: problem.msg })
}

/// `checkout-*`, `team=payments`, or `every target`.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = self.labels.iter().map(|(name, value)| format!("{name}={value}"));
        let parts: Vec<String> = self.target().map(str::to_owned).into_iter().chain(labels).collect();
        if parts.is_empty() { f.write_str("every target") } else { f.write_str(&parts.join(" ")) }
    }
}

impl TryFrom<Written> for Scope {
    type Error = InvalidPattern;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        Self::new(written.target.as_deref(), &written.labels)
    }
}

impl From<Scope> for Written {
    fn from(scope: Scope) -> Self {
        let labels = scope.labels.iter().map(|(name, value)| (name.clone(), value.as_str().to_owned())).collect();
        Self { target: scope.target.map(|pattern| pattern.as_str().to_owned()), labels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_scope_covers_by_name_and_by_labels() {
        let target = TargetName::new("checkout-api-1").unwrap();
        let own = labels(&[("team", "payments"), ("env", "prod")]);
        for (name, wanted, expected) in [
            (None, &[][..], true),
            (Some("checkout-api-1"), &[], true),
            (Some("checkout-*"), &[], true),
            (Some("checkout-api-?"), &[], true),
            (Some("checkout"), &[], false),
            (None, &[("team", "payments")], true),
            (None, &[("team", "pay*"), ("env", "prod")], true),
            (None, &[("team", "search")], false),
            (None, &[("region", "*")], false),
            (Some("checkout-*"), &[("env", "staging")], false),
        ] {
            let scope = Scope::new(name, &labels(wanted)).unwrap();
            assert_eq!(scope.covers(&target, &own), expected, "{scope}");
        }
    }

    #[test]
    fn a_scope_is_the_same_after_it_was_written() {
        for scope in [Scope::all(), Scope::new(Some("a*"), &labels(&[("team", "x")])).unwrap()] {
            let written = serde_json::to_string(&scope).unwrap();
            assert_eq!(serde_json::from_str::<Scope>(&written).unwrap(), scope, "{written}");
        }
        assert!(serde_json::from_str::<Scope>(r#"{"target":"[a"}"#).is_err());
    }
}
