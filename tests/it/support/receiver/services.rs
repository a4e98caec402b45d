//! The real services' own checks, from their documentation: what a body must have, may have, and how long it may be.

use std::time::Duration;

use heapwatch::alert::signature::{SignedHeaders, SigningKey, verify};
use serde_json::{Value, json};

use super::{Answer, Received};

/// Collects what a service would complain of.
#[derive(Default)]
struct Complaints(Vec<String>);

impl Complaints {
    fn unless(&mut self, is_fine: bool, complaint: impl Into<String>) {
        if !is_fine {
            self.0.push(complaint.into());
        }
    }
}

/// Standard Webhooks 1.0.0, with a clock that stands at `unix_seconds`.
pub(crate) fn standard_webhook(
    key: SigningKey,
    unix_seconds: i64,
) -> impl Fn(&Received) -> Answer + Send + Sync + 'static {
    move |request| {
        let mut complaints = Complaints::default();
        let header = |name| request.header(name).unwrap_or_default();
        let (id, timestamp, signature) =
            (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
        complaints.unless(request.method == "POST", "not a POST");
        complaints.unless(!id.is_empty() && !id.contains('.'), "bad webhook-id");
        complaints.unless(request.body.len() < 20_000, "body of 20 kB or more");
        let headers = SignedHeaders { id, timestamp, signature };
        let verified = verify(&key, headers, &request.body, unix_seconds, Duration::from_mins(5));
        complaints.unless(verified.is_ok(), format!("{verified:?}"));
        let body = request.json();
        let is_type = |text: &str| text.split('.').all(|word| !word.is_empty() && word.chars().all(is_word));
        complaints.unless(body["type"].as_str().is_some_and(is_type), "bad type");
        complaints.unless(body["timestamp"].as_str().is_some_and(is_time), "bad timestamp");
        complaints.unless(body["data"].is_object(), "no data");
        judge(&complaints, Answer::status(204))
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// RFC 3339 in UTC with whole seconds.
fn is_time(text: &str) -> bool {
    text.len() == 20 && text.ends_with('Z') && text.chars().nth(10) == Some('T')
}

fn judge(complaints: &Complaints, fine: Answer) -> Answer {
    if complaints.0.is_empty() { fine } else { Answer::text(400, complaints.0.join("; ")) }
}

/// `PagerDuty` Events API v2.
pub(crate) fn pagerduty(request: &Received) -> Answer {
    let event = request.json();
    let mut complaints = Complaints::default();
    let text = |value: &Value, longest: usize| {
        value.as_str().is_some_and(|text| !text.is_empty() && text.chars().count() <= longest)
    };
    let is_key = event["routing_key"].as_str().is_some_and(|key| key.len() == 32);
    complaints.unless(is_key, "'routing_key' is missing or is not a valid integration key");
    complaints.unless(request.body.len() <= 512 * 1024, "event is larger than 512 KB");
    complaints.unless(text(&event["dedup_key"], 255), "'dedup_key' is missing or too long");
    match event["event_action"].as_str() {
        Some("trigger") => {
            let payload = &event["payload"];
            complaints.unless(text(&payload["summary"], 1024), "'payload.summary' is missing, blank or too long");
            complaints.unless(text(&payload["source"], 1024), "'payload.source' is missing or blank");
            let severities = ["critical", "error", "warning", "info"];
            let is_known = payload["severity"].as_str().is_some_and(|severity| severities.contains(&severity));
            complaints.unless(is_known, "'payload.severity' is invalid");
            complaints.unless(payload["timestamp"].as_str().is_some_and(is_time), "'payload.timestamp' is no time");
            complaints.unless(payload["custom_details"].is_object(), "'payload.custom_details' is no object");
        }
        Some("acknowledge" | "resolve") => {
            complaints.unless(event.get("client").is_none(), "'client' is for triggers only");
        }
        _ => complaints.unless(false, "'event_action' is invalid"),
    }
    let success = json!({ "status": "success", "message": "Event processed", "dedup_key": event["dedup_key"] });
    match complaints.0.as_slice() {
        [] => Answer::text(202, success.to_string()),
        errors => {
            let answer = json!({ "status": "invalid event", "message": "Event object is invalid", "errors": errors });
            Answer::text(400, answer.to_string())
        }
    }
}

/// A Slack incoming webhook.
pub(crate) fn slack(request: &Received) -> Answer {
    let message = request.json();
    let is_json = request.header("content-type") == Some("application/json");
    let has_text = message["text"].as_str().is_some_and(|text| !text.is_empty());
    let blocks = message["blocks"].as_array().cloned().unwrap_or_default();
    if !is_json || !has_text {
        return Answer::text(400, "invalid_payload");
    }
    if blocks.is_empty() || blocks.len() > 50 || !blocks.iter().all(is_block) {
        return Answer::text(400, "invalid_blocks");
    }
    if request.body.len() > 13_000 {
        return Answer::text(400, "msg_blocks_too_long");
    }
    Answer::text(200, "ok")
}

fn is_block(block: &Value) -> bool {
    let fits = |text: &Value, kind: &str, longest: usize| {
        text["type"] == kind
            && text["text"].as_str().is_some_and(|text| !text.is_empty() && text.chars().count() <= longest)
    };
    let all = |items: &Value, longest: usize| {
        items.as_array().is_some_and(|items| {
            (1..=10).contains(&items.len()) && items.iter().all(|item| fits(item, "mrkdwn", longest))
        })
    };
    match block["type"].as_str() {
        Some("header") => fits(&block["text"], "plain_text", 150),
        Some("section") => fits(&block["text"], "mrkdwn", 3000) || all(&block["fields"], 2000),
        Some("context") => all(&block["elements"], 3000),
        _ => false,
    }
}

/// Alertmanager API v2.
pub(crate) fn alertmanager(request: &Received) -> Answer {
    let mut complaints = Complaints::default();
    complaints.unless(request.path.ends_with("/api/v2/alerts"), "no such path");
    let alerts = request.json();
    complaints.unless(alerts.as_array().is_some_and(|alerts| !alerts.is_empty()), "no array of alerts");
    for alert in alerts.as_array().into_iter().flatten() {
        let labels = alert["labels"].as_object().cloned().unwrap_or_default();
        let is_name =
            |name: &str| name.chars().all(is_word) && name.chars().next().is_some_and(|first| !first.is_ascii_digit());
        complaints.unless(!labels.is_empty(), "at least one label pair required");
        complaints.unless(labels.keys().all(|name| is_name(name)), "invalid label name");
        complaints.unless(labels.values().all(Value::is_string), "a label value is no string");
        let (starts, ends) = (alert["startsAt"].as_str(), alert["endsAt"].as_str());
        complaints.unless(starts.is_some_and(is_time) && ends.is_some_and(is_time), "bad times");
        complaints.unless(ends >= starts, "start time must be before end time");
    }
    judge(&complaints, Answer::status(200))
}
