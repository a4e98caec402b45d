//! Reports as text for a terminal.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::heap::report::{ClassRow, Culprit, PathStep, Report, Survivor};
use crate::heap::retaining::Retaining;
use crate::heap::summary::Summary;
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

pub(super) fn summary(summary: &Summary) -> String {
    let heap = ByteSize::new(summary.bytes);
    let mut text = format!("{heap} in {} objects with {} references\n", summary.nodes, summary.edges);
    text.push_str("\nObjects that retain most:\n");
    let mut table = new_table(&["object", "id", "retained"]);
    for row in &summary.largest {
        table.add_row([cut(&row.path), format!("@{}", row.id), ByteSize::new(row.retained).to_string()]);
    }
    text.push_str(&finish(&table, summary.largest.len()));
    text.push_str("\nContainers with most entries:\n");
    let mut table = new_table(&["container", "id", "entries", "retained"]);
    for row in &summary.containers {
        let retained = ByteSize::new(row.retained).to_string();
        table.add_row([cut(&row.path), format!("@{}", row.id), row.entries.to_string(), retained]);
    }
    text.push_str(&finish(&table, summary.containers.len()));
    text.push_str("\nTexts that are there more than once:\n");
    let mut table = new_table(&["characters", "one of them", "copies", "could be saved"]);
    for row in &summary.duplicate_strings {
        let wasted = ByteSize::new(row.wasted).to_string();
        table.add_row([row.length.to_string(), format!("@{}", row.id), row.count.to_string(), wasted]);
    }
    text.push_str(&finish(&table, summary.duplicate_strings.len()));
    text.push_str("\nClasses:\n");
    let mut table = new_table(&["constructor", "count", "shallow", "retained"]);
    for row in summary.classes.iter().take(MOST_ROWS) {
        table.add_row([cut(&row.name), row.count.to_string(), row.shallow.to_string(), row.retained.to_string()]);
    }
    text.push_str(&finish(&table, summary.classes.len()));
    text
}

pub(super) fn retaining(object: &Retaining) -> String {
    let mut text = String::new();
    let (shallow, retained) = (ByteSize::new(object.shallow), ByteSize::new(object.retained));
    push_line(&mut text, &format!("{} @{}: {shallow} itself, retains {retained}", cut(&object.class), object.id));
    if let Some(at) = &object.location {
        push_line(&mut text, &format!("location    {}:{}:{}", at.script, at.line, at.column));
    }
    push_line(&mut text, &format!("reached by  {}", object.held_by));
    push_line(&mut text, &format!("path        {}", object.path.iter().map(step).collect::<Vec<_>>().join(" ")));
    let dominators: Vec<_> = object.dominators.iter().map(step).collect();
    push_line(&mut text, &format!("dominators  {}", dominators.join(" < ")));
    text.push_str("\nReferred to by:\n");
    let mut table = new_table(&["object", "id", "reference", "distance"]);
    for row in &object.retainers {
        let distance = row.distance.map_or_else(|| "-".to_owned(), |distance| distance.to_string());
        let reference = format!("{} {}", row.step.edge_type, cut(&row.step.edge));
        table.add_row([cut(&row.step.node), format!("@{}", row.step.id), reference, distance]);
    }
    text.push_str(&finish(&table, 0));
    text
}

pub(super) fn push_line(text: &mut String, line: &str) {
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
