//! Reads a snapshot with nothing but a JSON parser, which vouches for the services and for heapwatch's own verifier.

use heapwatch::heap::verify::Verifier;
use heapwatch::http;
use reqwest::StatusCode;
use serde_json::Value;

use super::polling::get;

/// Far above what the test services hold.
const LIMIT_BYTES: usize = 200_000_000;

/// Fetches a snapshot and checks that it is whole: JSON to its end, with as many nodes and edges as it claims, and that
/// heapwatch's verifier finds the same.
pub(crate) async fn fetch_whole(url: &str, token: &str) -> Value {
    let response = get(url, token).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{url}");
    let body = http::read_capped(response, LIMIT_BYTES).await.unwrap();
    let snapshot: Value = serde_json::from_slice(&body).unwrap();
    let (nodes, edges) = (rows(&snapshot, "nodes", "node_fields").len(), rows(&snapshot, "edges", "edge_fields").len());
    assert_eq!(snapshot["snapshot"]["node_count"], nodes);
    assert_eq!(snapshot["snapshot"]["edge_count"], edges);
    let mut verifier = Verifier::new();
    verifier.feed(&body).unwrap();
    let facts = verifier.finish().unwrap();
    assert_eq!((facts.node_count, facts.edge_count, facts.bytes), (nodes as u64, edges as u64, body.len() as u64));
    snapshot
}

/// The rows of a section, as many numbers each as the snapshot's meta names for it.
fn rows(snapshot: &Value, section: &str, fields: &str) -> Vec<Vec<u64>> {
    let width = snapshot["snapshot"]["meta"][fields].as_array().unwrap().len();
    let numbers: Vec<u64> = serde_json::from_value(snapshot[section].clone()).unwrap();
    assert_eq!(numbers.len() % width, 0, "{section}");
    numbers.chunks(width).map(<[u64]>::to_vec).collect()
}

/// How many objects come from the place where `code` stands in `source`, whichever script that is in the snapshot.
pub(crate) fn objects_made_at(snapshot: &Value, source: &str, code: &str) -> u64 {
    let lines = || (0u64..).zip(source.lines());
    let places: Vec<_> = lines().filter_map(|(line, text)| Some([line, text.find(code)? as u64])).collect();
    assert_eq!(places.len(), 1, "`{code}` stands at {places:?}");
    let locations = rows(snapshot, "locations", "location_fields");
    locations.iter().filter(|location| location[2..] == places[0]).count() as u64
}
