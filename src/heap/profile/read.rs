//! Reads a profile without a tree of the document: calls go into one list as they pass by.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{CallNode, Frame, Profile, Sample};

/// V8 remembers stacks of 128 calls; each is two levels of the document.
const DEEPEST_CALL: usize = 256;
/// More calls than a program makes: each takes some 40 bytes here.
const MOST_CALLS: usize = 1 << 20;
/// Characters of a name or a path that are read: a longer one is no name of a program's.
const LONGEST_NAME: usize = 1024;
/// At the usual rate of one in 512 KiB this is a heap of 2 TiB.
const MOST_SAMPLES: usize = 1 << 22;

/// Why bytes are no sampling heap profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The document is not of the format.
    #[error("not a sampling heap profile as V8 writes it")]
    Format(#[from] serde_json::Error),
    /// The two profiles are of different processes, or the sampling began anew between them.
    #[error(
        "the profiles are not of one run of one process: {shared_percent:.0} % of what the second remembers from before \
         the first is in the first"
    )]
    DifferentProcesses {
        /// Share of the older samples that the first profile has too, in percent.
        shared_percent: f64,
    },
    /// The second profile is the older one.
    #[error("the first profile is the later one: give the earlier first")]
    WrongOrder,
}

/// Reads a `.heapprofile`.
///
/// # Errors
/// [`ProfileError::Format`] with line and column where the document is no profile, nests deeper or holds more than any
/// profile of V8.
pub fn read(document: impl Read) -> Result<Profile, ProfileError> {
    let mut json = serde_json::Deserializer::from_reader(document);
    // A stack of 128 calls is 258 levels of JSON. The depth is bounded by `DEEPEST_CALL` instead.
    json.disable_recursion_limit();
    let mut building = Building::default();
    Document(&mut building).deserialize(&mut json)?;
    json.end()?;
    Ok(building.profile)
}

/// The profile so far, with the numbers of frames that were seen.
#[derive(Default)]
struct Building {
    profile: Profile,
    frames: HashMap<Frame, usize>,
}

impl Building {
    fn frame(&mut self, frame: Frame) -> usize {
        let Self { profile, frames } = self;
        *frames.entry(frame).or_insert_with_key(|frame| {
            profile.frames.push(frame.clone());
            profile.frames.len() - 1
        })
    }
}

/// The whole document; unknown members are skipped.
struct Document<'a>(&'a mut Building);

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `head` and `samples`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "head" if !self.0.profile.nodes.is_empty() => return Err(A::Error::duplicate_field("head")),
                "head" => members.next_value_seed(Call { building: self.0, parent: 0, depth: 0 })?,
                "samples" => members.next_value_seed(Samples(self.0))?,
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        if self.0.profile.nodes.is_empty() { Err(A::Error::missing_field("head")) } else { Ok(()) }
    }
}

/// One call with all below it.
struct Call<'a> {
    building: &'a mut Building,
    parent: usize,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Call<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Call<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a call with `callFrame`, `selfSize`, `id` and `children`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { building, parent, depth } = self;
        let at = building.profile.nodes.len();
        if depth > DEEPEST_CALL || at >= MOST_CALLS {
            let problem = format!("more than {DEEPEST_CALL} calls deep, or more than {MOST_CALLS} calls");
            return Err(A::Error::custom(problem));
        }
        // Its place comes before its children's, wherever its own members stand in the document.
        building.profile.nodes.push(CallNode { parent, ..CallNode::default() });
        let mut has_frame = false;
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "callFrame" => {
                    let frame = members.next_value::<WireFrame>()?.into();
                    building.profile.nodes[at].frame = building.frame(frame);
                    has_frame = true;
                }
                // V8 writes sizes as numbers with a fraction.
                "selfSize" => building.profile.nodes[at].self_bytes = whole(members.next_value()?),
                "id" => building.profile.nodes[at].id = whole(members.next_value()?),
                "children" => members.next_value_seed(Calls { building, parent: at, depth: depth + 1 })?,
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        if has_frame { Ok(()) } else { Err(A::Error::missing_field("callFrame")) }
    }
}

/// The calls that one call made.
struct Calls<'a> {
    building: &'a mut Building,
    parent: usize,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Calls<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Calls<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of calls")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut calls: A) -> Result<(), A::Error> {
        let Self { building, parent, depth } = self;
        while calls.next_element_seed(Call { building: &mut *building, parent, depth })?.is_some() {}
        Ok(())
    }
}

/// What V8 remembers, one by one.
struct Samples<'a>(&'a mut Building);

