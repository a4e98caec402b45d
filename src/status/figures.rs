//! What is told of a target in numbers: the same families for whoever scrapes them and for whoever they are sent to.

use std::borrow::Cow;

use crate::leak::verdict::{Growth, State};
use crate::sample::Signal;
use crate::status::TargetStatus;

/// One kind of number that every target may have.
#[derive(Debug)]
pub struct Family {
    /// Without the prefix that all of heapwatch's have, and without the unit.
    pub name: &'static str,
    /// Base unit, which ends the name.
    pub unit: Option<&'static str>,
    /// For people.
    pub help: &'static str,
    /// The label besides `target`, where one target has several.
    pub label: Option<&'static str>,
    /// It comes from the newest reading: a target that does not answer has none.
    pub is_read: bool,
    read: fn(&TargetStatus, &mut Take<'_>),
}

/// Takes the value of the label, empty where there is none, and the number.
type Take<'a> = dyn FnMut(Cow<'static, str>, f64) + 'a;

/// Every family, in the order of a page.
pub const FAMILIES: [Family; 11] = [
    Family {
        name: "target_up",
        unit: None,
        help: "1 when the last poll succeeded",
        label: None,
        is_read: false,
        read: |status, take| take("".into(), f64::from(u8::from(status.watch.is_answering()))),
    },
    Family {
        name: "target_samples",
        unit: None,
        help: "Polls that succeeded in a row",
        label: None,
        is_read: false,
        read: |status, take| take("".into(), f64::from(status.watch.healthy_polls)),
    },
    Family {
        name: "target_memory",
        unit: Some("bytes"),
        help: "Last reading of each signal",
        label: Some("signal"),
        is_read: true,
        read: memory,
    },
    Family {
        name: "target_floor",
        unit: Some("bytes"),
        help: "Newest floor of the judged signal: an estimate of what is alive under the garbage",
        label: Some("signal"),
        is_read: true,
        read: floor,
    },
    Family {
        name: "target_reading",
        unit: None,
        help: "Last reading of each number that is watched besides memory",
        label: Some("gauge"),
        is_read: true,
        read: gauges,
    },
    Family {
        name: "target_growth_bytes_per_second",
        unit: None,
        help: "Slope of the floors of the judged signal",
        label: Some("signal"),
        is_read: true,
        read: slope,
    },
    Family {
        name: "target_fit_r2",
        unit: None,
        help: "Share of the floors' variance that the fitted line explains; no verdict depends on it",
        label: None,
        is_read: true,
        read: |status, take| offer(take, growth(status).and_then(|growth| growth.r2)),
    },
    Family {
        name: "target_time_to_limit",
        unit: Some("seconds"),
        help: "Time until the memory limit at the fitted slope",
        label: None,
        is_read: true,
        read: |status, take| offer(take, growth(status).and_then(|growth| growth.limit_in_seconds)),
    },
    Family {
        name: "target_memory_limit",
        unit: Some("bytes"),
        help: "The memory limit that the forecast runs to",
        label: None,
        is_read: true,
        read: |status, take| {
            offer(take, growth(status).and_then(|growth| growth.limit_bytes).map(|bytes| bytes as f64));
        },
    },
    Family {
        name: "target_state",
        unit: None,
        help: "1 for the verdict in force",
        label: Some("state"),
        is_read: false,
        read: state,
    },
    Family {
        name: "snapshot_budget_remaining",
        unit: None,
        help: "Captures that the budget of 24 hours still allows",
        label: None,
        is_read: false,
        read: budget,
    },
];

impl Family {
    /// Hands over each number that this target has of the family, with the value of its label.
    pub fn read(&self, status: &TargetStatus, mut take: impl FnMut(Cow<'static, str>, f64)) {
        (self.read)(status, &mut take);
    }

    /// The name with its unit: `target_memory_bytes`.
    pub fn full_name(&self) -> String {
        self.unit.map_or_else(|| self.name.to_owned(), |unit| format!("{}_{unit}", self.name))
    }
}

fn offer(take: &mut Take<'_>, figure: Option<f64>) {
    if let Some(figure) = figure {
        take("".into(), figure);
    }
}

fn growth(status: &TargetStatus) -> Option<Growth> {
    status.watch.verdict.as_ref()?.growth
}

fn memory(status: &TargetStatus, take: &mut Take<'_>) {
    let Some(sample) = &status.watch.sample else { return };
    for signal in Signal::ALL {
        if let Some(bytes) = sample.signal(signal) {
            take(signal.name().into(), bytes as f64);
        }
    }
}

fn floor(status: &TargetStatus, take: &mut Take<'_>) {
    if let Some((signal, bytes)) = status.watch.floor {
        take(signal.name().into(), bytes as f64);
    }
}

fn gauges(status: &TargetStatus, take: &mut Take<'_>) {
    for (name, reading) in status.watch.sample.iter().flat_map(|sample| &sample.gauges) {
        take(name.clone().into(), *reading);
    }
}

fn slope(status: &TargetStatus, take: &mut Take<'_>) {
    let signal = status.watch.verdict.as_ref().and_then(|verdict| verdict.signal);
    if let (Some(growth), Some(signal)) = (growth(status), signal) {
        take(signal.name().into(), growth.slope.bytes_per_second());
    }
}

fn state(status: &TargetStatus, take: &mut Take<'_>) {
    let Some(verdict) = &status.watch.verdict else { return };
    for state in State::ALL {
        take(state.name().into(), f64::from(u8::from(verdict.state == state)));
    }
}

fn budget(status: &TargetStatus, take: &mut Take<'_>) {
    let care = &status.care;
    if care.daily_budget > 0 {
        take("".into(), f64::from(care.daily_budget.saturating_sub(care.captures_last_day)));
    }
}
