//! A webhook body of the receiver's own shape: a text with placeholders such as `{{summary}}`, checked when it is read.
//!
//! A template that is JSON gets its values escaped as JSON strings, and must still be JSON when filled; any other is
//! plain text. `{{data}}` stands for the whole object of [`crate::alert::body::data`], not within quotes.

use serde_json::Value;

use crate::alert::body;
use crate::alert::message::Alert;
use crate::alert::wording;
use crate::text::{line, span_of_seconds};
use crate::units::ByteSize;

/// A checked template.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pieces: Vec<Piece>,
    is_json: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Value(Placeholder),
}

/// What can stand between double braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    AlertId,
    Incident,
    Event,
    Episode,
    Status,
    Severity,
    Target,
    Timestamp,
    Summary,
    Details,
    Next,
    Signal,
    Slope,
    From,
    To,
    Limit,
    LimitIn,
    Culprit,
    Location,
    Evidence,
    Data,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A placeholder without an end.
    #[error("has a `{{{{` without `}}}}` at byte {0}")]
    Unclosed(usize),
    /// A placeholder that does not exist.
    #[error("has the unknown placeholder `{{{{{name}}}}}`, did you mean `{{{{{nearest}}}}}`? Known are {known}")]
    Unknown {
        /// As written.
        name: String,
        /// The known one most like it.
        nearest: &'static str,
        /// All of them.
        known: String,
    },
    /// The name of a placeholder in single braces, which would go out as it stands.
    #[error("has `{{{0}}}`, which would be sent as it stands: write `{{{{{0}}}}}`")]
    SingleBraces(&'static str),
    /// Starts like JSON but is none when filled.
    #[error("starts like JSON but is none when filled: {0} (every placeholder but `{{{{data}}}}` goes within quotes)")]
    NotJson(String),
}

impl Template {
    /// Parses and checks a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut template = Self { pieces: pieces(text)?, is_json: false };
        let filled = template.fill(|placeholder| match placeholder {
            Placeholder::Data => "{}".to_owned(),
            _ => "x".to_owned(),
        });
        match serde_json::from_str::<Value>(&filled) {
            Ok(value) => template.is_json = value.is_object() || value.is_array(),
            // A text may well start with a bracket (`[prod] {{summary}}`), but hardly with a single brace.
            Err(problem) if filled.trim_start().starts_with('{') => {
                return Err(TemplateError::NotJson(problem.to_string()));
            }
            Err(_) => {}
        }
        Ok(template)
    }

    /// The body for `alert`.
    pub fn render(&self, alert: &Alert) -> String {
        self.fill(|placeholder| {
            let value = placeholder.value(alert);
            match (placeholder, self.is_json) {
                (Placeholder::Data, _) | (_, false) => value,
                (_, true) => escape_json(&value),
            }
        })
    }

    /// What the rendered text is.
    pub const fn content_type(&self) -> &'static str {
        if self.is_json { "application/json" } else { "text/plain; charset=utf-8" }
    }

    fn fill(&self, value_of: impl Fn(Placeholder) -> String) -> String {
        let text_of = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Value(placeholder) => value_of(*placeholder),
        };
        self.pieces.iter().map(text_of).collect()
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, behind) = after.split_once("}}").ok_or(TemplateError::Unclosed(text.len() - after.len() - 2))?;
        pieces.push(Piece::text(before)?);
        pieces.push(Piece::Value(Placeholder::parse(name.trim())?));
        rest = behind;
    }
    pieces.push(Piece::text(rest)?);
    Ok(pieces)
}

impl Piece {
    fn text(text: &str) -> Result<Self, TemplateError> {
        let is_meant = |name: &&str| text.contains(&format!("{{{name}}}"));
        match Placeholder::ALL.into_iter().map(|(name, _)| name).find(is_meant) {
            Some(name) => Err(TemplateError::SingleBraces(name)),
            None => Ok(Self::Text(text.to_owned())),
        }
    }
}

/// As the inside of a JSON string.
fn escape_json(value: &str) -> String {
    let quoted = Value::from(value).to_string();
    quoted.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or_default().to_owned()
}

