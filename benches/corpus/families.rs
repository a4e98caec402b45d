//! The families: who leaks how, and who only looks like it.

use std::f64::consts::TAU;

use fastrand::Rng;

use super::later;
use super::process::{Collector, Report, Size, Spec};
use super::runtimes;

/// A kind of process.
pub(crate) struct Family {
    /// Its name on the scorecard.
    pub(crate) name: &'static str,
    /// Makes one of its kind.
    pub(crate) make: fn(&mut Rng) -> Spec,
}

/// Every family: leaks, then healthy processes, then both of other runtimes.
pub(crate) const FAMILIES: [Family; 38] = [
    Family { name: "leak, steady", make: leak_steady },
    Family { name: "leak that slows down", make: leak_slowing },
    Family { name: "leak that ramps up", make: leak_ramping },
    Family { name: "leak beside a daily cycle", make: leak_daily },
    Family { name: "leak in steps hours apart", make: leak_steps },
    Family { name: "leak per tenant", make: leak_tenants },
    Family { name: "leak of native memory", make: leak_native },
    Family { name: "leak, rss alone", make: leak_rss_only },
    Family { name: "leak in whole MB", make: leak_rounded },
    Family { name: "leak with outages", make: leak_outages },
    Family { name: "leak after weeks of cycles", make: leak_late },
    Family { name: "leak, levels told", make: leak_levels },
    Family { name: "leak, restarted in hours", make: later::leak_restarted },
    Family { name: "leak of heap and buffers", make: later::leak_of_two },
    Family { name: "leak by the request", make: later::leak_scaled },
    Family { name: "flat", make: ok_flat },
    Family { name: "weekly cycle", make: ok_weekly },
    Family { name: "cache fills in hours", make: ok_cache },
    Family { name: "connection pool", make: ok_pool },
    Family { name: "launch day", make: ok_launch },
    Family { name: "rss fragments, levels off", make: ok_fragmentation },
    Family { name: "batches of any size", make: ok_batches },
    Family { name: "idle nights", make: ok_idle },
    Family { name: "collector changes mode", make: ok_collector_mode },
    Family { name: "rss alone, sawtooth", make: ok_rss_only },
    Family { name: "deploys and outages", make: ok_deploys },
    Family { name: "healthy, levels told", make: ok_levels },
    Family { name: "compiled code levels off", make: later::ok_compiled },
    Family { name: "traffic surges and stays", make: later::ok_surge },
    Family { name: "cycle, restarted nightly", make: later::ok_nightly },
    Family { name: "leak by night", make: runtimes::leak_nightly },
    Family { name: "leak that changes pace", make: runtimes::leak_bent },
    Family { name: "leak, Go", make: runtimes::leak_go },
    Family { name: "leak, Java", make: runtimes::leak_java },
    Family { name: "leak, Python", make: runtimes::leak_python },
    Family { name: "healthy, Go", make: runtimes::ok_go },
    Family { name: "healthy, Java", make: runtimes::ok_java },
    Family { name: "healthy, Python", make: runtimes::ok_python },
];

pub(super) fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.f64()
}

/// Even on a logarithmic scale.
pub(super) fn decades(rng: &mut Rng, low: f64, high: f64) -> f64 {
    between(rng, low.ln(), high.ln()).exp()
}

pub(super) fn hours(seconds: f64) -> f64 {
    seconds / 3600.0
}

/// Start-up: most of it in the first minutes.
pub(super) fn started(rng: &mut Rng) -> impl Fn(f64) -> f64 + 'static {
    let (base, more, minutes) = (decades(rng, 25.0, 250.0), between(rng, 3.0, 30.0), between(rng, 1.0, 8.0));
    move |age| base + more * (1.0 - (-age / 60.0 / minutes).exp())
}

/// Traffic over a day, with a flat top and a quick fall as people have it.
pub(super) fn day(rng: &mut Rng) -> impl Fn(f64) -> f64 + Clone + 'static {
    let (shift, depth) = (rng.f64(), between(rng, 0.3, 0.9));
    move |time| {
        let wave = (TAU * (time / 86_400.0 + shift)).sin();
        1.0 - depth * 0.5 * (1.0 - (1.6 * wave).tanh() / 1.6f64.tanh())
    }
}

pub(super) fn spec(rng: &mut Rng, trace_hours: f64, live: Size) -> Spec {
    Spec {
        hours: trace_hours,
        live,
        external: Box::new(|_, _| 2.0),
        native: Box::new(|_, _| 42.0),
        load: Box::new(|_, _| 1.0),
        restarts: Vec::new(),
        limit: 0.0,
        leak_start: None,
        collector: Collector {
            allocated: decades(rng, 0.5, 40.0),
            promoted: decades(rng, 0.005, 0.1),
            factor: between(rng, 1.15, 1.8),
            young: *rng.choice([4.0, 16.0, 16.0, 32.0].iter()).expect("not empty"),
            patience: decades(rng, 0.3, 6.0),
        },
        report: Report { rss_only: false, rounded: false, counters: rng.bool(), levels: false, outages: 0.5 },
    }
}

