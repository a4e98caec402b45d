//! What every request must pass before it is looked at: where it came from, what it proves, and how large it is.
//!
//! A hostile web page in an operator's browser can send requests to the daemon's port. It cannot read answers (there is
//! no CORS), it cannot act (forms and foreign origins are refused), and where its own name was bound to this machine's
//! address, its `Host` betrays it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, ORIGIN,
    REFERRER_POLICY, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use tokio::time::timeout;

use super::access::{Access, Denied, Scope};
use super::asker::Asker;
use super::problem::Problem;

/// Who guards one listener.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    /// The newest configuration's; the assembly holds the other end.
    pub(super) access: watch::Receiver<Arc<Access>>,
    pub(super) place: Place,
    pub(super) request_timeout: Duration,
    pub(super) body_limit: usize,
}

/// What is asked to be done gets this long at least: a reload with 10,000 targets takes most of a minute on a busy machine.
const ACTING: Duration = Duration::from_mins(10);

/// Where the listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On an address that only this machine has.
    Loopback { port: u16 },
    /// On an address that others reach, which the configuration allows behind a proxy and with tokens only.
    Network { port: u16 },
    /// On a socket file. A browser cannot be made to talk to one, so `Host` says nothing there.
    File,
}

/// Lets a request through to the routes, within the time that the whole of it may take.
pub(super) async fn admit(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let access = Arc::clone(&guard.access.borrow());
    let mut response = match guard.check(&access, request.method(), request.uri().path(), request.headers()) {
        Err(refusal) => refusal.into_response(),
        Ok(token) => {
            let asker = Asker { token, peer: request.extensions().get().copied() };
            request.extensions_mut().insert(asker);
            guard.answer(request, next).await
        }
    };
    tell_browser(response.headers_mut());
    response
}

impl Guard {
    /// The name of the token that lets it in, where one is needed.
    fn check(
        &self,
        access: &Access,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Option<String>, Problem> {
        self.check_host(access, headers)?;
        let scope = if method.is_safe() { Scope::Read } else { Scope::Admin };
        if scope == Scope::Admin {
            check_origin(access, headers)?;
            check_kind(method, headers)?;
        }
        // Whoever restarts what is not healthy need not know any secret of it.
        if matches!(path, "/-/healthy" | "/-/ready") {
            return Ok(None);
        }
        check_forwarded(access, headers)?;
        let token = access.admits(text(headers, &AUTHORIZATION), scope).map_err(denied)?;
        Ok(token.map(str::to_owned))
    }

    fn check_host(&self, access: &Access, headers: &HeaderMap) -> Result<(), Problem> {
        let host = text(headers, &HOST).unwrap_or_default();
        let is_ours = match self.place {
            Place::File => true,
            Place::Loopback { port } => is_this_machine(host, port),
            // No name can be bound to an address that is written as one.
            Place::Network { port } => is_this_machine(host, port) || address_of(host, port).is_some(),
        };
        if is_ours || is_allowed(host, access) {
            return Ok(());
        }
        let says = "the Host header names another machine; if it is a name of this one, list it in `web.allowed_hosts`";
        Err(Problem::new(StatusCode::FORBIDDEN, says))
    }

    /// Reads the body, then lets the route answer. A body or a route that takes too long ends the connection.
    async fn answer(&self, request: Request, next: Next) -> Response {
        // What acts goes on whether or not anybody waits: whoever asked should rather learn how it ends.
        let patience = if request.method().is_safe() { self.request_timeout } else { self.request_timeout.max(ACTING) };
        let refusal = |status, says: &str| closing(Problem::new(status, says).into_response());
        let request = match timeout(self.request_timeout, within(request, self.body_limit)).await {
            Ok(Ok(request)) => request,
            Ok(Err(problem)) => return closing(problem.into_response()),
            Err(_) => return refusal(StatusCode::REQUEST_TIMEOUT, "the request took too long to arrive"),
        };
        // A proxy in front that goes by another length than hyper does would take what follows for a request of its own.
        let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
        match timeout(patience, next.run(request)).await {
            Ok(response) if is_chunked => closing(response),
            Ok(response) => response,
            Err(_) => refusal(StatusCode::SERVICE_UNAVAILABLE, "heapwatch is too busy to answer this in time"),
        }
    }
}

/// A request with its body in memory.
async fn within(request: Request, limit: usize) -> Result<Request, Problem> {
    let too_large = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit} bytes"));
    let (parts, body) = request.into_parts();
    // What is announced as too large is not even read.
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let body = axum::body::to_bytes(body, limit).await.map_err(|_| too_large())?;
    Ok(Request::from_parts(parts, Body::from(body)))
}

fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// A loopback address or `localhost`, with this port or none.
fn is_this_machine(host: &str, port: u16) -> bool {
    let name = host.strip_suffix(&format!(":{port}")).unwrap_or(host);
    matches!(name, "localhost" | "localhost.") || address_of(host, port).is_some_and(|address| address.is_loopback())
}

