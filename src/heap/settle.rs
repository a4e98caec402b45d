//! A third snapshot tells a leak from a cache that was still filling: what leaks is still growing, at the same place.

use super::culprit::shape;
use super::report::{Culprit, Report};

/// Keeps the culprits of the first pair that the second pair names again; the others become notes.
///
/// `later` compares the second snapshot with the third.
pub fn settle(report: &mut Report, later: &Report) {
    let goes_on = |culprit: &Culprit| {
        let holder = shape(&culprit.held_by);
        later.culprits.iter().any(|again| again.class == culprit.class && shape(&again.held_by) == holder)
    };
    let (mut leaks, over): (Vec<_>, Vec<_>) = std::mem::take(&mut report.culprits).into_iter().partition(goes_on);
    for leak in &mut leaks {
        leak.caution = None;
    }
    report.notes.extend(
        over.iter().map(|culprit| format!("no leak, for it stopped before the third snapshot: {}", culprit.headline)),
    );
    report.headline = match leaks.first() {
        Some(first) => first.headline.clone(),
        None if over.is_empty() => std::mem::take(&mut report.headline),
        None => "no culprit: what grew between the first two snapshots stopped before the third".to_owned(),
    };
    report.culprits = leaks;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn culprit(held_by: &str, caution: bool) -> Culprit {
        Culprit {
            headline: format!("+9 Thing, held by {held_by}"),
            class: "Thing".into(),
            held_by: held_by.into(),
            caution: caution.then(|| "may be a cache".into()),
            ..Culprit::default()
        }
    }

    #[test]
    fn one_leak_in_ever_more_containers_goes_on() {
        let report = |held_by: &str| Report { culprits: vec![culprit(held_by, false)], ..Report::default() };
        let mut first = report("users[3].log[] in a.js and 3 more like it");
        settle(&mut first, &report("users[9].log[] in a.js and 8 more like it"));
        assert_eq!(first.culprits.len(), 1, "{first:?}");
    }

    #[test]
    fn what_stops_is_no_leak() {
        let mut report = Report { culprits: vec![culprit("cache", true), culprit("list", true)], ..Report::default() };
        let later = Report { culprits: vec![culprit("list", false)], ..Report::default() };
        settle(&mut report, &later);
        assert_eq!(report.culprits, [culprit("list", false)]);
        assert_eq!(report.headline, "+9 Thing, held by list");
        assert!(report.notes[0].contains("held by cache"), "{:?}", report.notes);
        settle(&mut report, &Report::default());
        assert!(report.culprits.is_empty() && report.headline.starts_with("no culprit"), "{}", report.headline);
    }
}
