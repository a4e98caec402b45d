//! Floors as processes show them, one gate at a time.

use crate::growth::blocks::Fold;
use crate::growth::blocks::{Blocks, SCALES};
use crate::growth::shape::Quarters;
use crate::leak::gate::{Gate, GateKind};
use crate::leak::judge::{Run, Subject, Trial, collections_seen, judge};
use crate::leak::options::Options;

/// Seconds of a part; one reading makes it up.
const PART: i64 = 300;
const MIB: f64 = 1_048_576.0;

/// Blocks of these floors, in MiB.
fn blocks(fold: Fold, floors: &[f64]) -> Blocks {
    let mut blocks = Blocks::new(fold, 0, PART * 1000, PART * 1000);
    let mut at_ms = 0;
    for floor in floors.iter().chain(floors.last()) {
        #[expect(clippy::cast_possible_truncation, reason = "floors are kept in single precision")]
        blocks.push(at_ms, (floor * MIB) as f32);
        at_ms += PART * 1000;
    }
    blocks
}

/// A young process of 88 MiB with 350 MiB of room.
fn subject<'a>(floors: &'a Blocks, traffic: Option<&'a Blocks>) -> Subject<'a> {
    let age = floors.scales()[0].closed() * PART;
    Subject {
        floors,
        traffic,
        age: age as f64,
        base: 88.0 * MIB,
        room: 350.0 * MIB,
        limit_room: 350.0 * MIB,
        grown: 0.0,
        least_rise: 3.0 * MIB,
        least_slope: 0.5 * MIB / 3600.0,
        collected: false,
        falls: 0,
    }
}

fn judged(floors: &[f64]) -> Option<Trial> {
    let floors = blocks(Fold::Low, floors);
    judge(&subject(&floors, None), &Options::default(), SCALES)
}

fn gate(trial: &Trial, kind: GateKind) -> Gate {
    *trial.gates.iter().find(|gate| gate.kind == kind).unwrap_or_else(|| panic!("no {kind:?} in {trial:?}"))
}

/// Four MiB of live set and as much garbage in each part; a collection after fifty minutes.
const LEAK_WITH_TEETH: [f64; 17] =
    [79., 88., 100., 108., 115., 124., 128., 140., 145., 118., 125., 132., 140., 149., 157., 166., 174.];

#[test]
fn a_leak_is_plain_soon_after_its_first_collection() {
    let trial = judged(&LEAK_WITH_TEETH).unwrap();
    assert!(trial.passes(), "{trial:#?}");
    assert!(gate(&trial, GateKind::Levelling).value > 0.9, "{trial:#?}");
    let live = trial.slope * PART as f64 / MIB;
    assert!((3.0..5.0).contains(&live), "of eight MiB a part, four are alive: {live}");
    let before = judged(&LEAK_WITH_TEETH[..9]).unwrap();
    assert!(!gate(&before, GateKind::Tooth).passed, "before it, all may be garbage: {before:#?}");
}

#[test]
fn a_tooth_that_a_collection_takes_back_whole_is_no_leak() {
    let teeth: Vec<f64> = (0..17).map(|part| 90.0 + 8.0 * f64::from(part % 9)).collect();
    assert!(judged(&teeth).is_none_or(|trial| !trial.passes()), "{:#?}", judged(&teeth));
}

#[test]
fn a_cache_that_has_filled_by_its_first_collection_is_no_leak() {
    let cache = |part: i32| 80.0 + 60.0 * (1.0 - (-f64::from(part) / 6.0).exp());
    let teeth: Vec<f64> = (0..18).map(|part| cache(part) + 5.0 * f64::from(part % 9)).collect();
    assert!(judged(&teeth).is_none_or(|trial| !trial.passes()), "{:#?}", judged(&teeth));
}

