//! Evidence: the summary of a first snapshot and the comparisons of pairs, from the moment they are owed to the alert
//! that carries the culprit.

use tracing::{info, warn};

use super::care::Memory;
use super::{Batch, Dispatcher};
use crate::alert::policy::Fact;
use crate::clock::Timestamp;
use crate::daemon::analysis::{self, Analysis, Finding, FindingKind, Task};
use crate::daemon::event::Event;
use crate::errors;
use crate::status::trail::Topic;
use crate::store::record::AuditEvent;
use crate::store::snapshots::AnalysisForm;
use crate::target::TargetName;

impl Dispatcher {
    /// Starts analyses that are owed, as many at once as allowed. One that a stop cut off is owed still.
    pub(super) fn start_owed_analyses(&mut self) {
        let owed: Vec<_> = self
            .cares
            .iter()
            .filter(|(_, care)| !care.analysing)
            .filter_map(|(name, care)| Some((name.clone(), owed_by(&care.memory)?)))
            .collect();
        for (name, (snapshot, task)) in owed {
            if self.analyses.len() >= self.rules.limits.max_analyses {
                return;
            }
            if let Some(care) = self.cares.get_mut(&name) {
                care.analysing = true;
            }
            self.tools.board.care(&name, |shown| shown.analysing = true);
            let (options, clock, events) = (self.rules.analysis.clone(), self.tools.clock, self.tools.events.clone());
            info!(target.name = %name, snapshot, "analysing what was captured of {name}");
            self.analyses.spawn(async move {
                let analysis = analysis::run(options, name, snapshot, task, clock).await;
                events.send(Event::Analysed(Box::new(analysis))).await.ok();
            });
        }
    }

    pub(super) async fn on_analysed(&mut self, analysis: Analysis, batch: &mut Batch) {
        let Analysis { target, snapshot, at, outcome } = analysis;
        let Some(care) = self.cares.get_mut(&target) else { return };
        care.analysing = false;
        batch.touched.insert(target.clone());
        let was_summary = care.memory.to_summarise.take_if(|kept| kept.name == snapshot).is_some();
        // A pair that was completed meanwhile is owed still.
        care.memory.to_analyse.take_if(|pair| pair.1.name == snapshot);
        let of_profiles = care.memory.profiling.to_compare.take_if(|pair| pair.1.name == snapshot).is_some();
        match outcome {
            Ok(finding) => self.on_finding(&target, snapshot, finding, at, batch).await,
            Err(failure) => {
                let why = errors::one_line(&failure);
                warn!(target.name = %target, snapshot, "what was captured of {target} could not be analysed: {why}");
                // Without its summary a first snapshot is as good for the comparison, which will say if it fails.
                if of_profiles {
                    let says = format!("{target}: the two profiles could not be compared: {why}");
                    batch.record(AuditEvent::new(at, Topic::Capture, "profiles_not_compared", says).about(&target));
                    self.say(&target, Fact::ProfileMissing { why }, batch);
                } else if !was_summary {
                    self.say(&target, Fact::NotAnalysed { at, why }, batch);
                }
            }
        }
    }

    async fn on_finding(
        &mut self,
        target: &TargetName,
        snapshot: String,
        finding: Finding,
        at: Timestamp,
        batch: &mut Batch,
    ) {
        let fact = match &finding.kind {
            FindingKind::Summary(_) => None,
            FindingKind::Comparison(report) => Some(Fact::Analysed { at, culprits: analysis::culprits(report) }),
            FindingKind::Profiles(report) => {
                let says = format!("{target}: profiles compared: {}", report.headline);
                batch.record(AuditEvent::new(at, Topic::Capture, "profiles_compared", says).about(target));
                Some(Fact::ProfilesCompared { at, culprits: analysis::culprits_of_profiles(report) })
            }
        };
        if let Some(fact) = fact {
            self.say(target, fact, batch);
            if let Some(care) = self.cares.get_mut(target) {
                care.memory.culprit = care.memory.alerts.culprit();
            }
        }
        self.keep_analysis(snapshot, finding).await;
    }

    async fn keep_analysis(&self, snapshot: String, finding: Finding) {
        let directory = self.tools.directory.clone();
        let kept = tokio::task::spawn_blocking(move || {
            directory.put_analysis(&snapshot, AnalysisForm::Json, &finding.printed)?;
            if let Some(svg) = analysis::flame_graph(&finding) {
                directory.put_analysis(&snapshot, AnalysisForm::FlameGraph, &svg)?;
            }
            directory.put_analysis(&snapshot, AnalysisForm::Text, &analysis::text(&finding))
        })
        .await;
        if let Ok(Err(problem)) = kept {
            warn!(error = errors::one_line(&problem), "the analysis could not be stored beside its snapshots");
        }
    }
}

/// Comparisons go first: they are what somebody waits for. That of profiles takes no time.
fn owed_by(memory: &Memory) -> Option<(String, Task)> {
    if let Some((first, second)) = memory.profiling.to_compare.as_deref().cloned() {
        return Some((second.name, Task::Profiles(first.path, second.path)));
    }
    if let Some((first, second)) = memory.to_analyse.as_deref().cloned() {
        return Some((second.name, Task::Comparison(first.path, second.path)));
    }
    let kept = memory.to_summarise.as_deref().cloned()?;
    Some((kept.name, Task::Summary(kept.path)))
}
