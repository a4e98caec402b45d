//! `heapwatch heap diff` and `culprit` over sampling heap profiles.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use indicatif::MultiProgress;

use super::tables::push_line;
use super::{HeapCliError, PairArguments, open, print, print_json, source_maps};
use crate::heap::profile::report::{Caller, ProfileCulprit, ProfileReport};
use crate::heap::profile::{Profile, ProfileError, compare_profiles, flame, read, restore_sources};
use crate::units::ByteSize;

/// Enough to pass the blanks and the first name of a document.
const BEGINNING_BYTES: u64 = 256;
/// Most stacks that a person reads; `--json` has more.
const MOST_STACKS: usize = 10;

/// Whether a file is a profile: its document begins with another member than a snapshot's.
pub(super) fn is_profile(file: &Path) -> Result<bool, HeapCliError> {
    let mut beginning = Vec::new();
    open(file, &MultiProgress::new())?.take(BEGINNING_BYTES).read_to_end(&mut beginning)?;
    let text = String::from_utf8_lossy(&beginning);
    let member = text.trim_start().strip_prefix('{').map(str::trim_start).unwrap_or_default();
    Ok(member.starts_with("\"head\"") || member.starts_with("\"samples\""))
}

/// Compares two profiles and prints what stayed; `with_stacks` adds the stacks that grew most.
pub(super) fn print_comparison(pair: &PairArguments, with_stacks: bool) -> Result<(), HeapCliError> {
    let report = compare(pair)?;
    if let Some(path) = &pair.flamegraph {
        draw(&report, path)?;
    }
    if pair.common.json { print_json(&report) } else { print(&as_text(&report, with_stacks)) }
}

fn compare(pair: &PairArguments) -> Result<ProfileReport, HeapCliError> {
    if pair.third.is_some() {
        return Err(HeapCliError::NotForProfiles { what: "--final" });
    }
    let (before, after) = (read_file(&pair.before)?, read_file(&pair.after)?);
    let mut report = compare_profiles(&before, &after).map_err(|source| HeapCliError::Compare {
        what: format!("{} and {}", pair.before.display(), pair.after.display()),
        source,
    })?;
    restore_sources(&mut report, |at| {
        let map = source_maps::find(&at.script, pair.source_maps.as_deref())?;
        map.lookup(at.line, at.column).map(|original| (original.location, original.name))
    });
    Ok(report)
}

fn read_file(path: &Path) -> Result<Profile, HeapCliError> {
    let failed = |source: ProfileError| HeapCliError::Compare { what: path.display().to_string(), source };
    read(BufReader::with_capacity(1 << 16, open(path, &MultiProgress::new())?)).map_err(failed)
}

fn draw(report: &ProfileReport, path: &Path) -> Result<(), HeapCliError> {
    if report.stacks.is_empty() {
        return Err(HeapCliError::NothingToDraw);
    }
    let written = |source| HeapCliError::Open { path: path.to_owned(), source };
    // Names of the process's functions and scripts are for those who may read its profiles.
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(written)?;
    let mut file = BufWriter::new(file);
    flame::draw_growth(report, &mut file)?;
    Ok(file.flush()?)
}

fn as_text(report: &ProfileReport, with_stacks: bool) -> String {
    let mut text = String::new();
    push_line(&mut text, &report.headline);
    for (number, culprit) in (1..).zip(&report.culprits) {
        describe(&mut text, number, culprit);
    }
    for note in &report.notes {
        push_line(&mut text, &format!("note: {note}"));
    }
    if with_stacks && !report.stacks.is_empty() {
        text.push_str("\nStacks that grew most, the innermost call first:\n");
        for stack in report.stacks.iter().take(MOST_STACKS) {
            let grown = ByteSize::new(stack.after_bytes.saturating_sub(stack.before_bytes));
            let frames: Vec<_> = stack.frames.iter().rev().map(place).collect();
            push_line(&mut text, &format!("  +{grown}  {}", frames.join(" < ")));
        }
    }
    text
}

fn describe(text: &mut String, number: usize, culprit: &ProfileCulprit) {
    text.push('\n');
    push_line(text, &format!("{number}. {}", culprit.headline));
    if let Some(at) = &culprit.location {
        push_line(text, &format!("   location   {}:{}:{}", at.script, at.line, at.column));
    }
    for caller in &culprit.callers {
        push_line(text, &format!("   called by  {}", place(caller)));
    }
    if !culprit.through.is_empty() {
        push_line(text, &format!("   through    {}", culprit.through.join(" > ")));
    }
    push_line(text, &format!("   samples    {}", culprit.samples));
}

fn place(frame: &Caller) -> String {
    match &frame.location {
        Some(at) => format!("{} ({}:{}:{})", frame.function, at.script, at.line, at.column),
        None => frame.function.clone(),
    }
}