impl Placeholder {
    const ALL: [(&'static str, Self); 21] = [
        ("alert_id", Self::AlertId),
        ("incident", Self::Incident),
        ("event", Self::Event),
        ("episode", Self::Episode),
        ("status", Self::Status),
        ("severity", Self::Severity),
        ("target", Self::Target),
        ("timestamp", Self::Timestamp),
        ("summary", Self::Summary),
        ("details", Self::Details),
        ("next", Self::Next),
        ("signal", Self::Signal),
        ("slope", Self::Slope),
        ("from", Self::From),
        ("to", Self::To),
        ("limit", Self::Limit),
        ("limit_in", Self::LimitIn),
        ("culprit", Self::Culprit),
        ("location", Self::Location),
        ("evidence", Self::Evidence),
        ("data", Self::Data),
    ];

    fn parse(name: &str) -> Result<Self, TemplateError> {
        if let Some((_, placeholder)) = Self::ALL.iter().find(|(known, _)| *known == name) {
            return Ok(*placeholder);
        }
        let names = Self::ALL.map(|(known, _)| known);
        let nearest = names.into_iter().min_by_key(|known| strsim::levenshtein(known, name)).unwrap_or_default();
        Err(TemplateError::Unknown { name: line(name, 40), nearest, known: names.join(", ") })
    }

    /// Its text for `alert`; empty where the alert has nothing of the kind.
    fn value(self, alert: &Alert) -> String {
        let leak = alert.news.leak();
        let growth = leak.map(|leak| &leak.growth);
        let size = |bytes: Option<u64>| bytes.map(|bytes| ByteSize::new(bytes).to_string());
        let culprit = leak.and_then(|leak| leak.culprits.first());
        let value = match self {
            Self::AlertId => Some(alert.id.clone()),
            Self::Incident => Some(alert.incident()),
            Self::Event => Some(alert.news.kind().to_owned()),
            Self::Episode => alert.episode.clone(),
            Self::Status => Some(alert.status().name().to_owned()),
            Self::Severity => Some(alert.severity.name().to_owned()),
            Self::Target => Some(alert.target.to_string()),
            Self::Timestamp => Some(alert.at.to_string()),
            Self::Summary => Some(wording::headline(alert)),
            Self::Details => return wording::details(alert).join("\n"),
            Self::Next => return wording::next_steps(alert).join("\n"),
            Self::Signal => leak.map(|leak| leak.signal.to_string()),
            Self::Slope => growth.map(|growth| growth.slope.to_string()),
            Self::From => size(growth.map(|growth| growth.from_bytes)),
            Self::To => size(growth.map(|growth| growth.to_bytes)),
            Self::Limit => size(growth.and_then(|growth| growth.limit_bytes)),
            Self::LimitIn => growth.and_then(|growth| growth.limit_in_seconds).and_then(span_of_seconds),
            Self::Culprit => culprit.map(|culprit| culprit.headline.clone()),
            Self::Location => culprit.and_then(|culprit| culprit.location.clone()),
            Self::Evidence => leak.map(wording::evidence),
            Self::Data => return body::fit(body::data(alert), body::LARGEST).to_string(),
        };
        line(&value.unwrap_or_default(), 600)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::alert::examples::{alert, all, explained_leak};
    use crate::alert::message::News;

    fn check(template: &str, expected: &str) {
        let template = Template::parse(template).expect("a good template");
        assert_eq!(template.render(&alert(News::AnalysisReady(explained_leak()))), expected);
    }

    #[test]
    fn placeholders_are_filled() {
        check(
            "{{target}} {{ signal }}: {{slope}}, {{from}}-{{to}}",
            "checkout-api heapUsed: 50 MiB/h, 120 MiB-195 MiB",
        );
        check("{{limit}} in {{limit_in}}, see {{location}}", "512 MiB in 6 h 20 min, see /srv/app/middleware.js:12:9");
        check("no placeholder }} at all", "no placeholder }} at all");
        check("[prod] {{status}}", "[prod] firing");
        check("", "");
    }

    #[test]
    fn a_json_template_stays_json_whatever_the_values() {
        let template = Template::parse(r#"{"title": "{{summary}}", "body": "{{details}}", "raw": {{data}}}"#).unwrap();
        assert_eq!(template.content_type(), "application/json");
        for mut alert in all() {
            if let News::TargetDown { why, .. } = &mut alert.news {
                *why = r#"", "admin": "\"#.to_owned();
            }
            let filled: Value = serde_json::from_str(&template.render(&alert)).expect("JSON");
            assert_eq!(filled["title"], wording::headline(&alert));
            assert_eq!(filled["raw"]["alert_id"], alert.id);
            assert_eq!(filled.get("admin"), None);
        }
        assert_eq!(
            serde_json::from_str::<Value>(&Template::parse("[\"{{limit}}\"]").unwrap().render(&all()[9])).unwrap(),
            json!([""])
        );
    }

    #[test]
    fn mistakes_are_found_when_it_is_read() {
        let refused = |text: &str| Template::parse(text).expect_err("a bad template").to_string();
        assert_eq!(refused("ab {{target"), "has a `{{` without `}}` at byte 3");
        assert!(
            refused("{{sumary}}").starts_with("has the unknown placeholder `{{sumary}}`, did you mean `{{summary}}`?")
        );
        assert_eq!(
            refused("[prod] {summary}"),
            "has `{summary}`, which would be sent as it stands: write `{{summary}}`"
        );
        assert!(refused(r#"{"a": {{summary}}}"#).starts_with("starts like JSON but is none when filled: "));
        assert!(refused(r#"{"a": "{{summary}}""#).starts_with("starts like JSON but is none when filled: "));
    }

    proptest! {
        #[test]
        fn any_text_is_a_template_or_an_error(text in "[{}a-z\" :]{0,60}|(\\{\\{(target|data|x)\\}\\}|[{}\\[\"]){0,9}") {
            if let Ok(template) = Template::parse(&text) {
                template.render(&all()[0]);
            }
        }
    }
}
