//! Dossiers: what the state database and the snapshot directory keep of one target, read for the pages.
//!
//! All of it blocks, and is called off the async threads. A part that cannot be read is named in the dossier and the
//! rest is shown: a page with a gap helps more at night than none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::message::{Alert, News};
use crate::alert::wording;
use crate::clock::Timestamp;
use crate::errors;
use crate::evidence::CaptureKind;
use crate::heap::profile::ProfileReport;
use crate::heap::report::Report;
use crate::leak::event::PairPart;
use crate::status::dossier::{
    CaptureRecord, Comparison, Dossier, DossierQuery, EpisodeRecord, EventLine, ProfileComparison, RestartNote,
    SnapshotRecord, SnapshotSummary,
};
use crate::status::series::{Folding, Series, SeriesQuery};
use crate::status::trail::{TrailEvent, TrailQuery};
use crate::store::record::Episode;
use crate::store::snapshots::{AnalysisForm, SnapshotDir, Stored};
use crate::store::{Reader, Store, StoreError};
use crate::target::TargetName;

/// Lines of the audit trail that are looked through for one target: months of a quiet one, days of one that is restarted
/// every few minutes.
const MOST_LINES: u32 = 500;
/// Lines that are shown.
const MOST_SHOWN: usize = 40;
/// Episodes that are shown.
const MOST_EPISODES: usize = 20;
/// How far back captures are listed.
const CAPTURES: Duration = Duration::from_hours(30 * 24);

/// Where dossiers are read from.
#[derive(Clone, Debug)]
pub(super) struct Archive {
    pub(super) store: Arc<Store>,
    pub(super) directory: SnapshotDir,
}

impl Archive {
    /// Everything of one target. Blocks.
    pub(super) fn dossier(&self, query: &DossierQuery, now: Timestamp) -> Dossier {
        let mut dossier = Dossier::default();
        let rows = self.store.read(|reader| Rows::read(reader, query, now));
        match rows {
            Ok(rows) => rows.into_dossier(&mut dossier),
            Err(problem) => dossier.troubles.push(errors::one_line(&problem)),
        }
        match self.directory.inventory_of(&query.target) {
            Ok(inventory) => self.add_snapshots(&inventory, &mut dossier),
            Err(problem) => dossier.troubles.push(errors::one_line(&problem)),
        }
        dossier
    }

    /// Samples of a span of time, in steps. Blocks.
    pub(super) fn series(&self, query: SeriesQuery) -> Result<Series, String> {
        let (target, from, to) = (query.target.clone(), query.from, query.to);
        let mut folding = Folding::new(query);
        let read = self.store.read(|reader| reader.each_sample(&target, from, to, |sample| folding.observe(&sample)));
        read.map_err(|problem| errors::one_line(&problem))?;
        Ok(folding.into_series())
    }

    /// Stored snapshots, newest first. Blocks.
    pub(super) fn snapshots(&self, target: Option<&TargetName>) -> Result<Vec<SnapshotRecord>, String> {
        let inventory = match target {
            Some(target) => self.directory.inventory_of(target),
            None => self.directory.inventory(),
        };
        let inventory = inventory.map_err(|problem| errors::one_line(&problem))?;
        Ok(inventory.iter().rev().map(snapshot_record).collect())
    }

    fn add_snapshots(&self, inventory: &[Stored], dossier: &mut Dossier) {
        dossier.snapshots = inventory.iter().rev().map(snapshot_record).collect();
        self.add_profiles(inventory, dossier);
        let inventory: Vec<&Stored> = of_kind(inventory, CaptureKind::HeapSnapshot).collect();
        let newest = |part| inventory.iter().rev().find(|stored| stored.analysed && stored.sidecar.part == part);
        if let Some(second) = newest(PairPart::Second) {
            let before = inventory
                .iter()
                .find(|stored| stored.sidecar.part == PairPart::First && stored.sidecar.pair == second.sidecar.pair);
            if let Some(report) = self.analysis::<Report>(second, dossier) {
                let before = before.map(|stored| stored.name.clone());
                dossier.comparison = Some(Comparison { before, after: second.name.clone(), report });
            }
        }
        let newest_summary =
            inventory.iter().rev().find(|stored| stored.analysed && stored.sidecar.part != PairPart::Second);
        if let Some(stored) = newest_summary.filter(|_| dossier.comparison.is_none()) {
            dossier.summary =
                self.analysis(stored, dossier).map(|summary| SnapshotSummary { of: stored.name.clone(), summary });
        }
    }

