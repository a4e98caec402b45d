//! Silences: listed from the board, made and ended by the dispatcher.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;

use super::{Answer, Problem, Query, send};
use crate::silence::{Ask, Refusal, Silence};
use crate::web::{Asker, Request, Site};

pub(in crate::web) async fn list(State(site): State<Site>) -> Response {
    Json(serde_json::json!({ "silences": site.board.house().silences })).into_response()
}

pub(in crate::web) async fn add(
    State(site): State<Site>,
    Extension(by): Extension<Asker>,
    body: Bytes,
) -> Result<(StatusCode, Json<Silence>), Problem> {
    let ask: Ask = serde_json::from_slice(&body).map_err(|wrong| {
        let example = r#"{"target": "checkout-api", "for": "2h", "why": "deploy", "by": "alice"}"#;
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("no silence can be read ({wrong}); an example: {example}"),
        )
    })?;
    let silence = send(&site, |reply| Request::Silence { ask, by, reply }).await?.map_err(|why| refused(&why))?;
    Ok((StatusCode::CREATED, Json(silence)))
}

/// Who ends it.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct By {
    #[serde(default)]
    by: String,
}

pub(in crate::web) async fn end(
    State(site): State<Site>,
    Extension(by): Extension<Asker>,
    Path(id): Path<String>,
    Query(By { by: name }): Query<By>,
) -> Answer<Silence> {
    send(&site, |reply| Request::EndSilence { id, name, by, reply }).await?.map(Json).map_err(|why| refused(&why))
}

fn refused(refusal: &Refusal) -> Problem {
    let status = match refusal {
        Refusal::UnknownTarget { .. } | Refusal::CoversNobody { .. } | Refusal::UnknownId(_) => StatusCode::NOT_FOUND,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Problem::new(status, refusal.to_string())
}
