//! Blocks of samples, small: each field a column of differences, the columns cut into planes of bytes, all of it
//! packed by zstd.
//!
//! Sizes keep 12 significant bits of the largest in their block (half of 0.02 %, far below the noise of a heap),
//! times and uptime a tenth of a second where polls are seconds apart, everything else is exact. Recorded Node.js
//! processes with jittered polls take 2.2 bytes a sample in blocks of four hours; without rounding it would be 3.6.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::sample::Sample;
use crate::store::varint::{Reader, put_signed, put_unsigned, unzigzag, zigzag};

/// Samples in a full block: four hours at a poll every 30 s.
pub(super) const FULL: usize = 480;

/// A damaged block cannot ask for more; heapwatch never writes more than [`FULL`].
const MOST_SAMPLES: usize = 10_000;

/// First byte of every block.
const VERSION: u8 = 1;
/// Above what a block of ours can need (480 samples of a thousand gauges are 4 MB); a damaged one cannot ask for more.
const LARGEST_BODY: usize = 16 << 20;
const SIGNIFICANT_BITS: u32 = 12;
/// How hard a block is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// For good: above this level nothing gets smaller.
    Full,
    /// Until the next samples come, some minutes later. The level for good takes ten times as long, most of it to set up
    /// its tables, and would be most of what it costs to keep the samples.
    Open,
}

impl Packing {
    const fn zstd_level(self) -> i32 {
        match self {
            Self::Full => 12,
            Self::Open => 1,
        }
    }
}

/// A block that heapwatch did not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// The fields that are numbers, with how they are written and read back.
const FIELDS: [Field; 10] = [
    Field { get: |s| s.heap_used, set: |s, v| s.heap_used = v, rounded: true },
    Field { get: |s| s.heap_total, set: |s, v| s.heap_total = v, rounded: true },
    Field { get: |s| s.external, set: |s, v| s.external = v, rounded: true },
    Field { get: |s| s.array_buffers, set: |s, v| s.array_buffers = v, rounded: true },
    Field { get: |s| s.rss, set: |s, v| s.rss = v, rounded: true },
    Field { get: |s| s.heap_used_after_gc, set: |s, v| s.heap_used_after_gc = v, rounded: true },
    Field { get: |s| s.memory_limit, set: |s, v| s.memory_limit = v, rounded: false },
    Field { get: |s| s.major_gcs, set: |s, v| s.major_gcs = v, rounded: false },
    Field { get: |s| s.requests, set: |s, v| s.requests = v, rounded: false },
    Field { get: |s| s.pid, set: |s, v| s.pid = v, rounded: false },
];

struct Field {
    get: fn(&Sample) -> Option<u64>,
    set: fn(&mut Sample, Option<u64>),
    rounded: bool,
}

/// Packs samples that are in order of time.
pub(super) fn encode(samples: &[Sample], packing: Packing) -> std::io::Result<Vec<u8>> {
    let unit = time_unit(samples);
    let mut body = Vec::new();
    put_unsigned(&mut body, samples.len() as u64);
    put_unsigned(&mut body, unit.unsigned_abs());
    let steady: Vec<i64> = samples.iter().map(|sample| rounded_time(sample.at.steady_ms(), unit)).collect();
    put_differences(&mut body, steady.iter().copied());
    // How far the wall clock is ahead: the same as long as it is not set.
    let ahead = |at: Timestamp| rounded_time(at.wall_ms().wrapping_sub(at.steady_ms()), unit);
    put_differences(&mut body, samples.iter().map(|sample| ahead(sample.at)));
    for field in FIELDS {
        put_column(&mut body, samples, field.get, field.rounded);
    }
    put_uptimes(&mut body, samples, &steady, unit);
    put_gauges(&mut body, samples);
    let mut block = vec![VERSION];
    put_unsigned(&mut block, body.len() as u64);
    block.extend(zstd::bulk::compress(&body, packing.zstd_level())?);
    Ok(block)
}

