//! Tokens: made by the command, checked by the listener, revoked by a reload, sent by the other commands.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::sync::Arc;

use heapwatch::web::{Access, Limits, Scope, Token, TokenHash};

use super::served::Served;
use crate::support::daemon::{Daemon, Home};
use crate::support::polling::wait_for;

const JSON: &str = "Content-Type: application/json";

fn token(text: &str, scope: Scope) -> Token {
    Token { name: text.to_owned(), scope, hash: TokenHash::of(text) }
}

#[tokio::test]
async fn a_token_opens_what_its_scope_says() {
    let tokens = vec![token("reader", Scope::Read), token("boss", Scope::Admin)];
    let mut served = Served::start(Access { tokens, ..Access::default() }, Limits::default()).await;
    let ask = async |served: &Served, request: &str, proof: &str| {
        let headers = [proof, JSON, "Content-Length: 0"];
        served.ask(request, &headers[usize::from(proof.is_empty())..]).await.status
    };
    for path in ["/", "/metrics", "/api/v1/targets", "/nothing"] {
        let request = format!("GET {path}");
        assert_eq!(ask(&served, &request, "").await, 401, "{path}");
        assert_eq!(ask(&served, &request, "Authorization: Bearer wrong").await, 401, "{path}");
    }
    let challenge = served.ask("GET /", &[]).await;
    let schemes = challenge.headers("www-authenticate");
    assert!(schemes.iter().any(|line| line.starts_with("Bearer")), "{schemes:?}");
    assert!(schemes.iter().any(|line| line.starts_with("Basic")), "a browser asks for it: {schemes:?}");
    assert_eq!(ask(&served, "GET /-/healthy", "").await, 200, "whoever restarts it knows no secret");

    assert_eq!(ask(&served, "GET /api/v1/targets", "Authorization: Bearer reader").await, 200);
    // `any:reader`
    assert_eq!(ask(&served, "GET /api/v1/targets", "Authorization: Basic YW55OnJlYWRlcg==").await, 200);
    assert_eq!(ask(&served, "POST /-/reload", "Authorization: Bearer reader").await, 403);
    assert_eq!(ask(&served, "POST /-/reload", "").await, 401);
    assert_eq!(served.requests.len(), 0, "nobody has been asked");

    let answering = async {
        let Some(heapwatch::web::Request::Reload { reply, .. }) = served.requests.recv().await else {
            panic!("no reload")
        };
        reply.send(Ok(())).unwrap();
    };
    let mut client =
        tokio::net::TcpStream::connect(served.address).await.map(|stream| super::served::Client { stream }).unwrap();
    let head = format!(
        "POST /-/reload HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer boss\r\n{JSON}\r\nContent-Length: 0\r\n\r\n",
        served.address
    );
    client.send(&head).await;
    answering.await;
    assert_eq!(client.answer().await.status, 200);

    served.access.send_replace(Arc::new(Access { tokens: vec![token("boss", Scope::Admin)], ..Access::default() }));
    assert_eq!(ask(&served, "GET /api/v1/targets", "Authorization: Bearer reader").await, 401, "revoked");
}

fn heapwatch(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heapwatch"));
    command.args(arguments).envs(environment.iter().copied()).output().unwrap()
}