impl<'de> DeserializeSeed<'de> for Samples<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Samples<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of samples with `size`, `nodeId` and `ordinal`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut samples: A) -> Result<(), A::Error> {
        while let Some(WireSample { size, node_id, ordinal }) = samples.next_element()? {
            if self.0.profile.samples.len() >= MOST_SAMPLES {
                return Err(A::Error::custom(format!("more than {MOST_SAMPLES} samples")));
            }
            let sample = Sample { node_id: whole(node_id), bytes: whole(size), ordinal: whole(ordinal) };
            self.0.profile.samples.push(sample);
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireFrame {
    #[serde(default)]
    function_name: String,
    #[serde(default)]
    url: String,
    #[serde(default = "unknown")]
    line_number: f64,
    #[serde(default = "unknown")]
    column_number: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSample {
    size: f64,
    node_id: f64,
    ordinal: f64,
}

/// How V8 writes a line that it does not know.
const fn unknown() -> f64 {
    -1.0
}

impl From<WireFrame> for Frame {
    fn from(wire: WireFrame) -> Self {
        let from_one = |number: f64| u32::try_from(whole(number + 1.0)).unwrap_or(0);
        // ES modules are named by URL, CommonJS ones by path: one script, one name.
        let script = wire.url.strip_prefix("file://").map_or_else(|| wire.url.clone(), str::to_owned);
        let capped = |text: String| text.chars().take(LONGEST_NAME).collect();
        Self {
            function: capped(wire.function_name),
            script: capped(script),
            line: from_one(wire.line_number),
            column: from_one(wire.column_number),
        }
    }
}

/// A number as the protocol writes it, as a count: what is negative or no number is 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, and NaN is 0")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAK: &str = r#"{
        "head": {
            "callFrame": {"functionName": "(root)", "scriptId": "0", "url": "", "lineNumber": -1, "columnNumber": -1},
            "selfSize": 0, "id": 1, "children": [
                {"callFrame": {"functionName": "log", "scriptId": "7", "url": "file:///srv/log.mjs", "lineNumber": 9,
                    "columnNumber": 17}, "selfSize": 1048576.5, "id": 2, "children": []}]},
        "samples": [{"size": 524288, "nodeId": 2, "ordinal": 4}, {"size": 524288, "nodeId": 2, "ordinal": 9}],
        "extra": [[[{}]]]
    }"#;

    #[test]
    fn a_profile_reads_as_calls_and_samples() {
        let profile = read(LEAK.as_bytes()).unwrap();
        let log = Frame { function: "log".into(), script: "/srv/log.mjs".into(), line: 10, column: 18 };
        assert_eq!(profile.frames[1], log);
        assert_eq!(profile.nodes[1], CallNode { frame: 1, parent: 0, id: 2, self_bytes: 1_048_577 });
        assert_eq!(profile.samples[1], Sample { node_id: 2, bytes: 524_288, ordinal: 9 });
        assert_eq!(profile.total_bytes(), 1_048_577);
    }

    fn nested(depth: usize) -> String {
        let open = r#"{"callFrame":{"functionName":"f"},"children":["#.repeat(depth);
        format!(r#"{{"head":{open}{}{}"#, "]}".repeat(depth), "}")
    }

    #[test]
    fn the_deepest_stack_of_v8_reads_and_a_deeper_one_is_refused() {
        assert_eq!(read(nested(DEEPEST_CALL).as_bytes()).unwrap().nodes.len(), DEEPEST_CALL);
        let problem = read(nested(100_000).as_bytes()).unwrap_err();
        assert!(matches!(&problem, ProfileError::Format(at) if at.to_string().contains("calls deep")), "{problem:?}");
    }

    #[test]
    fn what_is_no_profile_is_refused_with_the_place() {
        for (document, reason) in [
            ("", "EOF"),
            ("[]", "invalid type: sequence, expected an object with `head`"),
            ("{}", "missing field `head`"),
            (r#"{"head":{}}"#, "missing field `callFrame`"),
            (r#"{"head":{"callFrame":{}},"head":{"callFrame":{}}}"#, "duplicate field `head`"),
            (r#"{"head":{"callFrame":{},"selfSize":"1"}}"#, "invalid type: string"),
            (r#"{"head":{"callFrame":{}}} x"#, "trailing characters"),
            (r#"{"snapshot":{"meta":{}}}"#, "missing field `head`"),
        ] {
            let ProfileError::Format(problem) = read(document.as_bytes()).unwrap_err() else { panic!("{document}") };
            assert!(problem.to_string().contains(reason), "{document}: {problem}");
        }
    }

    #[test]
    fn numbers_that_no_profile_has_are_no_danger() {
        let hostile = r#"{"head":{"callFrame":{"lineNumber":1e300,"columnNumber":-7},"selfSize":-1e300,"id":1e300},
            "samples":[{"size":1e300,"nodeId":-1,"ordinal":0.4}]}"#;
        let profile = read(hostile.as_bytes()).unwrap();
        assert_eq!((profile.frames[0].line, profile.nodes[0].self_bytes), (0, 0));
        assert_eq!(profile.samples[0].bytes, u64::MAX);
    }
}
