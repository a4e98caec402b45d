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
    let points: Vec<(f64, f64)> = numbers.iter().enumerate().map(|(i, number)| (i as f64, *number)).collect();
    let points: Vec<(f64, f64)> = points.into_iter().filter(|(_, number)| number.is_finite()).collect();
    let mut slopes = Vec::with_capacity(points.len() * points.len().saturating_sub(1) / 2);
    for (i, (x, y)) in points.iter().enumerate() {
        let later = points.get(i + 1..).unwrap_or_default();
        slopes.extend(later.iter().map(|(later_x, later_y)| sortable((later_y - y) / (later_x - x))));
    }
    let slope = median(&mut slopes)?;
    let mut rests: Vec<i64> = points.iter().map(|(x, y)| sortable(y - slope * x)).collect();
    let intercept = median(&mut rests)?;
    for rest in &mut rests {
        *rest = sortable((sorted(*rest) - intercept).abs());
    }
    let noise = MAD_TO_SIGMA * median(&mut rests)?;
    Some(Fit { slope, intercept, noise })
}

/// The middle number, the upper one of two; `None` of nothing. Reorders its argument.
fn median(numbers: &mut [i64]) -> Option<f64> {
    if numbers.is_empty() {
        return None;
    }
    let middle = numbers.len() / 2;
    Some(sorted(*numbers.select_nth_unstable(middle).1))
}

/// The number as an integer of the same order (that of [`f64::total_cmp`]): selecting among hundreds of slopes is most
/// of what a line costs, and integers compare in one step.
fn sortable(number: f64) -> i64 {
    flipped(number.to_bits().cast_signed())
}

/// The number again.
fn sorted(key: i64) -> f64 {
    f64::from_bits(flipped(key).cast_unsigned())
}

/// Turns the order of the negative ones, whose bits count away from zero.
const fn flipped(bits: i64) -> i64 {
    bits ^ (bits >> 63 & i64::MAX)
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

    /// The same by the book: every pair, sorted.
    fn by_the_book(numbers: &[f64]) -> Option<Fit> {
        let middle = |mut numbers: Vec<f64>| {
            numbers.sort_by(f64::total_cmp);
            numbers.get(numbers.len() / 2).copied()
        };
        let finite = || numbers.iter().enumerate().filter(|(_, number)| number.is_finite());
        let pairs = finite().flat_map(|(i, one)| finite().map(move |(j, two)| (i, j, one, two)));
        let slopes = pairs.filter(|(i, j, ..)| i < j).map(|(i, j, one, two)| (two - one) / (j - i) as f64);
        let slope = middle(slopes.collect())?;
        let rests: Vec<f64> = finite().map(|(i, number)| number - slope * i as f64).collect();
        let intercept = middle(rests.clone())?;
        let noise = MAD_TO_SIGMA * middle(rests.iter().map(|rest| (rest - intercept).abs()).collect())?;
        Some(Fit { slope, intercept, noise })
    }

    proptest! {
        #[test]
        fn is_the_line_of_the_book_to_the_last_bit(
            numbers in proptest::collection::vec(prop_oneof![4 => -1e9f64..1e9, 1 => (-3i32..3).prop_map(f64::from), 1 => Just(f64::NAN)], 0..40),
        ) {
            let bits = |fit: Option<Fit>| fit.map(|fit| [fit.slope, fit.intercept, fit.noise].map(f64::to_bits));
            prop_assert_eq!(bits(theil_sen(&numbers)), bits(by_the_book(&numbers)));
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
