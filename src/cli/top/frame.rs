//! The view as lines of text for a terminal of some size. Pure.

use std::fmt::Write as _;

use super::view::View;
use crate::cli::status::{HEADER, row};
use crate::status::{Standing, TargetStatus};

/// One line of the screen, no wider than it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) look: Look,
}

/// How a line is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    Heading,
    /// The chosen target.
    Chosen,
    /// Somebody should act.
    Urgent,
    /// Somebody may have to.
    Doubtful,
}

/// Room for a column, but for the last, which takes what is left.
const WIDEST: usize = 34;
/// Title, heading, and the keys at the bottom.
const FIXED_LINES: usize = 3;
const KEYS: &str = "arrows choose  Enter explains  n by name  u by urgency  q quits";
const KEYS_OF_DETAILS: &str = "arrows scroll  Esc goes back  q quits";

/// The whole screen, `height` lines at most.
pub(super) fn render(view: &View, width: u16, height: u16) -> Vec<Line> {
    let (width, height) = (usize::from(width), usize::from(height));
    let room = height.saturating_sub(FIXED_LINES);
    let (body, keys) = match &view.details {
        Some(_) => (details(view, room), KEYS_OF_DETAILS),
        None => (table(view, room), KEYS),
    };
    let mut lines = vec![title(view)];
    lines.extend(body);
    lines.resize(height.saturating_sub(1).max(lines.len()), line("", Look::Plain));
    lines.push(line(keys, Look::Heading));
    lines.truncate(height);
    for line in &mut lines {
        line.text = fitted(&line.text, width);
    }
    lines
}

fn line(text: impl Into<String>, look: Look) -> Line {
    Line { text: text.into(), look }
}

fn title(view: &View) -> Line {
    if let Some(why) = &view.silence {
        let shown = if view.is_filled { "; this is what was last seen" } else { "" };
        return line(format!("heapwatch: {why}{shown}"), Look::Urgent);
    }
    if !view.is_filled {
        return line("heapwatch: asking", Look::Heading);
    }
    let counts: Vec<String> = view.counts().iter().map(|(standing, count)| format!("{count} {standing}")).collect();
    let targets = view.targets().len();
    line(
        format!("heapwatch: {targets} {}  {}", if targets == 1 { "target" } else { "targets" }, counts.join(", ")),
        Look::Heading,
    )
}

/// The rows around the chosen one that there is room for, below their heading.
fn table(view: &View, room: usize) -> Vec<Line> {
    let chosen = view.chosen();
    // The chosen row stays in sight, and the window moves by whole screens.
    let first = chosen.checked_div(room).unwrap_or(0) * room;
    let shown: Vec<&TargetStatus> = view.targets().skip(first).take(room).collect();
    let rows: Vec<[String; 6]> = shown.iter().map(|status| row(status)).collect();
    let header = HEADER.map(str::to_owned);
    let widths: [usize; 6] = std::array::from_fn(|column| {
        let cells = rows.iter().chain([&header]).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0).min(WIDEST)
    });
    let mut lines = vec![line(aligned(&header, widths), Look::Heading)];
    lines.extend(rows.iter().zip(&shown).enumerate().map(|(index, (row, status))| {
        line(aligned(row, widths), if first + index == chosen { Look::Chosen } else { look_of(status) })
    }));
    lines
}

fn look_of(status: &TargetStatus) -> Look {
    match Standing::of(status) {
        Standing::Leaking | Standing::NotAnswering => Look::Urgent,
        Standing::Suspected | Standing::NotJudged => Look::Doubtful,
        Standing::Recovering | Standing::WarmingUp | Standing::NotPolled | Standing::Steady => Look::Plain,
    }
}

fn aligned(row: &[String; 6], widths: [usize; 6]) -> String {
    let mut text = String::new();
    for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
        if index + 1 == row.len() {
            text.push_str(cell);
        } else {
            let cell = fitted(cell, width);
            // Writing to a String cannot fail.
            write!(text, "{cell:<width$}  ").unwrap_or_default();
        }
    }
    text
}

fn details(view: &View, room: usize) -> Vec<Line> {
    let Some(details) = &view.details else { return Vec::new() };
    let mut lines = vec![line(details.name.as_str(), Look::Heading)];
    if details.lines.is_empty() {
        lines.push(line("asking", Look::Plain));
    }
    lines.extend(details.lines.iter().skip(details.first).take(room).map(|text| line(text, Look::Plain)));
    lines
}

/// At most `width` characters, and none that moves the cursor: parts come from services that are watched.
fn fitted(text: &str, width: usize) -> String {
    let is_long = text.chars().count() > width;
    let kept = if is_long { width.saturating_sub(1) } else { width };
    let mut fitted: String = text.chars().take(kept).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if is_long && width > 0 {
        fitted.push('…');
    }
    fitted
}

#[cfg(test)]
mod tests {
    use super::super::screen::Input;
    use super::super::view::tests::target;
    use super::*;
    use crate::leak::verdict::State;

    fn shown(view: &View, width: u16, height: u16) -> Vec<String> {
        let lines = render(view, width, height);
        assert!(lines.len() <= usize::from(height), "{lines:?}");
        assert!(lines.iter().all(|line| line.text.chars().count() <= usize::from(width)), "{lines:?}");
        lines.into_iter().map(|line| line.text.trim_end().to_owned()).collect()
    }

    fn fleet(count: usize) -> View {
        let mut targets: Vec<_> =
            (0..count).map(|number| target(&format!("t{number:03}"), State::Steady, None)).collect();
        targets.push(target("leaky", State::Leaking, Some(2.0)));
        View::of(targets)
    }

    #[test]
    fn the_urgent_one_stands_first_and_the_counts_above() {
        let lines = shown(&fleet(2), 80, 10);
        assert_eq!(lines[0], "heapwatch: 3 targets  1 leaking, 2 steady");
        assert!(lines[1].starts_with("TARGET  VERDICT  MEMORY"), "{}", lines[1]);
        assert!(lines[2].starts_with("leaky   leaking") && lines[2].contains("2.0 h"), "{}", lines[2]);
        assert_eq!((lines.len(), lines[9].as_str()), (10, KEYS));
    }

    #[test]
    fn it_fits_terminals_of_any_size() {
        let mut view = fleet(300);
        view.on_input(Input::Move(250));
        for (width, height) in [(200, 60), (20, 5), (1, 1), (0, 0), (5, 3)] {
            shown(&view, width, height);
            view.on_input(Input::Open);
            shown(&view, width, height);
            view.on_input(Input::Back);
        }
    }

    #[test]
    fn the_chosen_target_stays_in_sight() {
        let mut view = fleet(300);
        for by in [1, 100, 150, -200, 1000] {
            view.on_input(Input::Move(by));
            let lines = render(&view, 80, 20);
            assert_eq!(lines.iter().filter(|line| line.look == Look::Chosen).count(), 1, "{by}: {lines:?}");
        }
    }

    #[test]
    fn text_of_a_target_cannot_move_the_cursor() {
        let mut hostile = target("api", State::Steady, None);
        hostile.watch.last_failure = Some("\x1b[2J\r\n\u{9b}1A".to_owned());
        let lines = shown(&View::of(vec![hostile]), 120, 5);
        assert!(lines.iter().all(|line| !line.chars().any(char::is_control)), "{lines:?}");
    }
}
