//! What is shown, and what keys do to it. Pure: it asks nobody and draws nothing.

use std::cmp::Ordering;

use super::screen::Input;
use crate::status::{Standing, TargetStatus};
use crate::target::TargetName;

/// The state of the view.
#[derive(Debug, Default)]
pub(super) struct View {
    targets: Vec<TargetStatus>,
    order: Order,
    /// By name, so that the choice follows its target through the order.
    chosen: Option<TargetName>,
    /// How the verdict on the chosen target was reached, while somebody looks at it.
    pub(super) details: Option<Details>,
    /// Why the daemon does not answer, if it does not.
    pub(super) silence: Option<String>,
    /// False until the daemon has answered once.
    pub(super) is_filled: bool,
}

/// One target in depth.
#[derive(Debug)]
pub(super) struct Details {
    pub(super) name: TargetName,
    /// Empty until it has come.
    pub(super) lines: Vec<String>,
    pub(super) first: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Urgency,
    Name,
}

/// What an input asks of the caller.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    Quit,
    Details(TargetName),
    NoDetails,
}

impl View {
    /// A view of these targets.
    pub(super) fn of(targets: Vec<TargetStatus>) -> Self {
        let mut view = Self::default();
        view.on_targets(targets);
        view
    }

    /// The targets in their order.
    pub(super) fn targets(&self) -> impl ExactSizeIterator<Item = &TargetStatus> {
        self.targets.iter()
    }

    /// The place of the chosen target; the first where none is chosen or it is gone.
    pub(super) fn chosen(&self) -> usize {
        self.targets.iter().position(|status| Some(&status.name) == self.chosen.as_ref()).unwrap_or(0)
    }

    /// How many targets stand where, the most urgent first.
    pub(super) fn counts(&self) -> Vec<(Standing, usize)> {
        let count = |standing| self.targets.iter().filter(|status| Standing::of(status) == standing).count();
        Standing::ALL.into_iter().map(|standing| (standing, count(standing))).filter(|(_, count)| *count > 0).collect()
    }

    /// The daemon has answered.
    pub(super) fn on_targets(&mut self, targets: Vec<TargetStatus>) {
        (self.targets, self.silence, self.is_filled) = (targets, None, true);
        self.sort();
    }

    /// The daemon has not answered: what was last seen stays.
    pub(super) fn on_silence(&mut self, why: String) {
        self.silence = Some(why);
    }

    /// The details of a target have come; nobody may be looking any more.
    pub(super) fn on_details(&mut self, name: &TargetName, text: &str) {
        if let Some(details) = self.details.as_mut().filter(|details| details.name == *name) {
            details.lines = text.lines().map(str::to_owned).collect();
        }
    }

    /// A key, or another size of the terminal.
    pub(super) fn on_input(&mut self, input: Input) -> Wish {
        match input {
            Input::Back if self.details.take().is_some() => return Wish::NoDetails,
            Input::Quit | Input::Back => return Wish::Quit,
            Input::Open if self.details.is_none() => return self.open(),
            Input::ByName => self.reorder(Order::Name),
            Input::ByUrgency => self.reorder(Order::Urgency),
            Input::Move(by) => self.step(by),
            Input::Open | Input::Resized => {}
        }
        Wish::Nothing
    }

    fn open(&mut self) -> Wish {
        let Some(status) = self.targets.get(self.chosen()) else { return Wish::Nothing };
        let name = status.name.clone();
        self.details = Some(Details { name: name.clone(), lines: Vec::new(), first: 0 });
        Wish::Details(name)
    }

    fn step(&mut self, by: isize) {
        if let Some(details) = &mut self.details {
            let last = details.lines.len().saturating_sub(1);
            details.first = details.first.saturating_add_signed(by).min(last);
        } else {
            let last = self.targets.len().saturating_sub(1);
            let place = self.chosen().saturating_add_signed(by).min(last);
            self.chosen = self.targets.get(place).map(|status| status.name.clone());
        }
    }

    fn reorder(&mut self, order: Order) {
        self.order = order;
        self.sort();
    }

    fn sort(&mut self) {
        match self.order {
            Order::Urgency => self.targets.sort_by(by_urgency),
            Order::Name => self.targets.sort_by(|a, b| a.name.cmp(&b.name)),
        }
    }
}

