//! What keeps a hostile web page in the operator's browser from using the daemon's local port.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Refuses requests whose `Host` is not this machine: a page whose name was rebound to 127.0.0.1 carries its own.
pub(super) async fn local_host_only(State(port): State<u16>, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_this_machine(host, port) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "the Host header names another machine\n").into_response()
    }
}

/// A loopback address or `localhost`, with this port or none.
fn is_this_machine(host: &str, port: u16) -> bool {
    let name = host.strip_suffix(&format!(":{port}")).unwrap_or(host);
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    matches!(name, "localhost" | "localhost.") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Refuses POSTs that a form of another site could send: only JSON makes a browser ask first.
pub(super) async fn no_forged_posts(request: Request, next: Next) -> Response {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_answered() {
        for host in
            ["127.0.0.1", "127.0.0.1:9797", "localhost:9797", "localhost.", "[::1]:9797", "[::1]", "127.0.0.2:9797"]
        {
            assert!(is_this_machine(host, 9797), "{host}");
        }
        for host in
            ["", "evil.example", "evil.example:9797", "127.0.0.1.evil.example", "10.0.0.1:9797", "localhost:80", "[::1"]
        {
            assert!(!is_this_machine(host, 9797), "{host}");
        }
    }
}
