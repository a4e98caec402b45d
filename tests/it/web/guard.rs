//! Requests that a hostile web page makes an operator's browser send, and what browsers are told.

use heapwatch::web::{Access, Limits, Scope, Token, TokenHash};

use super::served::Served;

const JSON: &str = "Content-Type: application/json";

async fn open() -> Served {
    Served::start(Access::default(), Limits::default()).await
}

fn with_token(allowed_hosts: &[&str]) -> Access {
    Access {
        tokens: vec![Token { name: "ops".to_owned(), scope: Scope::Admin, hash: TokenHash::of("secret") }],
        allowed_hosts: allowed_hosts.iter().map(|host| (*host).to_owned()).collect(),
    }
}

/// A page whose name was bound to 127.0.0.1 carries that name.
#[tokio::test]
async fn a_name_that_was_bound_to_this_machine_is_refused() {
    let served = open().await;
    let port = served.address.port();
    for (host, expected) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        ("localhost".to_owned(), 200),
        (format!("evil.example:{port}"), 403),
        ("evil.example".to_owned(), 403),
        (format!("localhost:{port}.evil.example"), 403),
        (String::new(), 403),
    ] {
        for path in ["/", "/metrics", "/-/healthy", "/api/v1/targets"] {
            let answer = served.ask(&format!("GET {path}"), &[&format!("Host: {host}")]).await;
            assert_eq!(answer.status, expected, "{host} {path}");
        }
    }
    let mut client = served.connect().await;
    client.send("GET /api/v1/targets HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 403, "no Host at all");
}

#[tokio::test]
async fn an_allowed_name_is_answered_with_a_token() {
    let served = Served::start(with_token(&["heapwatch.example"]), Limits::default()).await;
    let ask = async |host: &str| {
        let headers = [host, "Authorization: Bearer secret", "X-Forwarded-For: 192.0.2.1"];
        served.ask("GET /api/v1/targets", &headers).await.status
    };
    assert_eq!(ask("Host: heapwatch.example").await, 200);
    assert_eq!(ask("Host: heapwatch.example:443").await, 200);
    assert_eq!(ask("Host: other.example").await, 403);
}

#[tokio::test]
async fn a_page_of_another_site_can_neither_act_nor_read() {
    let served = open().await;
    let local = format!("Origin: http://{}", served.address);
    // Each of them, let through, would wait for an answer that nobody gives.
    let refused =
        async |headers: &[&str]| served.ask("POST /-/reload", &[headers, &["Content-Length: 0"]].concat()).await;
    assert_eq!(refused(&[JSON, "Origin: https://evil.example"]).await.status, 403);
    assert_eq!(refused(&[JSON, "Origin: http://localhost:3000"]).await.status, 403);
    assert_eq!(refused(&[JSON, "Origin: null"]).await.status, 403);
    assert_eq!(refused(&[JSON, "Sec-Fetch-Site: cross-site"]).await.status, 403);
    assert_eq!(refused(&[JSON, "Sec-Fetch-Site: same-site"]).await.status, 403);
    assert_eq!(refused(&[&local, "Content-Type: text/plain"]).await.status, 415);
    assert_eq!(refused(&["Content-Type: application/x-www-form-urlencoded"]).await.status, 415);
    assert_eq!(refused(&[]).await.status, 415);
    assert_eq!(served.requests.len(), 0, "none of them reached the daemon");

    let preflight = ["Origin: https://evil.example", "Access-Control-Request-Method: POST"];
    for request in ["OPTIONS /-/reload", "GET /api/v1/targets"] {
        let answer = served.ask(request, &preflight).await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{answer:?}");
    }
}

/// Without tokens this machine's users are trusted, and a proxy makes the whole world one of them.
#[tokio::test]
async fn a_proxy_in_front_needs_tokens() {
    let served = open().await;
    for header in ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "Via: 1.1 proxy", "X-Real-IP: 192.0.2.1"] {
        let answer = served.ask("GET /api/v1/targets", &[header]).await;
        assert_eq!(answer.status, 403, "{header}");
        assert!(answer.body.contains("[[web.tokens]]"), "{answer:?}");
        assert_eq!(served.ask("GET /-/healthy", &[header]).await.status, 200);
    }
}

#[tokio::test]
async fn every_answer_tells_browsers_to_keep_it_apart() {
    let served = open().await;
    for request in ["GET /", "GET /metrics", "GET /api/v1/targets", "GET /nothing", "PUT /-/reload"] {
        let answer = served.ask(request, &[]).await;
        let policy = answer.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "script-src 'self';", "form-action 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{request}: {policy}");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{request}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{request}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{request}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{request}");
    }
}

#[tokio::test]
async fn errors_are_problems_that_say_what_would_be_right() {
    let served = open().await;
    for (request, status) in [("GET /nothing", 404), ("GET /api/v1/targets/nobody", 404), ("DELETE /metrics", 405)] {
        let answer = served.ask(request, &[]).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("application/problem+json")),
            "{request}"
        );
        let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_listener_for_metrics_has_nothing_else() {
    let served = Served::start_with(Access::default(), Limits::default(), true).await;
    for (path, expected) in
        [("/metrics", 200), ("/-/healthy", 200), ("/-/ready", 200), ("/", 404), ("/api/v1/targets", 404)]
    {
        assert_eq!(served.ask(&format!("GET {path}"), &[]).await.status, expected, "{path}");
    }
    assert_eq!(served.ask("POST /-/reload", &[JSON, "Content-Length: 0"]).await.status, 404);
}
