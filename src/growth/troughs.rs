//! Troughs: the floors right after a collection. What lies under a trough was really alive, however long the teeth.

/// One trough: the index of its floor in the run, and its height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trough {
    /// Index in the run of floors.
    pub index: usize,
    /// Height of the floor.
    pub height: f64,
    /// Whether no later floor undercuts it.
    pub lasts: bool,
}

/// The troughs of a run, oldest first.
///
/// A trough is the lowest floor of a fall of more than `depth(height)` under the peak before it. With `from_start`
/// the first floor counts as one: a process starts with nothing to collect.
pub fn troughs(floors: &[f64], from_start: bool, depth: impl Fn(f64) -> f64) -> Vec<Trough> {
    let mut found: Vec<Trough> = Vec::new();
    if let Some(first) = floors.first().filter(|first| from_start && first.is_finite()) {
        found.push(Trough::at(0, *first));
    }
    let mut peak = f64::NEG_INFINITY;
    let mut in_fall = false;
    for (index, height) in floors.iter().copied().enumerate().filter(|(_, height)| height.is_finite()) {
        if peak - height <= depth(height) {
            in_fall = false;
            peak = peak.max(height);
            continue;
        }
        match found.last_mut() {
            Some(last) if in_fall && height <= last.height => *last = Trough::at(index, height),
            // The tooth after this trough has begun to grow.
            Some(last) if in_fall && height > last.height => {
                in_fall = false;
                peak = height;
            }
            _ => {
                found.push(Trough::at(index, height));
                in_fall = true;
            }
        }
    }
    mark_lasting(&mut found, floors);
    found
}

/// The troughs of a run of levels that are known to be those after a collection: each level but a repeated one.
pub fn levels(floors: &[f64]) -> Vec<Trough> {
    let mut found: Vec<Trough> = Vec::new();
    for (index, height) in floors.iter().copied().enumerate().filter(|(_, height)| height.is_finite()) {
        if found.last().is_none_or(|last| last.height.total_cmp(&height).is_ne()) {
            found.push(Trough::at(index, height));
        }
    }
    mark_lasting(&mut found, floors);
    found
}

/// Marks each trough that nothing later lies under: what was freed later did not leak.
fn mark_lasting(found: &mut [Trough], floors: &[f64]) {
    let mut low = f64::INFINITY;
    let mut end = floors.len();
    for trough in found.iter_mut().rev() {
        let later = floors.get(trough.index..end).unwrap_or_default();
        low = later.iter().copied().filter(|floor| floor.is_finite()).fold(low, f64::min);
        trough.lasts = trough.height <= low;
        end = trough.index;
    }
}

impl Trough {
    const fn at(index: usize, height: f64) -> Self {
        Self { index, height, lasts: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(floors: &[f64], expected: &[(usize, f64)], why: &str) {
        let found: Vec<_> = troughs(floors, true, |_| 2.0)
            .iter()
            .filter(|trough| trough.lasts)
            .map(|trough| (trough.index, trough.height))
            .collect();
        assert_eq!(found, expected, "{why}");
    }

    #[test]
    fn finds_the_live_set_under_long_teeth() {
        check(&[10., 30., 50., 20., 40., 60., 30., 50.], &[(0, 10.), (3, 20.), (6, 30.)], "a leak under teeth");
        check(&[10., 30., 50., 10., 30., 50., 10., 30.], &[(0, 10.), (3, 10.), (6, 10.)], "teeth alone");
        check(&[10., 30., 50., 70., 90.], &[(0, 10.)], "a tooth that has not ended proves nothing");
        check(&[10., 50., 30., 70., 20., 40.], &[(0, 10.), (4, 20.)], "what is freed later did not leak");
        check(&[10., 50., 40., 30., 31., 60.], &[(0, 10.), (3, 30.)], "a fall over several floors is one");
        check(&[], &[], "nothing");
    }

    #[test]
    fn a_level_counts_once_until_another_one_is_told() {
        let told = [10., 10., 12., f64::NAN, 12., 11., 15., 15.];
        let found: Vec<_> = levels(&told).iter().map(|level| (level.index, level.lasts)).collect();
        assert_eq!(found, [(0, true), (2, false), (5, true), (6, true)]);
        assert_eq!(levels(&[]), []);
    }
}