/// The address that a `Host` is, with this port or none.
fn address_of(host: &str, port: u16) -> Option<IpAddr> {
    let name = host.strip_suffix(&format!(":{port}")).unwrap_or(host);
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    address.parse().ok()
}

/// A name that the configuration allows: as it stands, or with any port.
fn is_allowed(host: &str, access: &Access) -> bool {
    let host = host.to_ascii_lowercase();
    let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
    access.allowed_hosts.iter().any(|allowed| *allowed == host || *allowed == name)
}

/// Refuses what a page of another site sends. Programs other than browsers send neither header.
fn check_origin(access: &Access, headers: &HeaderMap) -> Result<(), Problem> {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let is_foreign_site = site.is_some_and(|site| !matches!(site, b"same-origin" | b"none"));
    let is_foreign_origin = headers.get(ORIGIN).is_some_and(|origin| {
        let authority = origin.to_str().ok().and_then(|origin| Some(origin.split_once("://")?.1));
        let host = text(headers, &HOST);
        !authority.is_some_and(|authority| host == Some(authority) || is_allowed(authority, access))
    });
    if is_foreign_site || is_foreign_origin {
        let says = "pages of other sites may not act here";
        return Err(Problem::new(StatusCode::FORBIDDEN, says));
    }
    Ok(())
}

/// Refuses POSTs that a form could send, for browsers that say nothing of where they were: only JSON makes them ask first.
fn check_kind(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let kind = text(headers, &CONTENT_TYPE).unwrap_or_default();
    let is_json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if *method == Method::DELETE || is_json {
        return Ok(());
    }
    let says = "send `Content-Type: application/json`; forms are refused so that no web page can act for you";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, says))
}

/// Without tokens, this machine's users are trusted; a proxy makes everybody look like one of them.
fn check_forwarded(access: &Access, headers: &HeaderMap) -> Result<(), Problem> {
    let is_forwarded =
        ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name));
    if access.tokens.is_empty() && is_forwarded {
        let says = "this request came through a proxy; with one in front, heapwatch needs `[[web.tokens]]`";
        return Err(Problem::new(StatusCode::FORBIDDEN, says));
    }
    Ok(())
}

fn denied(denied: Denied) -> Problem {
    match denied {
        Denied::Lesser => Problem::new(StatusCode::FORBIDDEN, "this needs a token of scope admin"),
        Denied::Unknown => Problem::new(
            StatusCode::UNAUTHORIZED,
            "this needs a token: `Authorization: Bearer ...`, or as the password of any user",
        ),
    }
}

/// No foreign scripts, no frames, no guessing of types, no referrer, nothing kept, nothing embedded elsewhere.
fn tell_browser(headers: &mut HeaderMap) {
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                  connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let lines = [
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, line) in lines {
        // A page that knows better has said so.
        headers.entry(name).or_insert(HeaderValue::from_static(line));
    }
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

    #[test]
    fn names_are_allowed_by_the_configuration() {
        let allowed_hosts = vec!["heapwatch.example.com".to_owned(), "hw.lan:8443".to_owned()];
        let access = Access { allowed_hosts, ..Access::default() };
        for host in ["heapwatch.example.com", "Heapwatch.Example.com:443", "hw.lan:8443"] {
            assert!(is_allowed(host, &access), "{host}");
        }
        for host in
            ["", "example.com", "evil.heapwatch.example.com", "hw.lan", "hw.lan:80", "heapwatch.example.com.evil"]
        {
            assert!(!is_allowed(host, &access), "{host}");
        }
    }

    #[test]
    fn pages_of_other_sites_may_not_act() {
        let access = Access { allowed_hosts: vec!["hw.example".to_owned()], ..Access::default() };
        let check = |lines: &[(&'static str, &'static str)], expected: bool| {
            let headers: HeaderMap = lines
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            assert_eq!(check_origin(&access, &headers).is_ok(), expected, "{lines:?}");
        };
        check(&[("host", "localhost:9797")], true);
        check(&[("host", "localhost:9797"), ("origin", "http://localhost:9797")], true);
        check(&[("host", "127.0.0.1:9797"), ("origin", "https://hw.example")], true);
        check(&[("host", "localhost:9797"), ("sec-fetch-site", "same-origin")], true);
        check(&[("host", "localhost:9797"), ("sec-fetch-site", "cross-site")], false);
        check(&[("host", "localhost:9797"), ("sec-fetch-site", "same-site")], false);
        check(&[("host", "localhost:9797"), ("origin", "http://localhost:3000")], false);
        check(&[("host", "localhost:9797"), ("origin", "https://evil.example")], false);
        check(&[("host", "localhost:9797"), ("origin", "null")], false);
        check(&[("origin", "http://")], false);
    }
}
