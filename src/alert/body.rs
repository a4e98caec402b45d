//! The JSON body of the webhook.

use serde_json::{Value, json};

use crate::alert::message::{Alert, SCHEMA};
use crate::alert::wording;

/// The body of `alert` as a value.
pub fn body(alert: &Alert) -> Value {
    json!({
        "type": alert.news.event_type(),
        "timestamp": alert.at.to_string(),
        "data": { "schema": SCHEMA, "alert_id": alert.id, "summary": wording::headline(alert) },
    })
}
