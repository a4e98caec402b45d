//! Where the labels of events go: in rows above the plot, none over another, those that matter most first.

/// A label that wants a place: its line is at `x`, it takes `width` pixels, and lower ranks choose first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<R> {
    pub(super) x: i32,
    pub(super) width: i32,
    pub(super) rank: R,
}

/// The place of a label: its row from below, and its left end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) row: usize,
    pub(super) left: i32,
}

/// Pixels between a line and its label, and between labels.
const GAP: i32 = 5;

/// Places labels in `rows` rows between `left` and `right`; `None` for each that found no place.
pub(super) fn place<R: Ord + Copy>(wishes: &[Wish<R>], rows: usize, left: i32, right: i32) -> Vec<Option<Place>> {
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by_key(|index| (wishes[*index].rank, wishes[*index].x));
    let mut taken: Vec<Vec<(i32, i32)>> = vec![Vec::new(); rows];
    let mut places = vec![None; wishes.len()];
    for index in order {
        let wish = wishes[index];
        // Right of its line, or left of it at the edge of the plot.
        let ends = [wish.x + GAP, wish.x - GAP - wish.width].map(|from| (from, from + wish.width));
        let inside = ends.into_iter().filter(|(from, to)| *from >= left && *to <= right);
        let found = inside.flat_map(|span| (0..rows).map(move |row| (row, span))).find(|(row, (from, to))| {
            // Its line runs through the rows below it.
            taken[*row].iter().all(|(start, end)| *to + GAP <= *start || end + GAP <= *from)
        });
        let Some((row, span)) = found else { continue };
        taken[row].push(span);
        places[index] = Some(Place { row, left: span.0 });
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wishes: &[(i32, u8)], expected: &[Option<(usize, i32)>], why: &str) {
        let wishes: Vec<_> = wishes.iter().map(|(x, rank)| Wish { x: *x, width: 50, rank: *rank }).collect();
        let places: Vec<_> =
            place(&wishes, 2, 0, 200).into_iter().map(|place| place.map(|place| (place.row, place.left))).collect();
        assert_eq!(places, expected, "{why}");
    }

    #[test]
    fn labels_never_cover_one_another() {
        check(&[(0, 1), (100, 1)], &[Some((0, 5)), Some((0, 105))], "room for both in the lowest row");
        check(&[(0, 1), (20, 1)], &[Some((0, 5)), Some((1, 25))], "the second moves up");
        check(&[(0, 2), (10, 2), (20, 1)], &[Some((1, 5)), None, Some((0, 25))], "rank goes first, the last has none");
        check(&[(180, 1)], &[Some((0, 125))], "left of its line at the edge");
        check(&[], &[], "nothing");
    }
}