/// Unpacks a block.
pub(super) fn decode(block: &[u8]) -> Result<Vec<Sample>, Damaged> {
    let mut block = Reader::new(block);
    if block.byte()? != VERSION {
        return Err(Damaged);
    }
    let length = usize::try_from(block.unsigned()?).ok().filter(|length| *length <= LARGEST_BODY).ok_or(Damaged)?;
    let packed = block.bytes(block.left())?;
    let body = zstd::bulk::decompress(packed, length).map_err(|_| Damaged)?;
    let mut body = Reader::new(&body);
    let count = usize::try_from(body.unsigned()?).map_err(|_| Damaged)?;
    if count > MOST_SAMPLES {
        return Err(Damaged);
    }
    let unit = i64::try_from(body.unsigned()?).map_err(|_| Damaged)?;
    let steady = differences(&mut body, count)?;
    let ahead = differences(&mut body, count)?;
    let mut samples: Vec<Sample> = steady
        .iter()
        .zip(&ahead)
        .map(|(steady, ahead)| {
            let wall = steady.wrapping_add(*ahead).wrapping_mul(unit);
            Sample::empty(Timestamp::from_lines(steady.wrapping_mul(unit), wall))
        })
        .collect();
    for field in FIELDS {
        read_column(&mut body, &mut samples, field.set)?;
    }
    read_uptimes(&mut body, &mut samples, &steady, unit)?;
    read_gauges(&mut body, &mut samples)?;
    if body.left() == 0 { Ok(samples) } else { Err(Damaged) }
}

/// Milliseconds that times are rounded to.
fn time_unit(samples: &[Sample]) -> i64 {
    /// Polls this far apart need no milliseconds; a demonstration polls many times a second.
    const APART_MS: i64 = 5_000;
    let is_apart = |pair: &[Sample]| pair[1].at.steady_ms().saturating_sub(pair[0].at.steady_ms()) >= APART_MS;
    if samples.windows(2).all(is_apart) { 100 } else { 1 }
}

/// In units, to the nearest.
fn rounded_time(ms: i64, unit: i64) -> i64 {
    ms.saturating_add(unit / 2).div_euclid(unit)
}

/// The first value, then what each differs from the one before.
fn put_differences(body: &mut Vec<u8>, column: impl Iterator<Item = i64>) {
    let mut column = column.peekable();
    let Some(mut before) = column.next() else { return };
    put_signed(body, before);
    let differences: Vec<u64> =
        column.map(|value| zigzag(value.wrapping_sub(std::mem::replace(&mut before, value)))).collect();
    put_planes(body, &differences);
}

fn differences(body: &mut Reader<'_>, count: usize) -> Result<Vec<i64>, Damaged> {
    let Some(others) = count.checked_sub(1) else { return Ok(Vec::new()) };
    let mut value = body.signed()?;
    let mut column = vec![value];
    for difference in planes(body, others)? {
        value = value.wrapping_add(unzigzag(difference));
        column.push(value);
    }
    Ok(column)
}

/// All lowest bytes, then all second ones and so on: bytes of one kind side by side pack better.
fn put_planes(body: &mut Vec<u8>, values: &[u64]) {
    let largest = values.iter().max().copied().unwrap_or(0);
    let planes = 8 - largest.leading_zeros() / 8;
    body.push(planes.to_le_bytes()[0]);
    for plane in 0..planes as usize {
        body.extend(values.iter().map(|value| value.to_le_bytes()[plane]));
    }
}

fn planes(body: &mut Reader<'_>, count: usize) -> Result<Vec<u64>, Damaged> {
    let planes = body.byte()?;
    if planes > 8 || body.left() < usize::from(planes).saturating_mul(count) {
        return Err(Damaged);
    }
    let mut values = vec![0u64; count];
    for plane in 0..planes {
        for (value, byte) in values.iter_mut().zip(body.bytes(count)?) {
            *value |= u64::from(*byte) << (8 * plane);
        }
    }
    Ok(values)
}

