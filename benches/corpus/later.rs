//! Families that were made after most of the detector's thresholds were chosen; the last were settled with them in view.

use fastrand::Rng;

use super::families::{between, day, decades, hours, leaking, limit, spec, started};
use super::process::Spec;

/// A leak whose process is restarted every few hours, by a job or by people, before it comes to its limit. How far it is
/// on its way is reckoned as though it were not.
pub(super) fn leak_restarted(rng: &mut Rng) -> Spec {
    let (base, rate) = (started(rng), decades(rng, 15.0, 80.0));
    let mut spec = spec(rng, 48.0, Box::new(move |_, age| base(age) + rate * hours(age)));
    let every = between(rng, 1.0, 5.0) * 3600.0;
    spec.restarts = (1..48).map(|number| f64::from(number) * every).collect();
    leaking(spec, 2048.0, 0.0)
}

/// Objects and their buffers leak together, at rates of their own.
pub(super) fn leak_of_two(rng: &mut Rng) -> Spec {
    let (base, heap, buffers) = (started(rng), decades(rng, 4.0, 40.0), decades(rng, 4.0, 40.0));
    let mut spec = spec(rng, 30.0, Box::new(move |_, age| base(age) + heap * hours(age)));
    spec.external = Box::new(move |_, age| 2.0 + buffers * hours(age));
    let limit = limit(rng);
    leaking(spec, limit, 0.0)
}

/// A leak by the request, under traffic that a balancer deals out anew every few hours.
pub(super) fn leak_scaled(rng: &mut Rng) -> Spec {
    let (base, rate, every) = (started(rng), decades(rng, 10.0, 60.0), between(rng, 2.0, 6.0) * 3600.0);
    let shares: Vec<f64> = (0..64).map(|_| between(rng, 0.3, 1.5)).collect();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few days")]
    let share = move |time: f64| shares[(time / every) as usize % shares.len()];
    let load = share.clone();
    let (mut leaked, mut until) = (0.0, 0.0);
    let live = move |time: f64, age: f64| {
        if age < until {
            (leaked, until) = (0.0, 0.0);
        }
        leaked += rate * share(time) * hours(age - until);
        until = age;
        base(age) + leaked
    };
    let mut spec = spec(rng, 36.0, Box::new(live));
    spec.load = Box::new(move |time, _| load(time));
    leaking(spec, 1024.0, 0.0)
}

/// Compiled code and caches of a runtime outside of the heap grow for hours and level off.
pub(super) fn ok_compiled(rng: &mut Rng) -> Spec {
    let (base, size, time_constant) = (started(rng), between(rng, 8.0, 40.0), between(rng, 1.0, 6.0));
    let mut spec = spec(rng, 72.0, Box::new(move |_, age| base(age)));
    spec.native = Box::new(move |_, age| 42.0 + size * (1.0 - (-hours(age) / time_constant).exp()));
    spec.external = Box::new(move |_, age| 2.0 + 0.1 * size * (1.0 - (-hours(age)).exp()));
    spec
}

/// Traffic doubles within the hour and stays, because another instance was taken out of service.
pub(super) fn ok_surge(rng: &mut Rng) -> Spec {
    let (base, swing) = (started(rng), between(rng, 10.0, 50.0));
    let (start, takes) = (between(rng, 1.0, 40.0) * 3600.0, between(rng, 0.1, 1.0) * 3600.0);
    let load = move |time: f64| 0.7 + 0.7 * ((time - start) / takes).clamp(0.0, 1.0);
    let mut spec = spec(rng, 72.0, Box::new(move |time, age| base(age) + swing * load(time)));
    spec.load = Box::new(move |time, _| load(time));
    spec
}

/// A daily cycle that is steep in the morning and slow to end, restarted every night.
pub(super) fn ok_nightly(rng: &mut Rng) -> Spec {
    let (base, swing, traffic) = (started(rng), between(rng, 10.0, 40.0), day(rng));
    let load = traffic.clone();
    let mut spec = spec(rng, 120.0, Box::new(move |time, age| base(age) + swing * traffic(time)));
    spec.load = Box::new(move |time, _| load(time));
    spec.restarts = (1..5).map(|night| f64::from(night) * 86_400.0).collect();
    spec
}
