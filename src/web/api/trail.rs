//! The audit trail page by page, and what it speaks of: the channels, and the sources of targets.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;

use super::{Answer, Problem, Query, send};
use crate::status::trail::{TrailPage, TrailQuery};
use crate::target::TargetName;
use crate::web::{Asker, Request, Site};

pub(in crate::web) async fn channels(State(site): State<Site>) -> Response {
    Json(serde_json::json!({ "channels": site.board.house().channels })).into_response()
}

pub(in crate::web) async fn discovery(State(site): State<Site>) -> Response {
    Json(serde_json::json!({ "sources": site.board.house().sources })).into_response()
}

pub(in crate::web) async fn mend(
    State(site): State<Site>,
    Extension(by): Extension<Asker>,
    Path(channel): Path<String>,
) -> Answer<serde_json::Value> {
    let name = channel.clone();
    let answer = send(&site, |reply| Request::MendChannel { channel, by, reply }).await?;
    let unknown = || Problem::new(StatusCode::NOT_FOUND, format!("no channel is named `{name}`"));
    let was_broken = answer.ok_or_else(unknown)?;
    Ok(Json(serde_json::json!({ "was_broken": was_broken })))
}

/// `?target=NAME&kind=K&since=24h&after=ID&before=ID&limit=N`, any of them.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct Asked {
    target: Option<TargetName>,
    kind: Option<String>,
    since: Option<String>,
    after: Option<i64>,
    before: Option<i64>,
    limit: Option<u32>,
}

pub(in crate::web) async fn events(State(site): State<Site>, Query(asked): Query<Asked>) -> Answer<TrailPage> {
    let query = asked.checked()?;
    let page = send(&site, |reply| Request::Events { query, reply }).await?;
    page.map(Json).ok_or_else(|| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the state database cannot be read"))
}

impl Asked {
    /// A target may have left the configuration, and its trail is there still: any name will do.
    fn checked(self) -> Result<TrailQuery, Problem> {
        let Self { target, kind, since, after, before, limit } = self;
        let since = since.map(|text| span(&text)).transpose()?;
        Ok(TrailQuery { target, kind, since, after, before, limit })
    }
}

fn span(text: &str) -> Result<Duration, Problem> {
    humantime::parse_duration(text).map_err(|_| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("`{text}` is no span of time (for example `since=24h`)"))
    })
}
