//! What a run of floors looks like: even growth, a step, a curve that levels off.

/// The lowest floor of each quarter of a run: growth that survives even this is no tooth shorter than a quarter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quarters([f64; 4]);

impl Quarters {
    /// `None` where the run has fewer than four floors or a quarter of it is void.
    pub fn of(floors: &[f64]) -> Option<Self> {
        let bound = |quarter: usize| quarter * floors.len() / 4;
        let mut lows = [0.0; 4];
        for (quarter, low) in lows.iter_mut().enumerate() {
            *low = lowest(floors.get(bound(quarter)..bound(quarter + 1))?)?;
        }
        Some(Self(lows))
    }

    /// From the first quarter's low to the last one's.
    pub fn climb(&self) -> f64 {
        self.0[3] - self.0[0]
    }

    /// The low of the first quarter.
    pub fn first(&self) -> f64 {
        self.0[0]
    }

    /// The smallest gain between neighbours as a share of an even one: 1 for a straight line, 0 or less for a step.
    pub fn least_gain(&self) -> f64 {
        self.gains().into_iter().fold(f64::INFINITY, f64::min) / (self.climb() / 3.0)
    }

    /// The last gain as a share of an even one.
    pub fn last_gain(&self) -> f64 {
        self.gains()[2] / (self.climb() / 3.0)
    }

    fn gains(&self) -> [f64; 3] {
        [self.0[1] - self.0[0], self.0[2] - self.0[1], self.0[3] - self.0[2]]
    }
}

/// The lowest finite number; `None` where there is none.
pub fn lowest(numbers: &[f64]) -> Option<f64> {
    numbers.iter().copied().filter(|number| number.is_finite()).min_by(f64::total_cmp)
}

/// The largest rise from one floor to the next.
pub fn largest_step(floors: &[f64]) -> f64 {
    floors.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| step.is_finite()).fold(0.0, f64::max)
}

/// How often the floors fall by more than `depth(height)`: each such fall is a collection that was seen.
pub fn falls(floors: impl Iterator<Item = f64>, depth: impl Fn(f64) -> f64) -> usize {
    let mut before = f64::NAN;
    let mut count = 0;
    for floor in floors {
        count += usize::from(before - floor > depth(before));
        before = floor;
    }
    count
}

/// How often a climb is dented: a floor rises by less than half of what floors usually rise, and falls short of it by
/// more than `depth(height)` and than chance has it. Where a live set climbs faster than garbage piles up, a collection
/// shows as no more than this.
pub fn dents(floors: &[f64], depth: impl Fn(f64) -> f64) -> usize {
    let changes: Vec<f64> = floors.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let Some((usual, wavering)) = middle_and_wavering(&changes).filter(|(usual, _)| *usual > 0.0) else { return 0 };
    let chance = BEYOND_CHANCE * wavering;
    let is_dent =
        |(change, height): &(&f64, &f64)| **change <= usual / 2.0 && usual - **change > depth(**height).max(chance);
    changes.iter().zip(floors).filter(is_dent).count()
}

/// How much the change from one floor to the next wavers: the median distance of the changes from their median.
pub fn wavering(floors: &[f64]) -> Option<f64> {
    let changes: Vec<f64> = floors.windows(2).map(|pair| pair[1] - pair[0]).collect();
    middle_and_wavering(&changes).map(|(_, wavering)| wavering)
}

fn middle_and_wavering(changes: &[f64]) -> Option<(f64, f64)> {
    let usual = middle(changes.iter().copied())?;
    Some((usual, middle(changes.iter().map(|change| (change - usual).abs()))?))
}

/// So many times the median distance from the median is two sigma of normal noise.
const BEYOND_CHANCE: f64 = 3.0;

/// The median of what is finite, the upper one of two.
fn middle(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = numbers.filter(|number| number.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(floors: &[f64], least: f64, tail: f64, why: &str) {
        let quarters = Quarters::of(floors).unwrap();
        assert!((quarters.least_gain() - least).abs() < 0.01, "{why}: {quarters:?}");
        assert!((quarters.last_gain() - tail).abs() < 0.01, "{why}: {quarters:?}");
    }

    #[test]
    fn tells_lines_from_steps_and_plateaus() {
        check(&[0., 1., 2., 3., 4., 5., 6., 7.], 1.0, 1.0, "a straight line");
        check(&[0., 0., 0., 0., 9., 9., 9., 9.], 0.0, 0.0, "a step");
        check(&[0., 4., 8., 8., 12., 12., 12., 12.], 0.0, 0.0, "levelled off");
        check(&[0., 9., 2., 9., 4., 9., 6., 9.], 1.0, 1.0, "a line under teeth");
    }

    #[test]
    fn a_void_quarter_has_no_shape() {
        assert_eq!(Quarters::of(&[1.0, 2.0, 3.0]), None);
        assert_eq!(Quarters::of(&[1.0, 1.0, f64::NAN, f64::NAN, 1.0, 1.0, 1.0, 1.0]), None);
    }

    #[test]
    fn dents_of_a_climb_are_collections() {
        let climb = |changes: &[f64]| -> Vec<f64> {
            let sums = changes.iter().scan(100.0, |level, change| {
                *level += change;
                Some(*level)
            });
            std::iter::once(100.0).chain(sums).collect()
        };
        let check = |changes: &[f64], expected: usize, why: &str| {
            assert_eq!(dents(&climb(changes), |_| 3.0), expected, "{why}");
        };
        check(&[5., 5., 4., 0., 5., 6., 5., 1., 5., 5.], 2, "two collections");
        check(&[5., 5., 5., 2.5, 5., 5., 5., 5., 3., 5.], 0, "small ones are noise");
        check(&[9., 1., 5., 0., 10., 5., 1., 9., 2., 5.], 0, "so are large ones where all wavers");
        check(&[-5., -5., -5., -9., -5., -5.], 0, "a decline has none");
        check(&[], 0, "nothing");
    }

    #[test]
    fn floors_waver_by_what_is_usual() {
        assert_eq!(wavering(&[0.0, 5.0, 10.0, 15.0, 2.0, 7.0, 12.0]), Some(0.0), "a fall now and then is none of it");
        assert_eq!(wavering(&[0.0, 9.0, 10.0, 19.0, 20.0, 29.0, 30.0]), Some(8.0), "every other change is another");
        assert_eq!((wavering(&[1.0]), wavering(&[])), (None, None));
    }

    #[test]
    fn counts_only_falls_that_stand_out() {
        assert_eq!(falls([100.0, 99.5, 110.0, 90.0, f64::NAN, 80.0].into_iter(), |height| 0.02 * height), 1);
        assert!((largest_step(&[1.0, 5.0, f64::NAN, 90.0, 92.0]) - 4.0).abs() < 1e-9);
    }
}
