//! Whether the two kinds of evidence tell of the same place.
//!
//! Snapshots know the line where what piles up is defined, profiles the function that made it, and who called that. They
//! agree where the line stands in a script of a function that the profiles name, at or below its first line.

use crate::alert::message::Culprit;

/// What the profiles say of the first culprit of the snapshots, where it is the same leak.
pub(super) fn agreement(of_snapshots: &[Culprit], of_profiles: &[Culprit]) -> Option<String> {
    let (script, line) = place(of_snapshots.first()?.location.as_deref()?)?;
    let names = of_profiles.iter().flat_map(names);
    let candidates = names.filter_map(|(name, location)| {
        let (other, begins) = place(location)?;
        (other == script && begins <= line).then_some((begins, name, location))
    });
    // Functions nest: the nearest above the line is the innermost.
    let (_, name, location) = candidates.max_by_key(|(begins, ..)| *begins)?;
    Some(format!("the heap profiles agree: made in {name} at {location}"))
}

/// The functions of a culprit, with their places.
fn names(culprit: &Culprit) -> impl Iterator<Item = (&str, &str)> {
    let own = culprit.function.as_deref().zip(culprit.location.as_deref());
    own.into_iter().chain(culprit.callers.iter().filter_map(|caller| caller.rsplit_once(" at ")))
}

/// Script and line of `script:line:column`.
fn place(location: &str) -> Option<(&str, u32)> {
    let (rest, _column) = location.rsplit_once(':')?;
    let (script, line) = rest.rsplit_once(':')?;
    Some((script, line.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::examples::{culprit, culprit_of_profiles};

    fn check(line: u32, expected: Option<&str>) {
        let location = Some(format!("/srv/app/middleware.js:{line}:9"));
        let found = agreement(&[Culprit { location, ..culprit() }], &[culprit_of_profiles()]);
        assert_eq!(found.as_deref(), expected, "line {line}");
    }

    #[test]
    fn a_line_within_a_function_of_the_profiles_is_the_same_leak() {
        check(12, Some("the heap profiles agree: made in logRequests at /srv/app/middleware.js:10:21"));
        check(10, Some("the heap profiles agree: made in logRequests at /srv/app/middleware.js:10:21"));
        check(9, None);
        assert_eq!(agreement(&[], &[culprit_of_profiles()]), None);
        assert_eq!(agreement(&[culprit()], &[]), None);
    }
}
