//! The JSON routes.

pub(super) mod archive;
pub(super) mod silences;
pub(super) mod targets;
pub(super) mod trail;

use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::problem::Problem;
use super::{Asker, Request, Site, classic};
use crate::leak::event::PairPart;
use crate::target::TargetName;

/// What became of a request for a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum SnapshotAnswer {
    /// It is being taken; its end is an event.
    Started {
        /// Which of the pair it will be.
        part: PairPart,
    },
    /// The safety gate said no.
    Refused {
        /// Every rule that said no, with its numbers.
        refusals: Vec<String>,
        /// What a person can do.
        advice: Vec<String>,
    },
    /// The target is configured without snapshots, or not at all.
    Off {
        /// Which of the two.
        why: String,
    },
}

type Answer<T> = Result<Json<T>, Problem>;

pub(super) async fn healthy() -> &'static str {
    "healthy\n"
}

pub(super) async fn ready(State(site): State<Site>) -> (StatusCode, &'static str) {
    if *site.ready.borrow() { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "starting\n") }
}

/// OpenMetrics for those who ask for it, as Prometheus does; what went before it for all others.
pub(super) async fn metrics(State(site): State<Site>, headers: HeaderMap) -> Response {
    let page = (site.metrics)();
    let accepted = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accepted.contains("application/openmetrics-text") {
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        return ([(CONTENT_TYPE, kind), (VARY, "accept")], page).into_response();
    }
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, kind), (VARY, "accept")], classic::from_open_metrics(&page)).into_response()
}

/// This document is the contract: tests hold every answer to it.
pub(super) async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], include_str!("openapi.json")).into_response()
}

pub(super) async fn picture(State(site): State<Site>, Path(name): Path<String>) -> Response {
    let asked = ask(&site, &name, |target, reply| Request::Picture { target, reply }).await;
    match asked {
        Ok(Some(picture)) => Json(picture).into_response(),
        Ok(None) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the target keeps its watcher busy; ask again in a moment")
                .into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

pub(super) async fn snapshot(
    State(site): State<Site>,
    Extension(by): Extension<Asker>,
    Path(name): Path<String>,
) -> Answer<SnapshotAnswer> {
    ask(&site, &name, |target, reply| Request::Snapshot { target, by, reply }).await.map(Json)
}

pub(super) async fn rearm(
    State(site): State<Site>,
    Extension(by): Extension<Asker>,
    Path(name): Path<String>,
) -> Answer<serde_json::Value> {
    let was_disarmed = ask(&site, &name, |target, reply| Request::Rearm { target, by, reply }).await?;
    Ok(Json(serde_json::json!({ "was_disarmed": was_disarmed })))
}

pub(super) async fn reload(State(site): State<Site>, Extension(by): Extension<Asker>) -> Answer<serde_json::Value> {
    match send(&site, |reply| Request::Reload { by, reply }).await? {
        Ok(()) => Ok(Json(serde_json::json!({ "reloaded": true }))),
        Err(errors) => {
            let says = "the configuration is refused, and the old one stays in force";
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, says).with_errors(errors))
        }
    }
}

/// What no route answers.
pub(super) async fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "nothing is here; /api/v1/openapi.json lists what is")
}

/// A route that answers to another method.
pub(super) async fn not_so() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this answers to another method; /api/v1/openapi.json lists them")
}

/// The query of a request; one that cannot be read is a [`Problem`], as everything else is.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Site> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Site) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        query
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|wrong| Problem::new(StatusCode::BAD_REQUEST, wrong.body_text()))
    }
}

fn known(site: &Site, name: &str) -> Result<TargetName, Problem> {
    let unknown = || {
        // Few ask for what is not there.
        let known: Vec<String> = site.board.all().iter().map(|status| status.name.to_string()).collect();
        let nearest = known.iter().max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
        let hint = nearest.map_or_else(String::new, |nearest| format!("; the nearest name is `{nearest}`"));
        Problem::new(StatusCode::NOT_FOUND, format!("no target has this name{hint}"))
    };
    let name = TargetName::new(name).map_err(|_| unknown())?;
    site.board.look(&name, |status| status.name.clone()).ok_or_else(unknown)
}

async fn ask<T>(
    site: &Site,
    name: &str,
    request: impl FnOnce(TargetName, oneshot::Sender<T>) -> Request,
) -> Result<T, Problem> {
    let target = known(site, name)?;
    send(site, |reply| request(target, reply)).await
}

async fn send<T>(site: &Site, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Problem> {
    let stopping = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "heapwatch is stopping");
    let (reply, answer) = oneshot::channel();
    site.requests.send(request(reply)).await.map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())
}