    fn add_profiles(&self, inventory: &[Stored], dossier: &mut Dossier) {
        let profiles: Vec<&Stored> = of_kind(inventory, CaptureKind::HeapProfile).collect();
        let Some(second) = profiles.iter().rev().find(|stored| stored.analysed) else { return };
        let Some(report) = self.analysis::<ProfileReport>(second, dossier) else { return };
        let is_first = |stored: &&&Stored| stored.name != second.name && stored.sidecar.pair == second.sidecar.pair;
        let before = profiles.iter().find(is_first).map(|stored| stored.name.clone());
        let is_drawn = self.directory.analysis(&second.name, AnalysisForm::FlameGraph).is_ok_and(|svg| svg.is_some());
        dossier.profiles = Some(ProfileComparison { before, after: second.name.clone(), is_drawn, report });
    }

    /// The newest flame graph of a target, as SVG. Blocks.
    pub(super) fn flame_graph(&self, target: &TargetName) -> Result<Option<String>, String> {
        let drawn = || {
            for stored in of_kind(&self.directory.inventory_of(target)?, CaptureKind::HeapProfile).rev() {
                if let Some(svg) = self.directory.analysis(&stored.name, AnalysisForm::FlameGraph)? {
                    return Ok(Some(svg));
                }
            }
            Ok::<_, StoreError>(None)
        };
        drawn().map_err(|problem| errors::one_line(&problem))
    }

    fn analysis<T: serde::de::DeserializeOwned>(&self, stored: &Stored, dossier: &mut Dossier) -> Option<T> {
        let text = match self.directory.analysis(&stored.name, AnalysisForm::Json) {
            Ok(text) => text?,
            Err(problem) => {
                dossier.troubles.push(errors::one_line(&problem));
                return None;
            }
        };
        let parsed = serde_json::from_str(&text);
        parsed.inspect_err(|_| dossier.troubles.push(format!("the analysis of {} cannot be read", stored.name))).ok()
    }
}

/// Captures of one kind, in the same order.
fn of_kind(inventory: &[Stored], kind: CaptureKind) -> impl DoubleEndedIterator<Item = &Stored> {
    inventory.iter().filter(move |stored| stored.sidecar.kind == kind)
}

/// What the database knows, read in one transaction.
struct Rows {
    dossier: Dossier,
    episodes: Vec<Episode>,
    audit: Vec<TrailEvent>,
}

impl Rows {
    fn read(reader: &Reader<'_>, query: &DossierQuery, now: Timestamp) -> Result<Self, StoreError> {
        let target = &query.target;
        let mut dossier = Dossier { samples: reader.samples(target, query.since)?, ..Dossier::default() };
        let restarts = reader.restarts(target, query.since)?;
        dossier.restarts = restarts.iter().map(|row| RestartNote { at: row.at, cause: row.cause }).collect();
        let attempts = reader.attempts(target, now.minus(CAPTURES))?.into_iter().rev();
        dossier.captures =
            attempts.map(|row| CaptureRecord { at: row.at, part: row.part, outcome: row.outcome }).collect();
        let said = TrailQuery { target: Some(target.clone()), limit: Some(MOST_LINES), ..TrailQuery::default() };
        let audit = reader.events(&said, now)?.events;
        Ok(Self { dossier, episodes: reader.episodes(target)?, audit })
    }

    fn into_dossier(self, dossier: &mut Dossier) {
        *dossier = self.dossier;
        let alerts: Vec<Alert> =
            self.audit.into_iter().rev().filter_map(|row| serde_json::from_value(row.detail).ok()).collect();
        dossier.events = alerts.iter().take(MOST_SHOWN).map(event_line).collect();
        let mut told: BTreeMap<&str, Vec<&Alert>> = BTreeMap::new();
        for alert in alerts.iter().rev() {
            if let Some(episode) = &alert.episode {
                told.entry(episode).or_default().push(alert);
            }
        }
        let newest = self.episodes.iter().rev().take(MOST_EPISODES);
        dossier.episodes =
            newest.map(|episode| record(episode, told.get(episode.id.as_str()).map_or(&[], Vec::as_slice))).collect();
    }
}