/// What `heapwatch token` says, and the token of the file it wrote.
fn new_token(home: &Home, scope: &str) -> (String, String) {
    let file = home.path(&format!("{scope}.token"));
    let made = heapwatch(&["token", "--name", scope, "--scope", scope, "--file", file.to_str().unwrap()], &[]);
    assert!(made.status.success(), "{made:?}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let token = fs::read_to_string(&file).unwrap().trim().to_owned();
    let section = String::from_utf8(made.stdout).unwrap();
    assert!(token.len() > 40 && !section.contains(&token), "the section must not have the token");
    let again = heapwatch(&["token", "--file", file.to_str().unwrap()], &[]);
    assert_eq!(again.status.code(), Some(1), "a token in use is not written over");
    (section, token)
}

#[tokio::test]
async fn commands_send_the_token_that_the_daemon_asks_for_and_a_reload_revokes_it() {
    let home = Home::new();
    let (reader, _) = new_token(&home, "read");
    let (boss, boss_token) = new_token(&home, "admin");
    let tables = format!("{reader}\n{boss}\n[[targets]]\nname = \"api\"\nurl = \"http://127.0.0.1:9\"\n");
    home.configure(&tables);
    let daemon = home.start().await;
    let file = |name: &str| daemon.home.path(name).display().to_string();

    let refused = daemon.ask(&["status"]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains("needs a token"), "{said}");
    let shown = daemon.ask(&["status", "--token-file", &file("read.token")]).await;
    assert!(String::from_utf8_lossy(&shown.stdout).contains("api"), "{shown:?}");
    let refused = daemon.ask(&["rearm", "api", "--token-file", &file("read.token")]).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("scope admin"), "{refused:?}");
    assert!(daemon.ask(&["rearm", "api", "--token-file", &file("admin.token")]).await.status.success());
    let server = format!("unix:{}", file("socket"));
    let by_variable = heapwatch(&["status", "--server", &server], &[("HEAPWATCH_TOKEN", &boss_token)]);
    assert!(by_variable.status.success(), "{by_variable:?}");

    daemon.home.configure(&tables.replace(&reader, ""));
    daemon.signal(rustix::process::Signal::HUP);
    wait_for("the reader's token is revoked", async || {
        let answer = daemon.ask(&["status", "--token-file", &file("read.token")]).await;
        (answer.status.code() == Some(1)).then_some(())
    })
    .await;
    assert!(daemon.ask(&["status", "--token-file", &file("admin.token")]).await.status.success());
}

#[test]
fn a_token_is_not_sent_in_the_clear() {
    let refused = heapwatch(&["status", "--server", "http://192.0.2.1:9797"], &[("HEAPWATCH_TOKEN", "secret")]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(1) && said.contains("in the clear"), "{said}");
}

#[tokio::test]
async fn the_socket_file_is_for_the_service_and_its_group() {
    let daemon =
        Daemon::start("socket_mode = \"600\"\n[[targets]]\nname = \"api\"\nurl = \"http://127.0.0.1:9\"\n").await;
    assert_eq!(daemon.home.path("socket").metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

/// What `heapwatch check` says of a file with these lines.
fn problems(web: &str) -> String {
    let home = Home::new();
    home.configure(&format!("[[targets]]\nname = \"api\"\nurl = \"http://127.0.0.1:9\"\n{web}"));
    let file = fs::read_to_string(home.path("heapwatch.toml")).unwrap();
    let listen = file.lines().find(|line| line.starts_with("listen")).unwrap();
    fs::write(home.path("heapwatch.toml"), file.replace(&format!("[web]\n{listen}\n"), "")).unwrap();
    let checked = heapwatch(&["check", "--config", home.path("heapwatch.toml").to_str().unwrap()], &[]);
    String::from_utf8(checked.stderr).unwrap()
}

#[test]
fn other_machines_are_let_in_behind_tls_and_with_tokens_only() {
    let hash = TokenHash::of("x");
    let tokens = format!("[[web.tokens]]\nname = \"ops\"\nhash = \"{hash}\"\n");
    let check = |web: &str, expected: &str| {
        let said = problems(web);
        assert!(said.contains(expected), "{web}: {said}");
    };
    let everywhere = "[web]\nlisten = \"0.0.0.0:9797\"\n";
    check(everywhere, "put a proxy with TLS in front of it, set `behind_tls_proxy = true`, and add a token");
    check(&format!("{everywhere}behind_tls_proxy = true\n"), "add a token under [[web.tokens]]");
    check(&format!("{everywhere}{tokens}"), "set `behind_tls_proxy = true`");
    check(&format!("{everywhere}behind_tls_proxy = true\n{tokens}"), "no channel is configured");
    assert!(!problems(&format!("{everywhere}behind_tls_proxy = true\n{tokens}")).contains("bad configuration"));
    check("[web]\nmetrics_listen = \"[::]:9798\"\n", "web.metrics_listen");
    check("[web]\nallowed_hosts = [\"hw.example\"]\n", "nobody is asked for a token");
    check(
        &format!("[web]\nallowed_hosts = [\"http://hw.example\"]\n{tokens}"),
        "such as a browser's address line shows",
    );
    check("[web]\nsocket_mode = \"999\"\n", "three octal digits");
    check("[web]\nmetrics_listen = \"127.0.0.1:9797\"\n", "is the address of `listen`");
    let bare = "[[web.tokens]]\nname = \"ops\"\nhash = \"hwt_oops-the-token-itself\"\n";
    check(bare, "must be `sha256:`");
    assert!(!problems(bare).contains("oops"), "the token is not shown");
}
