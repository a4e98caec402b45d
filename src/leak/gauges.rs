//! Gauges: numbers of the health body watched besides memory, against a maximum or for growth.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::leak::event::Change;
use crate::leak::options::{GaugeRule, Options};
use crate::leak::watch::{Context, Watch, on_lines_of};
use crate::sample::Sample;

/// What is known of each gauge with a rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gauges(Vec<Gauge>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Gauge {
    name: String,
    exceeded: bool,
    watch: Option<Watch>,
    /// Growth was reported and has not ended; when it was last seen.
    growing_ms: Option<i64>,
    /// When it was over its maximum last, and when it was told to have recovered.
    #[serde(default)]
    over_ms: Option<i64>,
    #[serde(default)]
    recovered_ms: Option<i64>,
    /// It was over its maximum again soon after it had recovered.
    #[serde(default)]
    flaps: bool,
}

/// A rise of a gauge below this is nothing, and its growth is measured against no smaller base: ten listeners are
/// Node's own mark for suspicion (`MaxListenersExceededWarning`).
const LEAST_GAUGE: f64 = 10.0;
/// A gauge that exceeds its maximum again within so many blocks flaps, and has recovered only after as many within it.
const STEADY_BLOCKS: f64 = 12.0;
/// Without a maximum a gauge is taken to be in trouble at this multiple of its level after warm-up.
const ROOM: f64 = 4.0;

impl Gauges {
    /// Takes in the gauges of a sample.
    pub(crate) fn observe(&mut self, sample: &Sample, age: f64, options: &Options) -> Vec<Change> {
        self.0.retain(|gauge| options.gauges.iter().any(|rule| rule.name == gauge.name));
        let mut changes = Vec::new();
        for rule in &options.gauges {
            let reading = sample.gauges.iter().find(|(name, _)| *name == rule.name).map(|(_, reading)| *reading);
            let Some(reading) = reading.filter(|reading| reading.is_finite()) else { continue };
            let gauge = self.of(rule);
            changes.extend(gauge.against_maximum(rule, reading, sample.at, options));
            if rule.growth {
                changes.extend(gauge.for_growth(rule, reading, sample.at, age, options));
            }
        }
        changes
    }

    /// A new life begins: growth starts anew, maxima do not.
    pub(crate) fn on_restart(&mut self) {
        for gauge in &mut self.0 {
            gauge.watch = None;
        }
    }

    fn of(&mut self, rule: &GaugeRule) -> &mut Gauge {
        let position = self.0.iter().position(|gauge| gauge.name == rule.name).unwrap_or_else(|| {
            self.0.push(Gauge::new(rule.name.clone()));
            self.0.len() - 1
        });
        &mut self.0[position]
    }
}

impl Gauge {
    fn new(name: String) -> Self {
        Self { name, exceeded: false, watch: None, growing_ms: None, over_ms: None, recovered_ms: None, flaps: false }
    }

    fn against_maximum(&mut self, rule: &GaugeRule, value: f64, now: Timestamp, options: &Options) -> Option<Change> {
        let maximum = rule.maximum?;
        let exceeded = value > maximum;
        let steady_ms = STEADY_BLOCKS * options.block.as_secs_f64() * 1000.0;
        let is_recent = |at: Option<i64>| at.is_some_and(|at| (now.steady_ms().saturating_sub(at) as f64) < steady_ms);
        let waits = !exceeded && self.flaps && is_recent(self.over_ms);
        if exceeded {
            self.over_ms = Some(now.steady_ms());
        }
        if exceeded == self.exceeded || waits {
            return None;
        }
        self.exceeded = exceeded;
        if exceeded {
            self.flaps = is_recent(self.recovered_ms);
        } else {
            self.recovered_ms = Some(now.steady_ms());
        }
        let gauge = rule.name.clone();
        Some(if exceeded {
            Change::GaugeExceeded { gauge, value, maximum }
        } else {
            Change::GaugeRecovered { gauge, value, maximum }
        })
    }

    fn for_growth(
        &mut self,
        rule: &GaugeRule,
        value: f64,
        now: Timestamp,
        age: f64,
        options: &Options,
    ) -> Option<Change> {
        let now_ms = now.steady_ms();
        let watch = self.watch.get_or_insert_with(|| Watch::new(now_ms, options));
        let closed = watch.push(now_ms, value, LEAST_GAUGE);
        if closed == 0 {
            return None;
        }
        let base = watch.base().unwrap_or(value).max(LEAST_GAUGE);
        let room = rule.maximum.map_or(ROOM * base, |maximum| (maximum - value).max(0.0));
        let context = Context {
            traffic: None,
            age,
            room,
            limit_room: room,
            grown: 0.0,
            least_base: LEAST_GAUGE,
            least_rise: LEAST_GAUGE,
            least_slope: 0.0,
            collected: true,
        };
        watch.judge(now_ms, closed, &context, options);
        let grows = watch.trial().filter(|trial| trial.passes());
        if let Some(trial) = grows {
            let known = self.growing_ms.replace(now_ms).is_some();
            return (!known).then(|| Change::GaugeGrows {
                gauge: rule.name.clone(),
                slope_per_hour: trial.slope * 3600.0,
                from: trial.from,
                to: trial.to,
                since: on_lines_of(now, trial.since_ms),
            });
        }
        let day_ms = i64::try_from(options.day.as_millis()).unwrap_or(i64::MAX);
        self.growing_ms.take_if(|last| now_ms.saturating_sub(*last) > day_ms / 4)?;
        Some(Change::GaugeSteady { gauge: rule.name.clone(), value })
    }
}