/// Which samples have a value: `true` for all, or a bit for each.
fn put_presence(body: &mut Vec<u8>, presence: &[bool]) {
    let all = presence.iter().all(|present| *present);
    let none = presence.iter().all(|present| !present);
    body.push(if none {
        0
    } else if all {
        1
    } else {
        2
    });
    if !all && !none {
        for eight in presence.chunks(8) {
            body.push(eight.iter().rev().fold(0, |bits, present| bits << 1 | u8::from(*present)));
        }
    }
}

fn presence(body: &mut Reader<'_>, count: usize) -> Result<Vec<bool>, Damaged> {
    match body.byte()? {
        0 => Ok(vec![false; count]),
        1 => Ok(vec![true; count]),
        2 => {
            let bits = body.bytes(count.div_ceil(8))?;
            Ok((0..count).map(|at| bits[at / 8] >> (at % 8) & 1 == 1).collect())
        }
        _ => Err(Damaged),
    }
}

fn put_column(body: &mut Vec<u8>, samples: &[Sample], get: fn(&Sample) -> Option<u64>, rounded: bool) {
    let column: Vec<Option<u64>> = samples.iter().map(get).collect();
    put_presence(body, &column.iter().map(Option::is_some).collect::<Vec<_>>());
    let values: Vec<u64> = column.into_iter().flatten().collect();
    let Some(largest) = values.iter().max() else { return };
    let shift = if rounded { (64 - largest.leading_zeros()).saturating_sub(SIGNIFICANT_BITS) } else { 0 };
    put_unsigned(body, shift.into());
    let half = (1u64 << shift) >> 1;
    put_differences(body, values.into_iter().map(|value| (value.saturating_add(half) >> shift).cast_signed()));
}

fn read_column(
    body: &mut Reader<'_>,
    samples: &mut [Sample],
    set: fn(&mut Sample, Option<u64>),
) -> Result<(), Damaged> {
    let presence = presence(body, samples.len())?;
    let present = presence.iter().filter(|present| **present).count();
    if present == 0 {
        return Ok(());
    }
    let shift = u32::try_from(body.unsigned()?).ok().filter(|shift| *shift < 64).ok_or(Damaged)?;
    let mut values = differences(body, present)?.into_iter();
    for (sample, _) in samples.iter_mut().zip(&presence).filter(|(_, present)| **present) {
        set(sample, values.next().map(|value| value.cast_unsigned() << shift));
    }
    Ok(())
}

/// Uptime as the moment of the start, which is the same in a whole life.
fn put_uptimes(body: &mut Vec<u8>, samples: &[Sample], steady: &[i64], unit: i64) {
    put_presence(body, &samples.iter().map(|sample| sample.uptime.is_some()).collect::<Vec<_>>());
    let starts = samples.iter().zip(steady).filter_map(|(sample, steady)| {
        let uptime = i64::try_from(sample.uptime?.as_millis()).unwrap_or(i64::MAX);
        Some(steady.wrapping_sub(rounded_time(uptime, unit)))
    });
    put_differences(body, starts);
}

fn read_uptimes(body: &mut Reader<'_>, samples: &mut [Sample], steady: &[i64], unit: i64) -> Result<(), Damaged> {
    let presence = presence(body, samples.len())?;
    let mut starts = differences(body, presence.iter().filter(|present| **present).count())?.into_iter();
    for ((sample, steady), _) in samples.iter_mut().zip(steady).zip(&presence).filter(|(_, present)| **present) {
        let uptime = starts.next().map(|start| steady.wrapping_sub(start).wrapping_mul(unit));
        sample.uptime = uptime.map(|ms| Duration::from_millis(ms.cast_unsigned()));
    }
    Ok(())
}

