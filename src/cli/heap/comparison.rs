//! Compares two files: whether they are a pair at all, within which memory, and on how many cores.

use std::path::Path;

use indicatif::MultiProgress;

use super::{CommonArguments, HeapCliError, WithoutEdges, open, sidecars};
use crate::heap::header::{Header, estimate_side_by_side};
use crate::heap::report::Report;
use crate::heap::{HeapError, LoadOptions, compare_snapshots, compare_with, load, read_header};

pub(super) fn compare(before: &Path, after: &Path, common: &CommonArguments) -> Result<Report, HeapCliError> {
    sidecars::check(before, after)?;
    match compare_within(before, after, common.load_options()) {
        Err(HeapCliError::Analyse { source: HeapError::OverBudget { needed, budget, .. }, .. })
            if common.without_edges == Some(WithoutEdges::OverBudget) =>
        {
            let mut report =
                compare_within(before, after, LoadOptions { without_edges: true, ..common.load_options() })?;
            let note = format!(
                "only classes were compared: the whole comparison needs about {needed}, and {budget} are allowed"
            );
            report.notes.push(note);
            Ok(report)
        }
        done => done,
    }
}

fn compare_within(before: &Path, after: &Path, options: LoadOptions) -> Result<Report, HeapCliError> {
    let failed =
        |source| HeapCliError::Analyse { what: format!("{} and {}", before.display(), after.display()), source };
    let side_by_side = fits_side_by_side(before, after, options)?;
    let bars = MultiProgress::new();
    let (first, second) = (open(before, &bars)?, open(after, &bars)?);
    if !side_by_side {
        return compare_snapshots(first, second, options).map_err(failed);
    }
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| load(second, options));
        let joined = |_| reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        compare_with(first, joined, options).map_err(failed)
    })
}

/// Whether the second snapshot may be read while the first is analysed: on a second core, and within the budget.
fn fits_side_by_side(before: &Path, after: &Path, options: LoadOptions) -> Result<bool, HeapCliError> {
    let hidden = MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::hidden());
    // A file without a header is told about by whoever reads it to its end.
    let header = |file: &Path| -> Result<Option<Header>, HeapCliError> { Ok(read_header(open(file, &hidden)?).ok()) };
    let (Some(first), Some(second)) = (header(before)?, header(after)?) else { return Ok(false) };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let fits = options.budget.is_none_or(|budget| estimate_side_by_side(&first, &second) <= budget);
    Ok(cores > 1 && fits)
}
