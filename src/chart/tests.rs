use std::time::Duration;

use super::*;
use crate::units::ByteRate;

const NOON: Timestamp = Timestamp::from_unix_ms(1_760_011_200_000);
const FORMAT: Format = Format { width: 960, height: 340 };

fn minute(minutes: u64) -> Timestamp {
    NOON.plus(Duration::from_mins(minutes))
}

/// Two hours from noon, growing from 100 MiB by a MiB a minute.
fn scene() -> Scene {
    let samples: Vec<_> = (0..=120).map(|at| (minute(at), (100 + at) << 20)).collect();
    Scene {
        title: "heapUsed of <api>".to_owned(),
        description: "It grows & grows.".to_owned(),
        from: minute(0),
        to: minute(120),
        floors: vec![samples.clone()],
        samples: vec![samples],
        growth: Some(Growth {
            slope: ByteRate::per_hour(60.0 * 1_048_576.0),
            r2: Some(0.97),
            from_bytes: 100 << 20,
            to_bytes: 220 << 20,
            since: minute(0),
            until: minute(120),
            limit_bytes: Some(250 << 20),
            limit_in_seconds: Some(1800.0),
        }),
        limit_bytes: Some(250 << 20),
        marks: vec![Mark { at: minute(60), kind: MarkKind::Restart, label: "restarted \"early\"".to_owned() }],
    }
}

fn hex(colour: plotters::style::RGBColor) -> String {
    format!("\"#{:02X}{:02X}{:02X}\"", colour.0, colour.1, colour.2)
}

#[test]
fn a_chart_shows_every_part_of_its_scene_and_says_it_in_words() {
    let svg = draw(&scene(), FORMAT).unwrap();
    for colour in [colour::SAMPLES, colour::FLOORS, colour::FIT, colour::LIMIT, colour::RESTART] {
        assert!(svg.contains(&hex(colour)), "{} is missing in {svg}", hex(colour));
    }
    for text in ["12:00", "13:00", "128 MiB", "memory limit", "aria-label=\"heapUsed of &lt;api&gt;\""] {
        assert!(svg.contains(text), "{text} is missing in {svg}");
    }
    assert!(svg.contains("<desc>It grows &amp; grows.</desc>") && svg.contains("&quot;early&quot;"));
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>") && !svg.contains("#FFFFFF"), "no ground: {svg}");
}

#[test]
fn a_limit_far_above_does_not_flatten_the_lines() {
    let far = Scene { limit_bytes: Some(64 << 30), ..scene() };
    let svg = draw(&far, FORMAT).unwrap();
    assert!(!svg.contains("memory limit") && svg.contains("128 MiB"), "{svg}");
}

#[test]
fn a_month_of_polls_stays_small() {
    let samples: Vec<_> = (0..86_400).map(|poll| (minute(poll / 2), (poll % 97) << 20)).collect();
    let svg = draw(&Scene { to: minute(43_200), samples: vec![samples], ..scene() }, FORMAT).unwrap();
    assert!(svg.len() < 64 << 10, "{} bytes", svg.len());
}

#[test]
fn nothing_to_show_is_still_a_chart() {
    let empty =
        Scene { samples: Vec::new(), floors: Vec::new(), growth: None, marks: Vec::new(), to: minute(0), ..scene() };
    assert!(draw(&empty, FORMAT).unwrap().contains("</svg>"));
    let zero = Timestamp::from_unix_ms(0);
    let samples = vec![vec![(zero, 0), (zero, u64::MAX)]];
    let odd = Scene { from: zero, to: zero, samples, limit_bytes: Some(0), ..scene() };
    assert!(draw(&odd, Format { width: 1, height: 1 }).is_ok());
}

#[test]
fn lines_break_at_restarts_and_gaps() {
    let samples: Vec<_> = [0, 1, 2, 3, 20, 21, 22].map(|at| (minute(at), 1)).to_vec();
    let lengths =
        |cuts: &[Timestamp]| -> Vec<usize> { Scene::stretches(&samples, cuts).iter().map(Vec::len).collect() };
    assert_eq!(lengths(&[]), [4, 3]);
    assert_eq!(lengths(&[minute(2)]), [2, 2, 3]);
    let lows = Scene::lows(&[(minute(0), 5), (minute(1), 3), (minute(5), 9)], 5 * 60_000);
    assert_eq!(lows, [(minute(1), 3), (minute(5), 9)]);
}

#[test]
fn words_of_marks_do_not_lie_on_one_another() {
    let places = marks::place(&[(0, 10), (20, 10), (40, 10), (60, 10), (190, 5)], (0, 200));
    let rows: Vec<Option<i32>> = places.iter().map(|place| place.map(|place| place.row)).collect();
    assert_eq!(rows, [Some(0), Some(1), Some(2), None, Some(0)]);
    assert_eq!(places[4].map(|place| place.left), Some(true), "no room on the right");
}
