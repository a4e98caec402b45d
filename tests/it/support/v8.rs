//! Reads a snapshot with nothing but a JSON parser, so that what is tested does not vouch for itself.

use std::collections::HashMap;

use heapwatch::http;
use reqwest::StatusCode;
use serde_json::Value;

use super::polling::get;

/// Far above what the test services hold.
const LIMIT_BYTES: usize = 200_000_000;

/// Fetches a snapshot and checks that it is whole: JSON to its end, with as many nodes and edges as it claims.
pub(crate) async fn fetch_whole(url: &str, token: &str) -> Value {
    let response = get(url, token).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{url}");
    let body = http::read_capped(response, LIMIT_BYTES).await.unwrap();
    let snapshot: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(snapshot["snapshot"]["node_count"], rows(&snapshot, "nodes", "node_fields").len());
    assert_eq!(snapshot["snapshot"]["edge_count"], rows(&snapshot, "edges", "edge_fields").len());
    snapshot
}

/// The rows of a section, as many numbers each as the snapshot's meta names for it.
fn rows(snapshot: &Value, section: &str, fields: &str) -> Vec<Vec<u64>> {
    let width = snapshot["snapshot"]["meta"][fields].as_array().unwrap().len();
    let numbers: Vec<u64> = serde_json::from_value(snapshot[section].clone()).unwrap();
    assert_eq!(numbers.len() % width, 0, "{section}");
    numbers.chunks(width).map(<[u64]>::to_vec).collect()
}

/// How many objects come from the one line that most of them come from.
pub(crate) fn most_from_one_line(snapshot: &Value) -> u64 {
    let mut lines: HashMap<_, u64> = HashMap::new();
    for location in rows(snapshot, "locations", "location_fields") {
        *lines.entry(location[1..].to_vec()).or_default() += 1;
    }
    lines.into_values().max().unwrap()
}
