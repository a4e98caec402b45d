//! Evidence: the comparison of a pair, from the moment it is owed to the alert that carries its culprit.

use tracing::{info, warn};

use super::care::Kept;
use super::{Batch, Dispatcher};
use crate::alert::policy::Fact;
use crate::daemon::analysis::{self, Analysis};
use crate::daemon::event::Event;
use crate::errors;
use crate::heap::report::Report;
use crate::store::snapshots::AnalysisForm;
use crate::target::TargetName;

impl Dispatcher {
    /// Starts comparisons that are owed, as many at once as allowed. One that a stop cut off is owed still.
    pub(super) fn start_owed_analyses(&mut self) {
        let owed: Vec<(TargetName, (Kept, Kept))> = self
            .cares
            .iter()
            .filter(|(_, care)| !care.analysing)
            .filter_map(|(name, care)| Some((name.clone(), care.memory.to_analyse.clone()?)))
            .collect();
        for (name, (first, second)) in owed {
            if self.analyses.len() >= self.rules.limits.max_analyses {
                return;
            }
            if let Some(care) = self.cares.get_mut(&name) {
                care.analysing = true;
            }
            let (options, clock, events) = (self.rules.analysis.clone(), self.tools.clock, self.tools.events.clone());
            info!(target.name = %name, "comparing the two snapshots of {name}");
            self.analyses.spawn(async move {
                let analysis = analysis::run(options, name, second.name, (first.path, second.path), clock).await;
                events.send(Event::Analysed(Box::new(analysis))).await.ok();
            });
        }
    }

    pub(super) async fn on_analysed(&mut self, analysis: Analysis, batch: &mut Batch) {
        let Analysis { target, snapshot, at, outcome } = analysis;
        let Some(care) = self.cares.get_mut(&target) else { return };
        care.analysing = false;
        // A pair that was completed meanwhile is owed still.
        care.memory.to_analyse.take_if(|(_, second)| second.name == snapshot);
        batch.touched.insert(target.clone());
        let fact = match outcome {
            Ok((report, printed)) => {
                self.keep_analysis(snapshot, printed, &report).await;
                let culprits = analysis::culprits(&report);
                if let Some(care) = self.cares.get_mut(&target) {
                    care.memory.culprit = culprits.first().map(|culprit| culprit.headline.clone());
                }
                Fact::Analysed { at, culprits }
            }
            Err(failure) => {
                let why = errors::one_line(&failure);
                warn!(target.name = %target, "the snapshots of {target} could not be compared: {why}");
                Fact::NotAnalysed { at, why }
            }
        };
        self.say(&target, fact, batch);
    }

    async fn keep_analysis(&self, snapshot: String, printed: String, report: &Report) {
        let directory = self.tools.directory.clone();
        let text = analysis::text(report);
        let kept = tokio::task::spawn_blocking(move || {
            directory.put_analysis(&snapshot, AnalysisForm::Json, &printed)?;
            directory.put_analysis(&snapshot, AnalysisForm::Text, &text)
        })
        .await;
        if let Ok(Err(problem)) = kept {
            warn!(error = %problem, "the comparison could not be stored beside its snapshots");
        }
    }
}
