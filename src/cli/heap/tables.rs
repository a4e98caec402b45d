//! Reports as text for a terminal.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::heap::report::{ClassRow, Culprit, PathStep, Report, Survivor};
use crate::units::ByteSize;

/// Most rows of classes and survivors that a person reads; `--json` has them all.
const MOST_ROWS: usize = 25;
/// Longest name in a table.
const LONGEST_NAME: usize = 60;

pub(super) fn comparison(report: &Report) -> String {
    let mut text = culprits(report);
    text.push_str("\nClasses, as in the Comparison view of DevTools:\n");
    text.push_str(&classes(&report.classes));
    if !report.survivors.is_empty() {
        text.push_str("\nObjects in both snapshots that retain more:\n");
        text.push_str(&survivors(&report.survivors));
    }
    text
}

pub(super) fn culprits(report: &Report) -> String {
    let mut text = plain(&report.headline) + "\n";
    for (number, culprit) in (1..).zip(&report.culprits) {
        describe(&mut text, number, culprit);
    }
    for note in &report.notes {
        push_line(&mut text, &format!("note: {note}"));
    }
    text
}

fn describe(text: &mut String, number: usize, culprit: &Culprit) {
    let mut line = |words: String| push_line(text, &words);
    line(String::new());
    line(format!("{number}. {}", culprit.headline));
    if let Some(at) = &culprit.location {
        line(format!("   location  {}:{}:{}", at.script, at.line, at.column));
    }
    line(format!("   path      {}", culprit.path.iter().map(step).collect::<Vec<_>>().join(" ")));
    if !culprit.captured.is_empty() {
        line(format!("   holds     {}", culprit.captured.join(", ")));
    }
    if let Some(caution) = &culprit.caution {
        line(format!("   caution   {caution}"));
    }
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(&plain(line));
    text.push('\n');
}

fn step(step: &PathStep) -> String {
    let node = format!("{} @{}", cut(&step.node), step.id);
    match step.edge_type.as_str() {
        "" => node,
        "element" => format!("[{}]> {node}", step.edge),
        "property" | "shortcut" => format!(".{}> {node}", cut(&step.edge)),
        "context" => format!("({})> {node}", cut(&step.edge)),
        _ => format!("{{{}}}> {node}", cut(&step.edge)),
    }
}

fn classes(rows: &[ClassRow]) -> String {
    let mut table = new_table(&["constructor", "new", "deleted", "delta", "alloc size", "freed size", "size delta"]);
    for row in rows.iter().take(MOST_ROWS) {
        table.add_row([
            cut(&row.name),
            row.new.to_string(),
            row.deleted.to_string(),
            format!("{:+}", row.delta),
            row.alloc_size.to_string(),
            row.freed_size.to_string(),
            format!("{:+}", row.size_delta),
        ]);
    }
    finish(&table, rows.len())
}

fn survivors(rows: &[Survivor]) -> String {
    let mut table = new_table(&["object", "id", "before", "after", "growth"]);
    for row in rows.iter().take(MOST_ROWS) {
        table.add_row([
            cut(&row.path),
            format!("@{}", row.id),
            ByteSize::new(row.retained_before).to_string(),
            ByteSize::new(row.retained_after).to_string(),
            format!("+{}", ByteSize::new(row.retained_after.saturating_sub(row.retained_before))),
        ]);
    }
    finish(&table, rows.len())
}

/// A table whose columns but the first are numbers.
pub(super) fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

pub(super) fn finish(table: &Table, rows: usize) -> String {
    let more = rows.saturating_sub(MOST_ROWS);
    let rest = if more > 0 { format!("... and {more} more (--json has all)\n") } else { String::new() };
    format!("{table}\n{rest}")
}

/// A name short enough for a table, without control characters.
pub(super) fn cut(name: &str) -> String {
    let name = plain(name);
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}...", name.get(..end).unwrap_or_default()),
        None => name,
    }
}

/// Names come from the heap of a foreign process: nothing in them may steer a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}