pub(super) fn leaking(mut spec: Spec, limit: f64, start: f64) -> Spec {
    spec.limit = limit;
    spec.leak_start = Some(start);
    spec
}

pub(super) fn limit(rng: &mut Rng) -> f64 {
    *rng.choice([512.0, 1024.0, 2048.0].iter()).expect("not empty")
}

fn leak_steady(rng: &mut Rng) -> Spec {
    let (base, rate, limit) = (started(rng), decades(rng, 4.0, 100.0), limit(rng));
    let length = (0.5 * limit / rate).clamp(8.0, 72.0);
    leaking(spec(rng, length, Box::new(move |_, age| base(age) + rate * hours(age))), limit, 0.0)
}

fn leak_slowing(rng: &mut Rng) -> Spec {
    let (base, rate, slowing, limit) = (started(rng), decades(rng, 20.0, 80.0), between(rng, 6.0, 20.0), limit(rng));
    let live = move |_, age: f64| base(age) + rate * slowing * (1.0 + hours(age) / slowing).ln();
    leaking(spec(rng, 24.0, Box::new(live)), limit, 0.0)
}

fn leak_ramping(rng: &mut Rng) -> Spec {
    let (base, rate, ramp, limit) = (started(rng), decades(rng, 10.0, 60.0), between(rng, 4.0, 12.0), limit(rng));
    let live = move |_, age: f64| {
        let age_hours = hours(age);
        base(age) + rate * (age_hours - ramp * (1.0 - (-age_hours / ramp).exp()))
    };
    leaking(spec(rng, 30.0, Box::new(live)), limit, 0.0)
}

fn leak_daily(rng: &mut Rng) -> Spec {
    let (base, rate, swing, traffic) = (started(rng), decades(rng, 4.0, 20.0), between(rng, 10.0, 60.0), day(rng));
    let load = traffic.clone();
    let live = move |time, age: f64| base(age) + rate * hours(age) + swing * traffic(time);
    let limit = *rng.choice([1024.0, 2048.0].iter()).expect("not empty");
    let mut spec = spec(rng, 72.0, Box::new(live));
    spec.load = Box::new(move |time, _| load(time));
    leaking(spec, limit, 0.0)
}

fn leak_steps(rng: &mut Rng) -> Spec {
    let (base, every, step) = (started(rng), between(rng, 1.5, 5.0), between(rng, 10.0, 40.0));
    let live = move |_, age: f64| base(age) + step * (hours(age) / every).floor();
    leaking(spec(rng, 48.0, Box::new(live)), 1024.0, 0.0)
}

fn leak_tenants(rng: &mut Rng) -> Spec {
    let (base, each) = (started(rng), between(rng, 1.0, 6.0));
    let mean_gap = between(rng, 300.0, 1500.0);
    let (mut leaked, mut next, mut last_age) = (0.0, 0.0, 0.0);
    let mut own = rng.fork();
    let live = move |_, age: f64| {
        if age < last_age {
            (leaked, next) = (0.0, 0.0);
        }
        last_age = age;
        while next < age {
            leaked += each * (0.3 + 1.4 * own.f64());
            next += -mean_gap * (1.0 - own.f64()).ln();
        }
        base(age) + leaked
    };
    leaking(spec(rng, 30.0, Box::new(live)), 1024.0, 0.0)
}

fn leak_native(rng: &mut Rng) -> Spec {
    let (base, rate, limit) = (started(rng), decades(rng, 8.0, 60.0), limit(rng));
    let mut spec = spec(rng, 24.0, Box::new(move |_, age| base(age)));
    spec.native = Box::new(move |_, age| 42.0 + rate * hours(age));
    leaking(spec, limit, 0.0)
}

fn leak_rss_only(rng: &mut Rng) -> Spec {
    let mut spec = leak_steady(rng);
    spec.report.rss_only = true;
    spec.report.counters = false;
    spec
}

fn leak_rounded(rng: &mut Rng) -> Spec {
    let mut spec = leak_steady(rng);
    spec.report.rounded = true;
    spec.report.counters = false;
    spec
}

fn leak_outages(rng: &mut Rng) -> Spec {
    let mut spec = leak_steady(rng);
    spec.report.outages = 12.0;
    spec
}

fn leak_late(rng: &mut Rng) -> Spec {
    let (base, rate, swing, traffic) = (started(rng), decades(rng, 8.0, 40.0), between(rng, 10.0, 50.0), day(rng));
    let start = between(rng, 4.0, 9.0) * 86_400.0;
    let load = traffic.clone();
    let live = move |time: f64, age| base(age) + swing * traffic(time) + rate * hours((time - start).max(0.0));
    let mut spec = spec(rng, hours(start) + 24.0, Box::new(live));
    spec.load = Box::new(move |time, _| load(time));
    leaking(spec, 2048.0, start)
}

/// A leak of a process that tells what its major collections leave.
fn leak_levels(rng: &mut Rng) -> Spec {
    let make = rng.choice([leak_steady, leak_slowing, leak_daily, leak_tenants]).expect("not empty");
    let mut spec = make(rng);
    spec.report.levels = true;
    spec
}

