//! What keeps a hostile web page in the operator's browser from using the daemon's local port.

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Refuses requests whose `Host` is not this machine: a page whose name was rebound to 127.0.0.1 carries its own.
pub(super) async fn local_host_only(State(port): State<u16>, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let names = ["127.0.0.1", "localhost", "[::1]"];
    let known = names.iter().any(|name| host == *name || host == format!("{name}:{port}"));
    if known {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "the Host header names another machine\n").into_response()
    }
}

/// Refuses POSTs that a form of another site could send: only JSON makes a browser ask first.
pub(super) async fn no_forged_posts(request: Request, next: Next) -> Response {
    let is_json = request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == b"application/json");
    if request.method() == Method::POST && !is_json {
        let says = "send `Content-Type: application/json`; forms are refused so that no web page can act for you\n";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, says).into_response();
    }
    next.run(request).await
}

/// No scripts, no frames, no guessing of types, no referrer.
pub(super) async fn browser_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let policy = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self'; base-uri 'none'; \
                  form-action 'none'; frame-ancestors 'none'";
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
