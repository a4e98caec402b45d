//! Where the words of marks go, so that they do not lie on one another.

/// A word beside a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Row from above.
    pub(super) row: i32,
    /// Whether the word stands left of its line, because there is no room on the right.
    pub(super) left: bool,
}

/// Rows of words above the chart's lines; what does not fit has its line alone.
const ROWS: usize = 3;
/// Width of a letter, pixels: of a sans serif of 11 pixels, on the wide side.
const LETTER: i32 = 6;
const GAP: i32 = 10;

/// Places words of so many letters at these positions, from left to right, between the pixels of `bounds`. `None`: no
/// room.
pub(super) fn place(words: &[(i32, usize)], bounds: (i32, i32)) -> Vec<Option<Place>> {
    let mut ends = [i32::MIN; ROWS];
    words
        .iter()
        .map(|(x, letters)| {
            let width = LETTER.saturating_mul(i32::try_from(*letters).unwrap_or(i32::MAX)).saturating_add(GAP);
            let left = x.saturating_add(width) > bounds.1;
            let start = if left { x.saturating_sub(width) } else { *x };
            if start < bounds.0 {
                return None;
            }
            let row = ends.iter().position(|end| *end <= start)?;
            *ends.get_mut(row)? = start.saturating_add(width);
            Some(Place { row: i32::try_from(row).unwrap_or(0), left })
        })
        .collect()
}