/// Gauges by name, in the order in which they first occur; their values bit for bit.
fn put_gauges(body: &mut Vec<u8>, samples: &[Sample]) {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in samples.iter().flat_map(|sample| &sample.gauges) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    put_unsigned(body, names.len() as u64);
    for name in names {
        put_unsigned(body, name.len() as u64);
        body.extend_from_slice(name.as_bytes());
        let value_of = |sample: &Sample| sample.gauges.iter().find(|(other, _)| other == name).map(|(_, value)| *value);
        let column: Vec<Option<f64>> = samples.iter().map(value_of).collect();
        put_presence(body, &column.iter().map(Option::is_some).collect::<Vec<_>>());
        // What people count by (listeners, sockets) seldom changes, and leaves zeros.
        let mut before = 0;
        let bits = column.into_iter().flatten().map(f64::to_bits);
        let changes: Vec<u64> = bits.map(|bits| bits ^ std::mem::replace(&mut before, bits)).collect();
        put_planes(body, &changes);
    }
}

fn read_gauges(body: &mut Reader<'_>, samples: &mut [Sample]) -> Result<(), Damaged> {
    for _ in 0..body.unsigned()? {
        let length = usize::try_from(body.unsigned()?).map_err(|_| Damaged)?;
        let name = std::str::from_utf8(body.bytes(length)?).map_err(|_| Damaged)?.to_owned();
        let presence = presence(body, samples.len())?;
        let changes = planes(body, presence.iter().filter(|present| **present).count())?;
        let having = samples.iter_mut().zip(presence).filter(|(_, present)| *present);
        let mut bits = 0;
        for ((sample, _), change) in having.zip(changes) {
            bits ^= change;
            sample.gauges.push((name.clone(), f64::from_bits(bits)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A minute of a process, as heapwatch polls it.
    fn sample(number: u64) -> Sample {
        let uptime = Duration::from_millis(900_000 + 30_000 * number + number % 7);
        Sample {
            heap_used: Some(100_000_000 + number * 7_654_321 % 20_000_000),
            heap_total: Some(130_000_000),
            external: Some(1_122_948),
            array_buffers: Some(10_475),
            rss: Some(180_000_000 + number * 4_096),
            memory_limit: Some(536_870_912),
            heap_used_after_gc: None,
            major_gcs: Some(number / 3),
            requests: Some(number * 1_000 + number % 13),
            pid: Some(4_127),
            uptime: Some(uptime),
            gauges: vec![("listeners.uncaughtException".into(), number as f64)],
            ..Sample::empty(Timestamp::from_lines(30_000 * number.cast_signed(), 1_760_000_000_000))
        }
    }

    fn round_trip(samples: &[Sample]) -> Vec<Sample> {
        decode(&encode(samples, Packing::Full).unwrap()).unwrap()
    }

    fn is_near(before: Option<u64>, after: Option<u64>, largest: u64) -> bool {
        match (before, after) {
            (Some(before), Some(after)) => before.abs_diff(after) <= largest >> SIGNIFICANT_BITS,
            (before, after) => before == after,
        }
    }

    fn check(samples: &[Sample], read_back: &[Sample]) -> Result<(), TestCaseError> {
        prop_assert_eq!(samples.len(), read_back.len());
        let largest: Vec<u64> = FIELDS.map(|field| samples.iter().filter_map(field.get).max().unwrap_or(0)).into();
        for (before, after) in samples.iter().zip(read_back) {
            for (field, largest) in FIELDS.iter().zip(&largest) {
                let (before, after) = ((field.get)(before), (field.get)(after));
                let same = if field.rounded { is_near(before, after, *largest) } else { before == after };
                prop_assert!(same, "{before:?} came back as {after:?}");
            }
            prop_assert!(before.at.steady_ms().abs_diff(after.at.steady_ms()) <= 50);
            prop_assert!(before.at.wall_ms().abs_diff(after.at.wall_ms()) <= 100);
            let uptimes = before.uptime.zip(after.uptime).map(|(before, after)| before.abs_diff(after));
            prop_assert!(before.uptime.is_some() == after.uptime.is_some());
            prop_assert!(uptimes.is_none_or(|apart| apart <= Duration::from_millis(100)));
            let bits = |sample: &Sample| -> Vec<(String, u64)> {
                let mut gauges: Vec<_> =
                    sample.gauges.iter().map(|(name, value)| (name.clone(), value.to_bits())).collect();
                gauges.sort();
                gauges
            };
            prop_assert_eq!(bits(before), bits(after));
        }
        Ok(())
    }

    #[test]
    fn four_hours_of_a_process_take_less_than_three_bytes_a_sample() {
        let samples: Vec<Sample> = (0..FULL as u64).map(sample).collect();
        let block = encode(&samples, Packing::Full).unwrap();
        check(&samples, &decode(&block).unwrap()).unwrap();
        let without_gauge: Vec<Sample> =
            samples.iter().map(|sample| Sample { gauges: Vec::new(), ..sample.clone() }).collect();
        let bytes = encode(&without_gauge, Packing::Full).unwrap().len();
        assert!(bytes < 3 * FULL, "{bytes} bytes for {FULL} samples");
    }

    #[test]
    fn packing_again_what_was_unpacked_changes_nothing() {
        let samples: Vec<Sample> = (0..50).map(sample).collect();
        let once = round_trip(&samples);
        assert_eq!(round_trip(&once), once);
    }

    #[test]
    fn fast_polls_keep_their_milliseconds() {
        let at = |ms| Timestamp::from_lines(ms, 5 + ms);
        let samples = [17, 34, 51].map(|ms| Sample::empty(at(ms)));
        assert_eq!(round_trip(&samples), samples);
    }

    #[test]
    fn nothing_and_the_extremes_are_fine() {
        assert_eq!(round_trip(&[]), []);
        let mut extreme = Sample::empty(Timestamp::from_unix_ms(i64::MIN));
        extreme.pid = Some(u64::MAX);
        extreme.rss = Some(u64::MAX);
        extreme.uptime = Some(Duration::MAX);
        extreme.gauges = vec![(String::new(), f64::NAN)];
        let samples = [extreme, Sample::empty(Timestamp::from_lines(i64::MAX, i64::MIN))];
        assert_eq!(round_trip(&samples).len(), 2);
        assert_eq!(round_trip(&samples)[0].pid, Some(u64::MAX));
    }

    prop_compose! {
        fn any_sample()(
            steady in 0i64..1 << 45, off in -(1i64 << 40)..1 << 40, heap in proptest::option::of(0u64..1 << 40),
            rss in proptest::option::of(0u64..1 << 50), after_gc in proptest::option::of(0u64..1_000),
            limit: Option<u64>, requests: Option<u64>, uptime in proptest::option::of(0u64..1 << 40),
            gauges in proptest::collection::btree_map("[a-c]", any::<f64>(), 0..3),
        ) -> Sample {
            Sample {
                heap_used: heap, rss, heap_used_after_gc: after_gc, memory_limit: limit, requests,
                uptime: uptime.map(Duration::from_millis), gauges: gauges.into_iter().collect(),
                ..Sample::empty(Timestamp::from_lines(steady, steady + off))
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_packed_comes_back_within_the_stated_error(samples in proptest::collection::vec(any_sample(), 0..40)) {
            check(&samples, &round_trip(&samples))?;
        }

        #[test]
        fn byte_soup_is_damaged_and_no_panic(soup in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut body = vec![VERSION];
            put_unsigned(&mut body, soup.len() as u64);
            body.extend(zstd::bulk::compress(&soup, 1).unwrap());
            // Whatever it makes of them, it does not panic and asks for no more memory than the bytes warrant.
            prop_assert!(decode(&body).is_ok_and(|samples| samples.len() <= MOST_SAMPLES) || decode(&body).is_err());
            prop_assert!(decode(&soup).is_err() || soup.first() == Some(&VERSION));
        }

        #[test]
        fn a_flipped_bit_never_panics(place in 0usize..10_000, bit in 0u8..8) {
            let samples: Vec<Sample> = (0..60).map(sample).collect();
            let mut block = encode(&samples, Packing::Full).unwrap();
            let place = place % block.len();
            block[place] ^= 1 << bit;
            prop_assert!(decode(&block).is_ok_and(|samples| samples.len() <= MOST_SAMPLES) || decode(&block).is_err());
        }
    }
}
