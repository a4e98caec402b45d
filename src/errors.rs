//! An error with its causes in one line, for the edges where a chain is printed.

use std::error::Error;

/// The error and everything that caused it, outermost first.
pub fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&cause| cause.source())
}

/// `cannot read the file: permission denied`: each Display says its own part only, so the chain repeats nothing.
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read `{path}`")]
    struct Outer {
        path: &'static str,
        #[source]
        source: std::fmt::Error,
    }

    #[test]
    fn a_chain_reads_from_the_outside_in() {
        let error = Outer { path: "/x", source: std::fmt::Error };
        let inner = std::fmt::Error.to_string();
        assert_eq!(one_line(&error), format!("cannot read `/x`: {inner}"));
    }
}
