//! A line through floors that a few wild ones do not turn.

/// A line `intercept + slope * index` through equally spaced numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fit {
    /// Rise from one number to the next.
    pub slope: f64,
    /// Height at the first number.
    pub intercept: f64,
    /// Typical distance of a number from the line: 1.4826 times the median distance, an estimate of sigma.
    pub noise: f64,
}

impl Fit {
    /// R²: the share of the numbers' variance that the line explains, from 0 to 1, for people who are used to it. No
    /// verdict depends on it: a sawtooth on a steep climb has a high one, and a single wild floor lowers it at will.
    /// `None` where the numbers do not vary.
    pub fn r_squared(&self, numbers: &[f64]) -> Option<f64> {
        let finite = || numbers.iter().enumerate().filter(|(_, number)| number.is_finite());
        let count = finite().count();
        let mean = finite().map(|(_, number)| number).sum::<f64>() / count as f64;
        let varies = finite().map(|(_, number)| (number - mean).powi(2)).sum::<f64>();
        let left = finite().map(|(i, number)| (number - self.intercept - self.slope * i as f64).powi(2)).sum::<f64>();
        // A line through medians can fit worse than the mean does, which explains nothing.
        (varies > 0.0 && left.is_finite()).then(|| (1.0 - left / varies).max(0.0))
    }
}

/// 1.4826 makes the median absolute deviation of normal noise an estimate of its standard deviation.
const MAD_TO_SIGMA: f64 = 1.4826;

/// The Theil-Sen line: the slope is the median over all pairs, the intercept the median of what it leaves.
///
/// Up to 29 % of the numbers may be arbitrary without turning it (Rousseeuw and Leroy 1987). Numbers that are not
/// finite are skipped. `None` with fewer than two left.
pub fn theil_sen(numbers: &[f64]) -> Option<Fit> {
    let finite = || numbers.iter().enumerate().filter(|(_, number)| number.is_finite());
    let mut slopes = Vec::with_capacity(numbers.len() * numbers.len() / 2);
    for (i, left) in finite() {
        slopes.extend(finite().skip_while(|(j, _)| *j <= i).map(|(j, right)| (right - left) / (j - i) as f64));
    }
    let slope = median(&mut slopes)?;
    let mut rests: Vec<f64> = finite().map(|(i, number)| number - slope * i as f64).collect();
    let intercept = median(&mut rests)?;
    for rest in &mut rests {
        *rest = (*rest - intercept).abs();
    }
    let noise = MAD_TO_SIGMA * median(&mut rests)?;
    Some(Fit { slope, intercept, noise })
}

/// The middle number, the upper one of two; `None` of nothing. Reorders its argument.
fn median(numbers: &mut [f64]) -> Option<f64> {
    if numbers.is_empty() {
        return None;
    }
    let middle = numbers.len() / 2;
    Some(*numbers.select_nth_unstable_by(middle, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_the_line_among_wild_numbers() {
        let mut numbers: Vec<f64> = (0..20).map(|i| 100.0 + 3.0 * f64::from(i)).collect();
        numbers[4] = 900.0;
        numbers[11] = f64::NAN;
        numbers[15] = 0.0;
        let fit = theil_sen(&numbers).unwrap();
        assert!((fit.slope - 3.0).abs() < 1e-9, "{fit:?}");
        assert!((fit.intercept - 100.0).abs() < 1e-9, "{fit:?}");
        assert!(fit.noise < 1e-9, "{fit:?}");
    }

    proptest! {
        #[test]
        fn a_constant_shifts_only_the_intercept_and_units_scale_all(
            numbers in proptest::collection::vec(-1e6f64..1e6, 2..40),
            shift in -1e6f64..1e6,
            scale in 0.001f64..1000.0,
        ) {
            let close = |one: f64, two: f64| (one - two).abs() <= 1e-6 * (1.0 + one.abs() + two.abs());
            let fit = theil_sen(&numbers).unwrap();
            let shifted = theil_sen(&numbers.iter().map(|number| number + shift).collect::<Vec<_>>()).unwrap();
            prop_assert!(close(shifted.slope, fit.slope) && close(shifted.noise, fit.noise));
            prop_assert!(close(shifted.intercept, fit.intercept + shift));
            let scaled = theil_sen(&numbers.iter().map(|number| number * scale).collect::<Vec<_>>()).unwrap();
            prop_assert!(close(scaled.slope, fit.slope * scale) && close(scaled.noise, fit.noise * scale));
        }
    }

    #[test]
    fn r_squared_is_the_share_that_the_line_explains() {
        let check = |numbers: &[f64], expected: Option<f64>| {
            let found = theil_sen(numbers).unwrap().r_squared(numbers);
            let is_close = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
                (found, expected) => found == expected,
            };
            assert!(is_close, "{numbers:?}: {found:?}, not {expected:?}");
        };
        check(&[1.0, 2.0, 3.0, 4.0], Some(1.0));
        check(&[0.0, 2.0, f64::NAN, 6.0, 8.0], Some(1.0));
        // The line goes through all but the last, which is 5 above it: 25 of 25 + 9 + 1 + 1 + 64 stay unexplained.
        check(&[0.0, 2.0, 4.0, 6.0, 13.0], Some(0.75));
        check(&[-1.0, 1.0, 0.0, -1.0, 1.0], Some(0.0));
        check(&[5.0; 4], None);
    }

    #[test]
    fn needs_two_numbers() {
        for numbers in [&[][..], &[1.0], &[f64::NAN, 1.0], &[f64::NAN; 3]] {
            assert_eq!(theil_sen(numbers), None, "{numbers:?}");
        }
        assert_eq!(theil_sen(&[5.0; 4]), Some(Fit { slope: 0.0, intercept: 5.0, noise: 0.0 }));
    }
}
