//! `PagerDuty` Events API v2: the body of an event.

/// Where accounts outside the EU post to.
pub const ENQUEUE_URL: &str = "https://events.pagerduty.com/v2/enqueue";
