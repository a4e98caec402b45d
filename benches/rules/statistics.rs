//! The statistics that the baselines are made of.

/// A least-squares line.
pub(crate) struct Line {
    /// Rise a second.
    pub(crate) slope: f64,
    /// Height at the last point.
    pub(crate) end: f64,
    /// Share of the variance that it explains.
    pub(crate) r_squared: f64,
}

impl Line {
    /// Through points of time and height; `None` with fewer than ten or all at one time.
    pub(crate) fn through(points: &[(f64, f64)]) -> Option<Self> {
        const LEAST: usize = 10;
        let last = points.last().filter(|_| points.len() >= LEAST)?.0;
        let count = points.len() as f64;
        let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / count;
        let (time, height) = (mean(|point| point.0), mean(|point| point.1));
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for (x, y) in points {
            let (x, y) = (x - time, y - height);
            (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
        }
        let slope = xy / xx;
        slope.is_finite().then(|| Self {
            slope,
            end: height + slope * (last - time),
            r_squared: if yy > 0.0 { xy * xy / (xx * yy) } else { 0.0 },
        })
    }
}

/// The standard score of Mann and Kendall's trend test (Kendall 1975), without correction for ties.
pub(crate) fn mann_kendall_z(points: &[(f64, f64)]) -> f64 {
    let pairs = points.iter().enumerate().flat_map(|(i, left)| points[i + 1..].iter().map(move |right| (left, right)));
    let score: f64 =
        pairs.map(|(left, right)| if right.1 > left.1 { 1.0 } else { f64::from(right.1 >= left.1) - 1.0 }).sum();
    let count = points.len() as f64;
    let variance = count * (count - 1.0) * (2.0 * count + 5.0) / 18.0;
    if variance > 0.0 { (score - score.signum()) / variance.sqrt() } else { 0.0 }
}

/// The median slope of all pairs, a second.
pub(crate) fn sen_slope(points: &[(f64, f64)]) -> Option<f64> {
    let pairs = points.iter().enumerate().flat_map(|(i, left)| points[i + 1..].iter().map(move |right| (left, right)));
    let mut slopes: Vec<f64> = pairs.map(|(left, right)| (right.1 - left.1) / (right.0 - left.0)).collect();
    slopes.sort_by(f64::total_cmp);
    slopes.get(slopes.len() / 2).copied()
}
