//! Results go to standard output through here; talk goes to standard error.

use std::io::{self, Write as _};

/// Prints a result with a line end. A reader that went away is an error that the caller passes up.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