/// Where they stand, then who reaches its limit first, then who grows faster.
fn by_urgency(a: &TargetStatus, b: &TargetStatus) -> Ordering {
    let growth = |status: &TargetStatus| status.watch.verdict.as_ref().and_then(|verdict| verdict.growth);
    let limit = |status| growth(status).and_then(|growth| growth.limit_in_seconds).unwrap_or(f64::INFINITY);
    let slope = |status| growth(status).map_or(0.0, |growth| growth.slope.bytes_per_second());
    let standing = Standing::of(a).cmp(&Standing::of(b));
    let order = standing.then_with(|| limit(a).total_cmp(&limit(b))).then_with(|| slope(b).total_cmp(&slope(a)));
    order.then_with(|| a.name.cmp(&b.name))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::leak::verdict::{Growth, State, Verdict};
    use crate::sample::Sample;
    use crate::status::{CareStatus, WatchStatus};
    use crate::target::Labels;
    use crate::units::ByteRate;

    /// A target in this state that reaches its limit in so many hours.
    pub(in crate::cli::top) fn target(name: &str, state: State, hours: Option<f64>) -> TargetStatus {
        let at = Timestamp::from_unix_ms(0);
        let growth = hours.map(|hours| Growth {
            slope: ByteRate::per_hour(50e6),
            r2: None,
            from_bytes: 0,
            to_bytes: 1 << 20,
            since: at,
            until: at,
            limit_bytes: Some(1 << 30),
            limit_in_seconds: Some(hours * 3600.0),
        });
        let verdict = Verdict { state, since: at, signal: None, growth, reasons: Vec::new() };
        let watch =
            WatchStatus { verdict: Some(verdict), sample: Some(Sample::empty(at)), polls: 9, ..WatchStatus::default() };
        let name = TargetName::new(name).unwrap();
        TargetStatus { name, labels: Labels::new(), url: String::new(), watch, care: CareStatus::default() }
    }

    fn names(view: &View) -> Vec<&str> {
        view.targets().map(|status| status.name.as_str()).collect()
    }

    fn view() -> View {
        View::of(vec![
            target("calm", State::Steady, None),
            target("later", State::Leaking, Some(9.0)),
            target("soon", State::Leaking, Some(1.0)),
            target("maybe", State::Suspected, Some(0.5)),
        ])
    }

    #[test]
    fn whoever_is_killed_first_stands_first() {
        let mut view = view();
        assert_eq!(names(&view), ["soon", "later", "maybe", "calm"]);
        view.on_input(Input::ByName);
        assert_eq!(names(&view), ["calm", "later", "maybe", "soon"]);
        view.on_targets(vec![target("b", State::Leaking, None), target("a", State::Steady, None)]);
        assert_eq!(names(&view), ["a", "b"], "the order outlives the answer");
    }

    #[test]
    fn the_choice_follows_its_target() {
        let mut view = view();
        view.on_input(Input::Move(1));
        assert_eq!(view.chosen(), 1);
        view.on_targets(vec![target("later", State::Leaking, Some(0.1)), target("soon", State::Leaking, Some(1.0))]);
        assert_eq!(view.chosen(), 0);
        view.on_input(Input::Move(isize::MIN));
        assert_eq!(view.chosen(), 0);
        view.on_input(Input::Move(isize::MAX));
        assert_eq!(view.chosen(), 1);
        view.on_targets(Vec::new());
        assert_eq!((view.chosen(), view.on_input(Input::Open)), (0, Wish::Nothing));
    }

    #[test]
    fn details_that_nobody_looks_at_any_more_are_dropped() {
        let mut view = view();
        let soon = TargetName::new("soon").unwrap();
        assert_eq!(view.on_input(Input::Open), Wish::Details(soon.clone()));
        view.on_details(&TargetName::new("other").unwrap(), "of another");
        assert!(view.details.as_ref().is_some_and(|details| details.lines.is_empty()));
        view.on_details(&soon, "one\ntwo");
        assert_eq!(view.details.as_ref().map(|details| details.lines.len()), Some(2));
        assert_eq!(view.on_input(Input::Back), Wish::NoDetails);
        view.on_details(&soon, "late");
        assert!(view.details.is_none());
        assert_eq!(view.on_input(Input::Back), Wish::Quit);
    }

    #[test]
    fn silence_keeps_what_was_seen() {
        let mut view = view();
        view.on_silence("gone".to_owned());
        assert_eq!((names(&view).len(), view.silence.as_deref()), (4, Some("gone")));
        view.on_targets(Vec::new());
        assert_eq!(view.silence, None);
    }
}
