//! What a detector knows, packed: all that is held of a target between two polls, and what is written of it.
//!
//! Unpacked it is ten kilobytes in fifty pieces, of which a poll changes a few; ten thousand targets that wait for their next
//! poll should not take a hundred megabytes for it.

use std::cell::RefCell;
use std::sync::Arc;

use crate::leak::detector::DetectorState;

/// A [`DetectorState`] in few bytes; clones share them.
///
/// Fields are told apart by their place: a new one goes to the end of its struct and has a default, and [`Packed::unpack`]
/// reads what earlier versions wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed(Arc<[u8]>);

/// Why packed bytes cannot be understood: another version has written them, or they are damaged.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The form that this version writes.
    #[error("no detector's state in packed form")]
    Packed(#[from] rmp_serde::decode::Error),
    /// The form that earlier versions wrote.
    #[error("no detector's state in JSON")]
    Json(#[from] serde_json::Error),
}

/// How JSON begins, in which the state was written before it was packed.
const JSON: u8 = b'{';

impl Packed {
    /// Packs.
    #[expect(clippy::missing_panics_doc, reason = "plain data can always be packed")]
    pub fn of(state: &DetectorState) -> Self {
        thread_local! {
            /// It would grow in steps with each poll.
            static PACKED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        PACKED.with_borrow_mut(|packed| {
            packed.clear();
            rmp_serde::encode::write(packed, state).expect("plain data of known length, written to memory");
            Self(packed.as_slice().into())
        })
    }

    /// Takes packed bytes for what they are; [`Self::unpack`] finds out.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for the state database.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Unpacks.
    pub fn unpack(&self) -> Result<DetectorState, UnpackError> {
        if self.0.first() == Some(&JSON) {
            return Ok(serde_json::from_slice(&self.0)?);
        }
        Ok(rmp_serde::from_slice(&self.0)?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Timestamp;
    use crate::leak::event::PairPart;
    use crate::leak::{Detector, GaugeRule, Observation, Options};
    use crate::sample::Sample;

    /// Half a week of a process with everything that can be known of one: it leaks, is captured, restarts and is watched.
    fn eventful() -> Detector {
        let options = Options {
            gauges: vec![GaugeRule { name: "listeners".into(), maximum: Some(2_000.0), growth: true }],
            ..Options::default()
        };
        let mut detector = Detector::new(options);
        for poll in 0..10_000 {
            let at = Timestamp::from_unix_ms(1_760_000_000_000).plus(Duration::from_secs(30 * poll));
            let life = poll % 4_000;
            let sample = Sample {
                heap_used: Some(80_000_000 + life * 50_000 + poll * 7_919 % 900_000),
                heap_total: Some(120_000_000 + life * 50_000),
                external: Some(2_100_000),
                rss: Some(180_000_000 + life * 50_000),
                requests: Some(life * 1_000 + poll % 61),
                pid: Some(4_000 + poll / 4_000),
                uptime: Some(Duration::from_secs(30 * life)),
                gauges: vec![("listeners".into(), life as f64)],
                ..Sample::empty(at)
            };
            for event in detector.observe(Observation::Sample(&sample)) {
                if matches!(event.change, crate::leak::event::Change::SnapshotDue { .. }) {
                    detector.observe(Observation::CaptureBegan { at });
                    detector.observe(Observation::CaptureEnded { at, part: PairPart::First, stored: true });
                }
            }
        }
        detector
    }

    #[test]
    fn a_detector_comes_back_as_it_was() {
        let detector = eventful();
        assert!(!detector.picture().events.is_empty(), "it has seen something");
        let state = detector.to_state();
        assert_eq!(Packed::of(&state).unpack().unwrap(), state);
        assert_eq!(Packed::of(&DetectorState::default()).unpack().unwrap(), DetectorState::default());
    }

    #[test]
    fn what_was_written_as_json_is_understood() {
        let state = eventful().to_state();
        let written = Packed::from_bytes(&serde_json::to_vec(&state).unwrap());
        assert_eq!(written.unpack().unwrap(), state);
    }

    /// `eventful`, packed by a version that knew less of a signal and of a gauge.
    const BEFORE_FALLS: &[u8] = include_bytes!("../../tests/fixtures/states/before-falls.msgpack");

    #[test]
    fn what_an_earlier_version_packed_is_understood_and_gone_on_with() {
        let state = Packed::from_bytes(BEFORE_FALLS).unpack().unwrap();
        assert_ne!(Packed::of(&state).as_bytes(), BEFORE_FALLS, "this version knows more");
        let mut detector = Detector::restore(Options::default(), state);
        let before = detector.verdict();
        assert_eq!(before.state, eventful().verdict().state);
        let at = Timestamp::from_unix_ms(1_760_000_000_000).plus(Duration::from_mins(5_000));
        let next = Sample {
            heap_used: Some(180_000_000),
            pid: Some(4_002),
            uptime: Some(Duration::from_mins(1_000)),
            ..Sample::empty(at)
        };
        assert_eq!(detector.observe(Observation::Sample(&next)), [], "the same life goes on");
        assert_eq!(detector.verdict().signal, before.signal);
    }

    #[test]
    fn days_of_a_process_take_three_kilobytes() {
        let state = eventful().to_state();
        let (packed, json) = (Packed::of(&state).as_bytes().len(), serde_json::to_vec(&state).unwrap().len());
        assert!(packed <= 3_600 && packed * 3 < json, "{packed} bytes of {json}");
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let packed = Packed::of(&eventful().to_state());
        for bytes in [&b""[..], b"{", b"{\"lives\":7}", &packed.as_bytes()[..packed.as_bytes().len() / 2]] {
            assert!(Packed::from_bytes(bytes).unpack().is_err(), "{} bytes", bytes.len());
        }
    }
}
