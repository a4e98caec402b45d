//! Which of several members with one field's name is meant.
//!
//! The rule, first difference decides: the member in the same object as `heapUsed` (so that all figures tell of one
//! process); below `memory`, `memoryUsage` or `process`; the shallowest; the one in whole bytes rather than rounded
//! to a unit; the one with the more usual name; the first in the document. A pointer of the configuration overrides
//! the search, also where nothing stands at it.

use super::field::{Field, Kind};
use super::figure::{Outcome, Scalar, append, interpret};
use super::walk::{Candidate, Findings};
use super::{Found, Gauge, HealthError, Ignored, Mapping, Pointer, Reading};
use crate::http;

/// Longest pointer that is shown, in characters.
const LONGEST_POINTER_SHOWN: usize = 120;

/// The memory figures in the order in which they decide which object tells of the process.
const ANCHORS: [Field; 4] = [Field::HeapUsed, Field::Rss, Field::HeapTotal, Field::ArrayBuffers];

/// Makes the reading, or says why there is none.
pub(super) fn choose(findings: Findings, mapping: &Mapping) -> Result<Reading, HealthError> {
    let Findings { candidates, pointed, gauges, processes, top_names, others } = findings;
    let mut chooser = Chooser { home: home_of(&candidates), candidates, reading: Reading::default() };
    for field in Field::ALL {
        match mapping.pointers.iter().zip(&pointed).find(|(pointer, _)| pointer.field == field) {
            Some((pointer, value)) => chooser.point(pointer, value.as_ref())?,
            None => chooser.search(field)?,
        }
    }
    let mut reading = chooser.reading;
    if !reading.found.iter().any(|found| found.field.kind() == Kind::Memory) {
        return Err(nothing_found(processes, &top_names, &reading.ignored));
    }
    reading.others = others;
    reading.gauges = mapping.gauges.iter().zip(gauges).map(gauge_of).collect();
    Ok(reading)
}

fn gauge_of(((name, pointer), value): (&(String, String), Option<Scalar>)) -> Gauge {
    let number = value.and_then(|scalar| scalar.number()).filter(|number| number.is_finite());
    Gauge { name: name.clone(), pointer: pointer.clone(), number }
}

/// A member that is to be its field.
struct Choice {
    field: Field,
    /// As it may be shown.
    pointer: String,
    raw: String,
    outcome: Outcome,
    /// How it came to be chosen, to be told after how it was understood.
    note: String,
}

struct Chooser {
    candidates: Vec<Candidate>,
    /// Pointer of the object that tells of the process.
    home: Option<String>,
    reading: Reading,
}

impl Chooser {
    fn point(&mut self, pointer: &Pointer, value: Option<&Scalar>) -> Result<(), HealthError> {
        let absent = || Outcome::Unusable("no plain value stands where the configuration points".into());
        self.settle(Choice {
            field: pointer.field,
            pointer: shown_pointer(&pointer.at),
            raw: value.map(Scalar::shown).unwrap_or_default(),
            outcome: value.map_or_else(absent, |scalar| interpret(pointer.field, pointer.unit, scalar)),
            note: "; pointed to by the configuration".into(),
        })
    }

    fn search(&mut self, field: Field) -> Result<(), HealthError> {
        let mut usable = Vec::new();
        for candidate in self.candidates.iter().filter(|candidate| candidate.field == field) {
            match self.unusable(candidate) {
                Some(reason) => self.reading.ignored.push(Ignored {
                    field,
                    pointer: shown_pointer(&candidate.pointer),
                    raw: candidate.scalar.shown(),
                    reason,
                }),
                None => usable.push(candidate),
            }
        }
        usable.sort_by_key(|candidate| self.rank(candidate));
        let mut usable = usable.into_iter();
        let Some(best) = usable.next() else { return Ok(()) };
        let preferred_to = |other: &Candidate| format!("; preferred to `{}`", shown_pointer(&other.pointer));
        let choice = Choice {
            field,
            pointer: shown_pointer(&best.pointer),
            raw: best.scalar.shown(),
            outcome: best.outcome.clone(),
            note: usable.next().map(preferred_to).unwrap_or_default(),
        };
        self.settle(choice)
    }

    fn unusable(&self, candidate: &Candidate) -> Option<String> {
        if let Outcome::Unusable(why) = &candidate.outcome {
            return Some(why.clone());
        }
        // The word is too common to be believed anywhere else.
        let is_believed = candidate.field != Field::External || candidate.is_among_memory || self.is_home(candidate);
        (!is_believed).then(|| "stands apart from the other memory figures".into())
    }

    fn is_home(&self, candidate: &Candidate) -> bool {
        self.home.as_deref() == Some(candidate.home())
    }

    /// Smaller is better; sorting is stable, so the order of the document decides last.
    fn rank(&self, candidate: &Candidate) -> (bool, bool, usize, bool, usize) {
        (!self.is_home(candidate), !candidate.is_among_memory, candidate.depth, is_rounded(candidate), candidate.place)
    }

    fn settle(&mut self, choice: Choice) -> Result<(), HealthError> {
        let Choice { field, pointer, raw, outcome, note } = choice;
        let reason = match outcome {
            Outcome::Figure { figure, mut understood, .. } => {
                append(&mut understood, &note);
                self.reading.found.push(Found { field, pointer, raw, figure, understood });
                return Ok(());
            }
            // Verdict and safety gate stand on these two: who reports nonsense in them is not believed in the rest.
            Outcome::Absurd if matches!(field, Field::HeapUsed | Field::Rss) => {
                return Err(HealthError::AbsurdNumber { field, pointer, raw });
            }
            Outcome::Absurd => "cannot be true: negative or larger than 8 PiB".into(),
            Outcome::Unusable(why) => why,
        };
        self.reading.ignored.push(Ignored { field, pointer, raw, reason });
        Ok(())
    }
}

fn home_of(candidates: &[Candidate]) -> Option<String> {
    ANCHORS.into_iter().find_map(|field| {
        let usable =
            candidates.iter().filter(|known| known.field == field && !matches!(known.outcome, Outcome::Unusable(_)));
        usable
            .min_by_key(|known| (!known.is_among_memory, known.depth, is_rounded(known), known.place))
            .map(|best| best.home().to_owned())
    })
}

fn is_rounded(candidate: &Candidate) -> bool {
    matches!(candidate.outcome, Outcome::Figure { is_rounded: true, .. })
}

fn shown_pointer(pointer: &str) -> String {
    http::excerpt(pointer, LONGEST_POINTER_SHOWN)
}

fn nothing_found(processes: usize, top_names: &[String], ignored: &[Ignored]) -> HealthError {
    if processes > 0 {
        return HealthError::SeveralProcesses { count: processes };
    }
    let memory = ignored.iter().find(|ignored| ignored.field.kind() == Kind::Memory);
    let hint = match memory {
        Some(Ignored { pointer, raw, reason, .. }) if raw.is_empty() => format!("`{pointer}`: {reason}"),
        Some(Ignored { pointer, raw, reason, .. }) => format!("`{pointer}` is {raw}: {reason}"),
        None if top_names.is_empty() => "the body has no named members".into(),
        None => format!("the body has {}", top_names.join(", ")),
    };
    HealthError::NoMemoryFields { hint }
}
