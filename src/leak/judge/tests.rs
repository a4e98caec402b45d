//! The judge over shapes of floors: what each gate is for, and what no gate may depend on.

use proptest::prelude::*;

use super::*;
use crate::growth::blocks::Fold;

const MIB: f64 = 1_048_576.0;
const POLL_MS: i64 = 30_000;

/// Floors of a series that holds `mib(hour)`, for `hours`.
fn floors(hours: f64, mib: impl Fn(f64) -> f64) -> Blocks {
    let mut blocks = Blocks::new(Fold::Low, 0, 300_000, POLL_MS);
    #[expect(clippy::cast_possible_truncation, reason = "a few days of polls")]
    let polls = (hours * 120.0) as i64;
    for poll in 0..polls {
        #[expect(clippy::cast_possible_truncation, reason = "as the watch does it")]
        blocks.push(poll * POLL_MS, (mib(poll as f64 / 120.0) * MIB) as f32);
    }
    blocks
}

/// A process of 100 MiB with room for 400 more, as old as its floors.
fn subject(floors: &Blocks, hours: f64) -> Subject<'_> {
    Subject {
        floors,
        traffic: None,
        age: hours * 3600.0,
        base: 100.0 * MIB,
        room: 400.0 * MIB,
        limit_room: 400.0 * MIB,
        grown: 0.0,
        least_rise: 3.0 * MIB,
        least_slope: 0.5 * MIB / 3600.0,
        collected: true,
        falls: 0,
    }
}

fn judged(hours: f64, mib: impl Fn(f64) -> f64) -> Option<Trial> {
    let floors = floors(hours, mib);
    judge(&subject(&floors, hours), &Options::default(), SCALES)
}

/// The gates that a shape fails in the most convincing window.
fn failed(hours: f64, mib: impl Fn(f64) -> f64) -> Vec<&'static str> {
    let trial = judged(hours, mib).expect("a window that rises");
    trial.gates.iter().filter(|gate| !gate.passed).map(|gate| gate.kind.name()).collect()
}

#[test]
fn a_line_passes_every_gate_and_its_numbers_are_right() {
    let trial = judged(6.0, |hour| 100.0 + 40.0 * hour).unwrap();
    assert!(trial.passes(), "{trial:?}");
    assert!((trial.slope * 3600.0 / MIB - 40.0).abs() < 0.5, "{trial:?}");
    let hours = (trial.until_ms - trial.since_ms) as f64 / 3_600_000.0;
    assert!(((trial.to - trial.from) / MIB - 40.0 * hours).abs() < 2.0, "{trial:?}");
    assert!((trial.left / 3600.0 - 10.0).abs() < 0.2, "400 MiB of room at 40 an hour: {trial:?}");
}

#[test]
fn level_ground_has_no_window() {
    assert_eq!(judged(24.0, |_| 100.0), None);
    assert_eq!(judged(24.0, |hour| 100.0 - hour), None);
    assert_eq!(judged(0.2, |hour| 100.0 + 40.0 * hour), None, "two floors are no window");
    assert_eq!(judged(6.0, |_| f64::NAN), None);
}

#[test]
fn what_is_no_even_growth_fails_a_gate_of_shape() {
    type Shape = fn(f64) -> f64;
    let shapes: [(&str, f64, Shape); 4] = [
        ("a step in the middle", 6.0, |hour| if hour < 5.0 { 100.0 } else { 140.0 }),
        ("a rise that ended", 6.0, |hour| 100.0 + 40.0 * hour.min(3.0)),
        ("two steps", 6.0, |hour| 100.0 + 30.0 * f64::from(u8::from(hour > 3.0) + u8::from(hour > 5.5))),
        ("a job that takes and gives back", 12.0, |hour| 100.0 + 30.0 * (hour % 2.0)),
    ];
    for (name, hours, shape) in shapes {
        let trial = judged(hours, shape);
        assert!(trial.is_none_or(|trial| !trial.is_suspect()), "{name}");
    }
}

#[test]
fn what_came_back_down_is_expected_to_come_back() {
    let failed = failed(5.7, |hour| 100.0 + 30.0 * (hour % 2.0));
    assert!(failed.contains(&"give_back"), "the third of such rises: {failed:?}");
}

#[test]
fn the_nearer_the_limit_the_less_it_waits() {
    let floors = floors(1.0, |hour| 100.0 + 40.0 * hour);
    let passes = |room: f64| {
        let subject = Subject { room: room * MIB, limit_room: room * MIB, ..subject(&floors, 1.0) };
        judge(&subject, &Options::default(), SCALES).is_some_and(|trial| trial.passes())
    };
    assert!(passes(40.0), "an hour to live");
    assert!(!passes(4000.0), "four days to live");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_constant_shifts_the_line_and_nothing_else(slope in 5.0f64..80.0, noise in 0.0f64..3.0, shift in 1.0f64..2000.0) {
        let wave = move |hour: f64| 100.0 + slope * hour + noise * (hour * 40.0).sin();
        let plain = judged(6.0, wave).unwrap();
        let shifted = judged(6.0, move |hour| wave(hour) + shift).unwrap();
        prop_assert!((shifted.slope / plain.slope - 1.0).abs() < 1e-3);
        prop_assert!((shifted.from - plain.from - shift * MIB).abs() < 0.02 * MIB);
        prop_assert!((shifted.to - plain.to - shift * MIB).abs() < 0.02 * MIB);
        prop_assert_eq!(shifted.since_ms, plain.since_ms);
        for (one, two) in plain.gates.iter().zip(&shifted.gates) {
            prop_assert_eq!((one.kind, one.passed), (two.kind, two.passed));
        }
    }

    #[test]
    fn another_unit_scales_sizes_and_nothing_else(slope in 5.0f64..80.0, noise in 0.0f64..3.0, power in -8i32..8) {
        let unit = 2f64.powi(power);
        let wave = move |hour: f64| 100.0 + slope * hour + noise * (hour * 40.0).sin();
        let (plain, scaled) = (floors(6.0, wave), floors(6.0, move |hour| unit * wave(hour)));
        let own = subject(&plain, 6.0);
        let in_units = Subject {
            floors: &scaled,
            base: own.base * unit,
            room: own.room * unit,
            limit_room: own.limit_room * unit,
            least_rise: own.least_rise * unit,
            least_slope: own.least_slope * unit,
            ..own
        };
        let options = Options::default();
        let (plain, scaled) = (judge(&own, &options, SCALES).unwrap(), judge(&in_units, &options, SCALES).unwrap());
        // A power of two changes no digit.
        let exact = |trial: &Trial, unit: f64| [trial.slope, trial.from, trial.to].map(|size| (size * unit).to_bits());
        prop_assert_eq!(exact(&scaled, 1.0), exact(&plain, unit));
        prop_assert_eq!((scaled.left, scaled.since_ms, scaled.valid_ms), (plain.left, plain.since_ms, plain.valid_ms));
        for (one, two) in plain.gates.iter().zip(&scaled.gates) {
            prop_assert_eq!((one.kind, one.passed), (two.kind, two.passed));
        }
    }
}
