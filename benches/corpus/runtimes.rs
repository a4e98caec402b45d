//! Families of other runtimes than Node.js, and leaks that keep no even pace.

use fastrand::Rng;

use super::families::{between, day, decades, hours, leaking, limit, spec, started};
use super::process::{Collector, Spec};

/// Go: nothing is collected until the heap has about doubled, or two minutes have passed.
fn go(rng: &mut Rng, mut spec: Spec) -> Spec {
    spec.collector = Collector {
        allocated: decades(rng, 1.0, 20.0),
        promoted: 1.0,
        factor: between(rng, 1.8, 2.2),
        young: 1.0,
        patience: 2.0 / 60.0,
    };
    spec
}

/// Java: a large young generation, and an old one that is collected every few hours.
fn java(rng: &mut Rng, mut spec: Spec) -> Spec {
    spec.collector = Collector {
        allocated: decades(rng, 2.0, 30.0),
        promoted: decades(rng, 0.01, 0.05),
        factor: between(rng, 1.4, 2.5),
        young: *rng.choice([64.0, 128.0, 256.0].iter()).expect("not empty"),
        patience: between(rng, 6.0, 48.0),
    };
    spec
}

/// Python: nothing but rss, which counts references and so has hardly any teeth.
fn python(rng: &mut Rng, mut spec: Spec) -> Spec {
    spec.collector =
        Collector { allocated: decades(rng, 0.2, 3.0), promoted: 0.02, factor: 1.1, young: 2.0, patience: 0.2 };
    spec.report.rss_only = true;
    spec
}

fn leaking_evenly(rng: &mut Rng) -> Spec {
    let (base, rate, limit) = (started(rng), decades(rng, 6.0, 80.0), limit(rng));
    let length = (0.6 * limit / rate).clamp(10.0, 72.0);
    leaking(spec(rng, length, Box::new(move |_, age| base(age) + rate * hours(age))), limit, 0.0)
}

/// Follows the day, level, or a cache that fills within the hour.
fn healthy(rng: &mut Rng) -> Spec {
    let (base, swing, traffic, cache) = (started(rng), between(rng, 5.0, 50.0), day(rng), decades(rng, 10.0, 80.0));
    let (load, kind) = (traffic.clone(), rng.u32(0..3));
    let live = move |time: f64, age: f64| {
        base(age)
            + match kind {
                0 => swing * traffic(time),
                1 => cache * (age / 3000.0).min(1.0),
                _ => 0.0,
            }
    };
    let mut spec = spec(rng, 96.0, Box::new(live));
    if kind == 0 {
        spec.load = Box::new(move |time, _| load(time));
    }
    spec
}

pub(super) fn leak_go(rng: &mut Rng) -> Spec {
    let spec = leaking_evenly(rng);
    go(rng, spec)
}

pub(super) fn leak_java(rng: &mut Rng) -> Spec {
    let mut spec = leaking_evenly(rng);
    spec.limit = 2048.0;
    spec.hours *= 1.5;
    java(rng, spec)
}

pub(super) fn leak_python(rng: &mut Rng) -> Spec {
    let spec = leaking_evenly(rng);
    python(rng, spec)
}

pub(super) fn ok_go(rng: &mut Rng) -> Spec {
    let spec = healthy(rng);
    go(rng, spec)
}

pub(super) fn ok_java(rng: &mut Rng) -> Spec {
    let spec = healthy(rng);
    java(rng, spec)
}

/// What a request took stays in arenas that are given back to nobody, so that rss climbs to the busiest hour there was.
pub(super) fn ok_python(rng: &mut Rng) -> Spec {
    let mut spec = healthy(rng);
    let (peaks, mut most, mut own) = (between(rng, 5.0, 40.0), 0.0f64, rng.fork());
    spec.native = Box::new(move |_, age| {
        most = if age < 60.0 { 0.0 } else { most.max(peaks * own.f64().powi(8)) };
        30.0 + most
    });
    python(rng, spec)
}

/// Leaks while a job runs by night, and not by day.
pub(super) fn leak_nightly(rng: &mut Rng) -> Spec {
    let (base, rate, lasts) = (started(rng), decades(rng, 10.0, 50.0), between(rng, 5.0, 10.0));
    let live = move |_, age: f64| {
        let (nights, hour) = ((hours(age) / 24.0).floor(), hours(age) % 24.0);
        base(age) + rate * (nights * lasts + hour.min(lasts))
    };
    leaking(spec(rng, 72.0, Box::new(live)), 1024.0, 0.0)
}

/// Leaks twice as fast from some hour on, or half as fast.
pub(super) fn leak_bent(rng: &mut Rng) -> Spec {
    let (base, rate, bend) = (started(rng), decades(rng, 8.0, 50.0), between(rng, 2.0, 10.0));
    let factor = if rng.bool() { 2.0 } else { 0.5 };
    let live = move |_, age: f64| {
        let age_hours = hours(age);
        base(age) + rate * (age_hours.min(bend) + factor * (age_hours - bend).max(0.0))
    };
    let limit = limit(rng);
    leaking(spec(rng, 36.0, Box::new(live)), limit, 0.0)
}
