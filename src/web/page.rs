//! The status page: every target, the most urgent first. Plain HTML, readable on a phone, no script.

use axum::extract::State;
use axum::response::Html;
use maud::{DOCTYPE, Markup, html};

use super::Site;
use crate::leak::verdict;
use crate::status::TargetStatus;
use crate::units::ByteSize;

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.4 system-ui, sans-serif; }
body { margin: 1rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #8884; vertical-align: top; }
.leaking { color: #d33; font-weight: 600; } .suspected, .recovering { color: #b70; font-weight: 600; }
.down { color: #d33; } .quiet { opacity: .7; }
@media (max-width: 40rem) { thead { display: none; } td { display: block; border: 0; padding: .1rem 0; }
  tr { display: block; border-bottom: 1px solid #8884; padding: .5rem 0; } }
";

pub(super) async fn overview(State(site): State<Site>) -> Html<String> {
    let mut targets = site.board.all();
    targets.sort_by_key(|status| std::cmp::Reverse(urgency(status)));
    Html(overview_page(&targets).into_string())
}

/// Open episodes first, then targets that do not answer, then the rest by verdict.
fn urgency(status: &TargetStatus) -> (bool, bool, verdict::State) {
    let state = status.watch.verdict.as_ref().map_or(verdict::State::WarmingUp, |verdict| verdict.state);
    (status.care.episode.is_some(), status.watch.failed_polls > 0, state)
}

fn overview_page(targets: &[TargetStatus]) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content="30";
                title { "heapwatch" }
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                h1 { "heapwatch" }
                p { (targets.len()) " targets, the most urgent first" }
                table {
                    thead { tr { th { "target" } th { "verdict" } th { "memory" } th { "growth" } th { "evidence" } } }
                    tbody { @for status in targets { (row(status)) } }
                }
            }
        }
    }
}

fn row(status: &TargetStatus) -> Markup {
    let watch = &status.watch;
    let state = watch.verdict.as_ref().map_or(verdict::State::WarmingUp, |verdict| verdict.state);
    let growth = watch.verdict.as_ref().and_then(|verdict| verdict.growth);
    let memory = watch.sample.as_ref().and_then(|sample| sample.heap_used.or(sample.rss));
    html! {
        tr {
            td { strong { (status.name) } br; span.quiet { (status.url) } }
            td {
                span class=(state.name()) { (state) }
                @if let Some(why) = &watch.last_failure { br; span.down { "not answering: " (why) } }
            }
            td { @if let Some(bytes) = memory { (ByteSize::new(bytes)) } @else { "unknown" } }
            td {
                @if let Some(growth) = growth {
                    (growth.slope)
                    @if let Some(seconds) = growth.limit_in_seconds { br; span.quiet { "limit in " (hours(seconds)) } }
                }
            }
            td { (evidence(status)) }
        }
    }
}

fn evidence(status: &TargetStatus) -> Markup {
    let care = &status.care;
    html! {
        @if let Some(episode) = &care.episode {
            @if let Some(culprit) = &episode.culprit { div { (culprit) } }
            @for snapshot in &episode.snapshots { div.quiet { (snapshot) } }
        }
        @if care.capturing.is_some() { div { "taking a snapshot" } }
        @if let Some(waiting) = &care.waiting { @for refusal in &waiting.refusals { div { "no snapshot: " (refusal) } } }
        @if let Some(why) = &care.disarmed { div.down { "captures are off: " (why) } }
    }
}

fn hours(seconds: f64) -> String {
    const HOUR: f64 = 3600.0;
    if seconds < HOUR { format!("{:.0} min", seconds / 60.0) } else { format!("{:.1} h", seconds / HOUR) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{CareStatus, EpisodeStatus, WatchStatus};
    use crate::target::TargetName;

    #[test]
    fn text_from_targets_is_escaped() {
        let hostile = "<script>alert(1)</script>".to_owned();
        let episode = EpisodeStatus {
            id: "e".into(),
            confirmed: crate::clock::Timestamp::from_unix_ms(0),
            snapshots: vec![hostile.clone()],
            culprit: Some(hostile.clone()),
        };
        let status = TargetStatus {
            name: TargetName::new("api").unwrap(),
            labels: [("team".to_owned(), hostile.clone())].into(),
            url: hostile.clone(),
            watch: WatchStatus { last_failure: Some(hostile.clone()), ..WatchStatus::default() },
            care: CareStatus { episode: Some(episode), disarmed: Some(hostile), ..CareStatus::default() },
        };
        let page = overview_page(&[status]).into_string();
        assert!(!page.contains("<script"), "{page}");
        assert_eq!(page.matches("&lt;script&gt;").count(), 5, "{page}");
    }
}
