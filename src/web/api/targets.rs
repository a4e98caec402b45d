//! Targets: the list, filtered and page by page, and one with everything that is known of it now.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Answer, Query, known};
use crate::status::Standing;
use crate::status::TargetStatus;
use crate::status::countdown::Countdowns;
use crate::target::TargetName;
use crate::web::{Problem, Site};

/// Most targets of one answer; also how many come where nobody says.
const MOST: usize = 1_000;

/// Which targets are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::web) struct TargetsQuery {
    /// Part of the name or of a label's value.
    q: String,
    /// A standing by its name.
    standing: Option<String>,
    /// `team:payments`.
    label: Option<String>,
    /// The last name of the page before.
    after: Option<String>,
    limit: Option<usize>,
}

/// One page of targets, by name.
#[derive(Debug, Serialize, Deserialize)]
pub struct TargetsPage {
    /// The targets of this page.
    pub targets: Vec<TargetView>,
    /// How many there are over all pages.
    pub total: usize,
    /// What to ask for as `after` to get the next page.
    pub next: Option<TargetName>,
}

/// A target as it stands, in one word and with its count-downs.
#[derive(Debug, Serialize, Deserialize)]
pub struct TargetView {
    /// Everything that is known of it now.
    #[serde(flatten)]
    pub status: TargetStatus,
    /// See [`Standing`].
    pub standing: String,
    /// What will change by itself.
    pub countdowns: Countdowns,
}

pub(in crate::web) async fn targets(
    State(site): State<Site>,
    Query(query): Query<TargetsQuery>,
) -> Answer<TargetsPage> {
    let filter = Filter::parse(&query)?;
    let limit = query.limit.unwrap_or(MOST).clamp(1, MOST);
    let after = query.after.map(TargetName::new).transpose().map_err(|wrong| bad(&format!("`after` {wrong}")))?;
    let (found, total) = site.board.select(after.as_ref(), limit + 1, |status| filter.takes(status));
    let next = found.get(limit).and(found.get(limit - 1)).map(|last| last.name.clone());
    let targets = found.into_iter().take(limit).map(|status| view(&site, status)).collect();
    Ok(Json(TargetsPage { targets, total, next }))
}

pub(in crate::web) async fn target(State(site): State<Site>, Path(name): Path<String>) -> Answer<TargetView> {
    let name = known(&site, &name)?;
    // A reload may have taken it off since.
    let status = site.board.get(&name).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "it is no longer watched"))?;
    Ok(Json(view(&site, status)))
}

fn view(site: &Site, status: TargetStatus) -> TargetView {
    let countdowns = Countdowns::of(&status, (site.now)());
    TargetView { standing: Standing::of(&status).name().to_owned(), countdowns, status }
}

fn bad(says: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, says)
}

struct Filter {
    /// Lower case.
    words: String,
    standing: Option<Standing>,
    label: Option<(String, String)>,
}

impl Filter {
    fn parse(query: &TargetsQuery) -> Result<Self, Problem> {
        let standing = query.standing.as_deref().map(|name| {
            let names = Standing::ALL.map(Standing::name).join(", ");
            Standing::from_name(name).ok_or_else(|| bad(&format!("`standing` must be one of {names}")))
        });
        let label = query.label.as_deref().map(|label| {
            let parts = label.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned()));
            parts.ok_or_else(|| bad("`label` must be a name and a value with a colon between: team:payments"))
        });
        Ok(Self { words: query.q.to_lowercase(), standing: standing.transpose()?, label: label.transpose()? })
    }

    fn takes(&self, status: &TargetStatus) -> bool {
        let has_words = |text: &str| text.to_lowercase().contains(&self.words);
        (has_words(status.name.as_str()) || status.labels.values().any(|value| has_words(value)))
            && self.standing.is_none_or(|standing| Standing::of(status) == standing)
            && self.label.as_ref().is_none_or(|(name, value)| status.labels.get(name) == Some(value))
    }
}