fn ok_flat(rng: &mut Rng) -> Spec {
    let base = started(rng);
    spec(rng, 72.0, Box::new(move |_, age| base(age)))
}

fn ok_weekly(rng: &mut Rng) -> Spec {
    let (base, swing, traffic, weekend) = (started(rng), between(rng, 10.0, 60.0), day(rng), between(rng, 0.3, 0.8));
    let first_day = rng.u32(0..7);
    let load = move |time: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few days")]
        let weekday = ((time / 86_400.0) as u32 + first_day) % 7;
        traffic(time) * if weekday >= 5 { weekend } else { 1.0 }
    };
    let busy = load.clone();
    let mut spec = spec(rng, 240.0, Box::new(move |time, age| base(age) + swing * busy(time)));
    spec.load = Box::new(move |time, _| load(time));
    spec
}

fn ok_cache(rng: &mut Rng) -> Spec {
    let (base, size, time_constant) = (started(rng), decades(rng, 20.0, 150.0), between(rng, 0.5, 2.0));
    let live = move |_, age: f64| base(age) + size * (1.0 - (-hours(age) / time_constant).exp());
    spec(rng, 60.0, Box::new(live))
}

fn ok_pool(rng: &mut Rng) -> Spec {
    let (base, each, connections, every) =
        (started(rng), between(rng, 0.5, 2.0), f64::from(rng.u32(5..25)), between(rng, 30.0, 120.0));
    let live = move |_, age: f64| base(age) + each * (age / every).floor().min(connections);
    spec(rng, 48.0, Box::new(live))
}

fn ok_launch(rng: &mut Rng) -> Spec {
    let (base, swing) = (started(rng), between(rng, 10.0, 60.0));
    let (start, takes) = (between(rng, 2.0, 30.0) * 3600.0, between(rng, 2.0, 6.0) * 3600.0);
    let load = move |time: f64| 0.3 + 0.9 * ((time - start) / takes).clamp(0.0, 1.0);
    let mut spec = spec(rng, 72.0, Box::new(move |time, age| base(age) + swing * load(time)));
    spec.load = Box::new(move |time, _| load(time));
    spec
}

fn ok_fragmentation(rng: &mut Rng) -> Spec {
    let (base, size, time_constant) = (started(rng), between(rng, 15.0, 80.0), between(rng, 1.0, 8.0));
    let mut spec = spec(rng, 72.0, Box::new(move |_, age| base(age)));
    spec.native = Box::new(move |_, age| 42.0 + size * (1.0 - (-hours(age) / time_constant).exp()));
    spec
}

fn ok_batches(rng: &mut Rng) -> Spec {
    let base = started(rng);
    let (every, mut own) = (between(rng, 2.0, 10.0) * 3600.0, rng.fork());
    let mut batch = (0.0, 0.0, 0.0);
    let live = move |time: f64, age| {
        let (mut start, mut length, mut size) = batch;
        if time > start + length {
            start = time + every * (0.3 + 1.4 * own.f64());
            length = between(&mut own, 300.0, 3000.0);
            size = decades(&mut own, 15.0, 150.0);
        }
        batch = (start, length, size);
        base(age) + if time > start { size * ((time - start) / (0.8 * length)).min(1.0) } else { 0.0 }
    };
    spec(rng, 96.0, Box::new(live))
}

fn ok_idle(rng: &mut Rng) -> Spec {
    let base = started(rng);
    let shift = rng.f64();
    let mut spec = spec(rng, 96.0, Box::new(move |_, age| base(age)));
    spec.load = Box::new(move |time, _| if (time / 86_400.0 + shift).fract() < 0.45 { 0.06 } else { 1.0 });
    spec.collector.allocated = decades(rng, 0.5, 5.0);
    spec.collector.patience = between(rng, 4.0, 10.0);
    spec
}

fn ok_collector_mode(rng: &mut Rng) -> Spec {
    let base = started(rng);
    let (at, slower) = (between(rng, 10.0, 40.0) * 3600.0, between(rng, 0.1, 0.4));
    let mut spec = spec(rng, 72.0, Box::new(move |_, age| base(age)));
    // Less traffic, so that a tooth takes several times as long.
    spec.load = Box::new(move |time, _| if time < at { 1.0 } else { slower });
    spec
}

fn ok_rss_only(rng: &mut Rng) -> Spec {
    let mut spec = if rng.bool() { ok_flat(rng) } else { ok_weekly(rng) };
    spec.report.rss_only = true;
    spec.report.counters = false;
    spec
}

fn ok_deploys(rng: &mut Rng) -> Spec {
    let base = started(rng);
    let mut spec = spec(rng, 72.0, Box::new(move |_, age| base(age)));
    spec.restarts = (0..rng.u32(3..12)).map(|_| between(rng, 0.0, 72.0 * 3600.0)).collect();
    spec.report.outages = 8.0;
    spec
}

/// A healthy process that tells what its major collections leave.
fn ok_levels(rng: &mut Rng) -> Spec {
    let make = rng.choice([ok_flat, ok_weekly, ok_cache, ok_pool, ok_launch, ok_batches, ok_idle]).expect("not empty");
    let mut spec = make(rng);
    spec.report.levels = true;
    spec
}
