//! The OpenAPI document, which every answer of a daemon in the tests is held against.

use std::sync::LazyLock;

use serde_json::{Value, json};

/// The document as it is served.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../src/web/openapi.json")).unwrap());

/// Fails where the document does not say that this may be answered. Bodies that are no JSON are held to their type alone.
pub(crate) fn check(method: &str, path: &str, status: u16, content_type: &str, body: &str) {
    let path = path.split('?').next().unwrap_or_default();
    // Pages are for people.
    if !["/api/", "/-/", "/metrics"].iter().any(|start| path.starts_with(start)) {
        return;
    }
    let Some(template) = template_of(path) else {
        assert_eq!(status, 404, "{path} answers, and the document does not know it");
        return;
    };
    let operation = &DOCUMENT["paths"][template][method.to_lowercase()];
    let responses = &operation["responses"];
    let class = format!("{}XX", status / 100);
    let response = [status.to_string(), class].iter().find_map(|key| responses.get(key)).unwrap_or_else(|| {
        panic!("{method} {path} answers {status}, and the document does not say so");
    });
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let schema = &response["content"][kind]["schema"];
    assert!(!schema.is_null(), "{method} {path} answers {status} with {kind}, and the document does not say so");
    if kind.ends_with("json") {
        check_schema(schema, body, &format!("{method} {path}"));
    }
}

fn check_schema(schema: &Value, body: &str, what: &str) {
    // References lead into the document, so it is the root.
    let rooted = json!({ "allOf": [schema], "components": DOCUMENT["components"] });
    let validator = jsonschema::draft202012::new(&rooted).unwrap();
    let body: Value = serde_json::from_str(body).unwrap_or_else(|problem| panic!("{what}: {problem}: {body}"));
    let wrong: Vec<String> =
        validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(wrong.is_empty(), "{what} is not as the document says: {wrong:#?}\n{body:#}");
}

/// The path of the document that this one is of.
fn template_of(path: &str) -> Option<&'static str> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let fits = |template: &str| {
        let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
        template.len() == path.len() && template.iter().zip(&path).all(|(a, b)| a == b || a.starts_with('{'))
    };
    // One that is spelled out comes before one that varies.
    let mut fitting: Vec<&String> = paths.keys().filter(|template| fits(template)).collect();
    fitting.sort_by_key(|template| template.contains('{'));
    fitting.first().map(|template| template.as_str())
}
