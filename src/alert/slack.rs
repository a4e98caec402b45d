//! Slack incoming webhook: the body of a message.
//!
//! Such a webhook cannot edit or thread, so a resolve is a message of its own.

use std::time::Duration;

use serde_json::{Value, json};

use crate::alert::message::{Alert, Leak, Severity, Status};
use crate::alert::wording;
use crate::text::{line, span, span_of_seconds};
use crate::units::ByteSize;

/// Incoming webhooks take one message a second.
pub const MIN_GAP: Duration = Duration::from_secs(1);
/// Slack takes 150 characters in a header.
const HEADER: usize = 150;
/// Slack takes 2000 characters in a field; a phone shows far fewer.
const FIELD: usize = 200;
/// Slack takes 3000 characters in a section, and about 13,000 in a message; this keeps a message under 4000.
const SECTION: usize = 1500;

/// The message for `alert`: `text` is the notification, `blocks` carry the detail.
pub fn message(alert: &Alert) -> Value {
    let mut blocks = vec![json!({
        "type": "header",
        "text": { "type": "plain_text", "text": line(&format!("{}: {}", title(alert), alert.target), HEADER) },
    })];
    let headline = escape(&wording::headline(alert), SECTION);
    blocks.push(section(&headline));
    if let Some(leak) = alert.news.leak() {
        blocks.push(json!({ "type": "section", "fields": fields(leak) }));
    }
    let details = bullets(&wording::details(alert));
    if !details.is_empty() {
        blocks.push(section(&details));
    }
    let steps = bullets(&wording::next_steps(alert));
    if !steps.is_empty() {
        blocks.push(section(&format!("*What to do*\n{steps}")));
    }
    blocks
        .push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": escape(&context(alert), FIELD) }] }));
    json!({ "text": format!("{} {headline}", sign(alert)), "blocks": blocks, "unfurl_links": false })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

fn fields(leak: &Leak) -> Vec<Value> {
    let growth = &leak.growth;
    let limit = growth.limit_in_seconds.and_then(span_of_seconds).unwrap_or_else(|| "unknown".to_owned());
    [
        ("Growth", growth.slope.to_string()),
        ("From, to", format!("{}, {}", ByteSize::new(growth.from_bytes), ByteSize::new(growth.to_bytes))),
        ("For", span(growth.until.since(growth.since))),
        ("To limit", limit),
    ]
    .map(|(name, value)| json!({ "type": "mrkdwn", "text": format!("*{name}*\n{}", escape(&value, FIELD)) }))
    .to_vec()
}

fn context(alert: &Alert) -> String {
    let labels: Vec<String> = alert.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{} · {} · {} · {}", alert.severity.name(), alert.at, alert.id, labels.join(" "))
}

/// As many sentences as fit a section, each on a line of its own.
fn bullets(sentences: &[String]) -> String {
    let mut text = String::new();
    for sentence in sentences {
        let bullet = format!("• {}\n", escape(sentence, SECTION / 3));
        if text.chars().count() + bullet.chars().count() > SECTION {
            break;
        }
        text.push_str(&bullet);
    }
    text
}

const fn sign_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => ":information_source:",
        Severity::Warning => ":warning:",
        Severity::Critical => ":rotating_light:",
    }
}

fn sign(alert: &Alert) -> &'static str {
    match alert.status() {
        Status::Resolved => ":white_check_mark:",
        Status::Firing | Status::Note => sign_of(alert.severity),
    }
}

fn title(alert: &Alert) -> &'static str {
    match (alert.news.leak(), alert.status()) {
        (Some(_), _) => "Memory growth",
        (None, Status::Firing) => "Alert",
        (None, Status::Resolved) => "Resolved",
        (None, Status::Note) => "Note",
    }
}

/// Escapes `&`, `<` and `>`, so that no text can mention people or make links, and caps at `longest` characters
/// without cutting an escape in two.
fn escape(text: &str, longest: usize) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut length = 0;
    for c in text.chars() {
        let mut own = [0; 4];
        let written: &str = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            _ => c.encode_utf8(&mut own),
        };
        length += written.chars().count();
        if length > longest.saturating_sub(1) {
            escaped.push('…');
            break;
        }
        escaped.push_str(written);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::examples::{alert, all, explained_leak};
    use crate::alert::message::News;

    #[test]
    fn a_leak_reads_well_on_a_phone() {
        let message = message(&alert(News::AnalysisReady(explained_leak())));
        assert_eq!(
            message["text"],
            ":warning: checkout-api: leak found: +1000 closures, retained +164 KB (92 % of the heap's growth)"
        );
        assert_eq!(message["blocks"][0]["text"]["text"], "Memory growth: checkout-api");
        assert_eq!(message["blocks"][2]["fields"][0]["text"], "*Growth*\n50 MiB/h");
        assert_eq!(message["blocks"][2]["fields"][3]["text"], "*To limit*\n6 h 20 min");
        let steps = message["blocks"][4]["text"]["text"].as_str().unwrap();
        assert!(steps.starts_with("*What to do*\n• Look at /srv/app/middleware.js:12:9: that line"), "{steps}");
    }

    #[test]
    fn no_text_from_a_target_can_mention_people_or_exceed_the_limits() {
        for text in ["<!channel> & <https://evil.example|click> ", "&<>", "é😀"] {
            let hostile = text.repeat(3_000);
            let mut leak = explained_leak();
            leak.culprits[0].headline.clone_from(&hostile);
            leak.culprits[0].held_by.clone_from(&hostile);
            leak.missing_snapshots = vec![hostile.clone(); 40];
            let mut alert = alert(News::AnalysisReady(leak));
            alert.labels.insert("team".to_owned(), hostile);
            let message = message(&alert);
            let json = message.to_string();
            assert!(!json.contains("<!") && !json.contains("<http"), "{json}");
            assert!(json.chars().count() < 8_000, "{}", json.chars().count());
        }
    }

    #[test]
    fn every_alert_has_text_and_at_most_eight_blocks() {
        for alert in all() {
            let message = message(&alert);
            assert!(message["text"].as_str().is_some_and(|text| text.len() > 20));
            assert!(message["blocks"].as_array().is_some_and(|blocks| blocks.len() <= 8));
        }
    }

    #[test]
    fn a_cut_never_halves_an_escape() {
        assert_eq!(escape("a&b", 10), "a&amp;b");
        for longest in 1..12 {
            let cut = escape("a&b<c", longest);
            assert!(cut.chars().count() <= longest, "{cut}");
            assert_eq!(cut.matches('&').count(), cut.matches(';').count(), "{cut}");
        }
    }
}