fn event_line(alert: &Alert) -> EventLine {
    EventLine {
        at: alert.at,
        kind: alert.news.kind().to_owned(),
        severity: alert.severity.name().to_owned(),
        says: without_name(alert),
    }
}

/// The headline, less the name of the target, which stands above it on its page.
fn without_name(alert: &Alert) -> String {
    let headline = wording::headline(alert);
    let name = format!("{}: ", alert.target);
    headline.strip_prefix(&name).map_or_else(|| headline.clone(), str::to_owned)
}

/// An episode with what was told of it, oldest first.
fn record(episode: &Episode, told: &[&Alert]) -> EpisodeRecord {
    let mut record = EpisodeRecord {
        id: episode.id.clone(),
        opened: episode.opened,
        closed: episode.closed,
        began: None,
        culprit: None,
        ended: None,
    };
    for alert in told {
        match &alert.news {
            News::LeakConfirmed(_) => record.began = Some(without_name(alert)),
            News::AnalysisReady(leak) => {
                record.culprit = leak.culprits.first().map(|culprit| culprit.headline.clone());
            }
            News::LeakResolved { resolution, .. } => record.ended = Some(resolution.says.clone()),
            _ => {}
        }
    }
    record
}

fn snapshot_record(stored: &Stored) -> SnapshotRecord {
    let facts = &stored.sidecar;
    let seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    SnapshotRecord {
        name: stored.name.clone(),
        kind: facts.kind,
        path: stored.path.display().to_string(),
        at: facts.at,
        part: facts.part,
        life: facts.life,
        episode: facts.episode.clone(),
        bytes: facts.bytes,
        nodes: facts.node_count,
        pause: seconds(facts.first_byte_seconds),
        took: seconds(facts.seconds),
        heap_used: facts.heap_used,
        pinned: stored.pinned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::examples;
    use crate::sample::{Sample, Signal};
    use crate::target::TargetName;

    fn at(minute: u64) -> Timestamp {
        Timestamp::from_unix_ms(1_760_000_000_000).plus(Duration::from_mins(minute))
    }

    fn api() -> TargetName {
        TargetName::new("api").unwrap()
    }

    #[test]
    fn an_episode_is_told_with_how_it_began_and_ended() {
        let resolved = News::LeakResolved { signal: Signal::HeapUsed, resolution: examples::resolution() };
        let news = [News::LeakConfirmed(examples::leak()), News::AnalysisReady(examples::explained_leak()), resolved];
        let alerts = news.map(examples::alert);
        let id = alerts[0].episode.clone().unwrap();
        let episode = Episode { id, target: api(), opened: at(1), closed: Some(at(9)), json: "{}".into() };
        let told = record(&episode, &alerts.iter().collect::<Vec<_>>());
        assert!(told.began.as_ref().is_some_and(|began| began.starts_with("heapUsed grows")), "{told:?}");
        assert!(told.culprit.is_some() && told.ended.is_some(), "{told:?}");
    }

    #[test]
    fn what_cannot_be_read_is_named_and_the_rest_is_shown() {
        let home = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open_in_memory().unwrap());
        let sample = Sample { heap_used: Some(1 << 20), ..Sample::empty(at(0)) };
        store.transaction(at(0), |writer| writer.append_samples(&api(), &[sample])).unwrap();
        let archive = Archive { store, directory: SnapshotDir::open(home.path()).unwrap() };
        let query = DossierQuery { target: api(), since: at(0) };
        let dossier = archive.dossier(&query, at(1));
        assert_eq!((dossier.samples.len(), dossier.troubles.len()), (1, 0), "nothing was captured yet, which is fine");
        std::fs::write(home.path().join("api"), "no directory").unwrap();
        let dossier = archive.dossier(&query, at(1));
        assert_eq!((dossier.samples.len(), dossier.troubles.len()), (1, 1), "{:?}", dossier.troubles);
    }
}