#[test]
fn most_collections_of_a_leak_last() {
    let leak: Vec<f64> = (0..40).map(|part| 90.0 + 2.0 * f64::from(part) + 9.0 * f64::from(part % 4)).collect();
    let trial = judged(&leak).unwrap();
    assert!(trial.passes(), "{trial:#?}");
    // Of four collections three are undone by the next ones: the level swings, and its lows rise for another reason.
    let swing = [90., 130., 125., 120., 100., 140., 135., 130., 110., 150., 145., 140., 120.];
    let floors: Vec<f64> = swing.iter().flat_map(|low| [*low, low + 10.0, low + 20.0]).collect();
    let run_floors = blocks(Fold::Low, &floors);
    let subject = subject(&run_floors, None);
    let run = Run::of(&subject, &Options::default(), 0, &run_floors.scales()[0], 0).collection_windows();
    assert!(!run.is_empty());
    assert!(run.iter().all(|trial| !gate(trial, GateKind::Lasting).passed), "{run:#?}");
}

#[test]
fn growth_that_traffic_explains_is_none() {
    let grown: Vec<f64> = (0..24).map(|part| 88.0 + 3.0 * f64::from(part)).collect();
    let floors = blocks(Fold::Low, &grown);
    let constant = blocks(Fold::Sum, &[100.0; 24]);
    let tripled: Vec<f64> = (0..24).map(|part| 100.0 + 10.0 * f64::from(part)).collect();
    let tripled = blocks(Fold::Sum, &tripled);
    let options = Options::default();
    let judged = |traffic| judge(&subject(&floors, Some(traffic)), &options, 1).unwrap();
    assert!(gate(&judged(&constant), GateKind::Cycle).passed);
    let cycle = gate(&judged(&tripled), GateKind::Cycle);
    assert!(!cycle.passed && cycle.threshold >= 1.0, "{cycle:?}");
}

#[test]
fn a_straight_line_outlasts_a_cycle_long_before_the_flank_of_one_does() {
    let outlasting = |floor: &dyn Fn(f64) -> f64| {
        let floors: Vec<f64> = (0..200_u8)
            // A small collection each hour.
            .map(|part| floor(f64::from(part) / 12.0) - if part % 12 == 0 { 4.0 } else { 0.0 })
            .collect();
        let floors = blocks(Fold::Low, &floors);
        let subject = Subject { room: 4000.0 * MIB, limit_room: 4000.0 * MIB, ..subject(&floors, None) };
        let options = Options::default();
        let run = Run::of(&subject, &options, 1, &floors.scales()[1], collections_seen(&subject));
        let evenness = |parts: usize| Quarters::of(&run.floors[run.floors.len() - parts..]).unwrap().least_gain();
        (run.outlasts_cycle(8.0 * 3600.0, evenness(32)), run.outlasts_cycle(5.0 * 3600.0, evenness(20)))
    };
    assert_eq!(outlasting(&|hour| 100.0 + 4.0 * hour), (true, false));
    let day = |hour: f64| 150.0 + 50.0 * ((hour - 13.0) * std::f64::consts::TAU / 24.0).sin();
    assert_eq!(outlasting(&day), (false, false));
}

/// Rows of troughs that are judged in the floors of four hours.
fn rows_of_troughs(floor: impl FnMut(u32) -> f64) -> usize {
    let floors = blocks(Fold::Low, &(0..48).map(floor).collect::<Vec<_>>());
    let (subject, options) = (subject(&floors, None), Options::default());
    Run::of(&subject, &options, 0, &floors.scales()[0], 0).collection_windows().len()
}

#[test]
fn floors_that_waver_have_no_troughs() {
    let climb = |part: u32| 100.0 + f64::from(part);
    assert_ne!(rows_of_troughs(|part| climb(part) + 8.0 * f64::from(part % 6)), 0, "teeth of half an hour");
    let mut chance = fastrand::Rng::with_seed(1);
    let wavering = |part: u32| climb(part) + 24.0 * chance.f64();
    assert_eq!(rows_of_troughs(wavering), 0, "a young generation within each part");
}
