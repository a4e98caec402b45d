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
    fn counts_only_falls_that_stand_out() {
        assert_eq!(falls([100.0, 99.5, 110.0, 90.0, f64::NAN, 80.0].into_iter(), |height| 0.02 * height), 1);
        assert!((largest_step(&[1.0, 5.0, f64::NAN, 90.0, 92.0]) - 4.0).abs() < 1e-9);
    }
}
