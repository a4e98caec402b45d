//! The sentences of a report.

use crate::heap::path::file_name;
use crate::heap::report::{Culprit, HeapGrowth};
use crate::units::ByteSize;

/// What is said where nothing piles up.
pub(crate) fn nothing_found(heap: &HeapGrowth) -> String {
    let change = if heap.after_bytes >= heap.before_bytes {
        format!("grew by {}", ByteSize::new(heap.after_bytes - heap.before_bytes))
    } else {
        format!("shrank by {}", ByteSize::new(heap.before_bytes - heap.after_bytes))
    };
    format!("no culprit: the heap {change}, and no container gained objects that pile up")
}

/// Tells a culprit in one line:
/// `+1,000 closures, retained +1.2 MiB (80 % of the heap's growth): anonymous function at logging.js:4:9, held by ...`
pub(crate) fn rewrite_headline(culprit: &mut Culprit) {
    culprit.headline = headline(culprit);
}

fn headline(culprit: &Culprit) -> String {
    let is_closure = culprit.class == "Function" && culprit.count_delta > 0;
    let retained = signed(culprit.retained_delta);
    let percent = culprit.share_of_growth * 100.0;
    let what = match culprit.count_delta {
        0 => format!("one {} by itself", culprit.class),
        count if is_closure => format!("+{} closures", grouped(count)),
        count => format!("+{} {}", grouped(count), culprit.class),
    };
    let made = match (&culprit.location, culprit.function.as_str()) {
        (Some(at), function) if is_closure => format!(": {function} at {}", place(at)),
        (Some(at), "") => format!(": made at {}", place(at)),
        (Some(at), function) => format!(": {function} at {}", place(at)),
        (None, "") => String::new(),
        (None, function) => format!(": {function}"),
    };
    format!("{what}, retained {retained} ({percent:.0} % of the heap's growth){made}, held by {}", culprit.held_by)
}

fn place(at: &crate::heap::report::Location) -> String {
    format!("{}:{}:{}", file_name(&at.script), at.line, at.column)
}

fn signed(bytes: i64) -> String {
    let sign = if bytes < 0 { '-' } else { '+' };
    format!("{sign}{}", ByteSize::new(bytes.unsigned_abs()))
}

/// `12,345`.
fn grouped(count: i64) -> String {
    let digits = count.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
