//! A line as small as a word: the floors of the last hours.

use std::fmt::Write;

use maud::{Markup, html};

use super::words::size;
use crate::leak::Outline;
use crate::text::span;

const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 28.0;
/// Room for the thickness of the line.
const MARGIN: f64 = 2.5;
/// Floors that vary by less than this part of themselves are drawn flat: they are.
const LEAST_SPAN: f64 = 0.1;

/// The outline as SVG, with its ends in words.
pub(super) fn sparkline(outline: &Outline) -> Markup {
    let known: Vec<u64> = outline.floors.iter().copied().flatten().collect();
    let (Some(first), Some(last)) = (known.first(), known.last()) else { return html! {} };
    let covers = span(outline.until.since(outline.since));
    let says = format!("floors of {} over {covers}: {} to {}", outline.signal, size(*first), size(*last));
    html! {
        svg.spark role="img" aria-label=(says) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } width=(WIDTH) height=(HEIGHT) {
            title { (says) }
            @for line in lines(&outline.floors) { polyline points=(line) {} }
        }
    }
}

/// The points of each stretch without a void.
fn lines(floors: &[Option<u64>]) -> Vec<String> {
    let known = || floors.iter().copied().flatten();
    let (low, high) = (known().min().unwrap_or(0) as f64, known().max().unwrap_or(0) as f64);
    let span = (high - low).max(high * LEAST_SPAN).max(1.0);
    let middle = f64::midpoint(low, high);
    let step = (WIDTH - 2.0 * MARGIN) / (floors.len().saturating_sub(1).max(1)) as f64;
    let point = |(index, floor): (usize, u64)| {
        let above = (floor as f64 - middle) / span;
        (MARGIN + index as f64 * step, HEIGHT / 2.0 - above * (HEIGHT - 2.0 * MARGIN))
    };
    let mut lines: Vec<String> = Vec::new();
    let mut before = None;
    for (index, floor) in floors.iter().enumerate() {
        let Some(floor) = floor else { continue };
        if before != index.checked_sub(1) || lines.is_empty() {
            lines.push(String::new());
        }
        before = Some(index);
        let (x, y) = point((index, *floor));
        if let Some(line) = lines.last_mut() {
            // Writing to a String cannot fail.
            write!(line, "{x:.1},{y:.1} ").unwrap_or_default();
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::sample::Signal;

    #[test]
    fn a_line_rises_breaks_at_voids_and_lies_flat_where_nothing_happens() {
        let ends = |floors: &[Option<u64>]| lines(floors);
        assert_eq!(ends(&[Some(100), Some(200), None, Some(400)]), ["2.5,25.5 40.8,17.8 ", "117.5,2.5 "]);
        assert_eq!(ends(&[Some(1000), Some(1001)]), ["2.5,14.1 117.5,13.9 "], "a tenth of a percent is nothing");
        assert_eq!(ends(&[None, Some(7)]), ["117.5,14.0 "]);
        assert_eq!(ends(&[]), [""; 0]);
    }

    #[test]
    fn a_line_is_said_in_words() {
        let at = Timestamp::from_unix_ms;
        let floors = vec![Some(100 << 20), None, Some(200 << 20)];
        let outline = Outline { signal: Signal::HeapUsed, since: at(0), until: at(7_200_000), floors };
        let svg = sparkline(&outline).into_string();
        assert!(svg.contains("aria-label=\"floors of heapUsed over 2 h: 100 MiB to 200 MiB\""), "{svg}");
    }
}
