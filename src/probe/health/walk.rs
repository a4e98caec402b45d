//! One pass over the JSON text that keeps only what carries a known name or stands at a configured pointer.
//!
//! No tree is built: memory stays at the depth of the document (`serde_json` refuses more than 128 levels) and a fixed
//! number of candidates, whatever the body holds.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::Mapping;
use super::field::{Field, Kind};
use super::figure::{Outcome, Scalar, interpret};
use super::names::{self, Name};

/// More members with names of fields than this are not kept.
const MOST_CANDIDATES: usize = 64;
/// More than this are not even looked at, so that a body made of nothing else costs no time.
const MOST_LOOKED_AT: usize = 1024;
/// Members whose pointer is longer are not looked at.
const LONGEST_POINTER: usize = 512;
/// Numbers to offer as gauges.
const MOST_OTHERS: usize = 48;
/// Members of the top level to tell of, where nothing better is known.
const MOST_TOP_NAMES: usize = 8;

/// A member that carries the name of a field.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) field: Field,
    /// JSON pointer of the member.
    pub(super) pointer: String,
    /// So much of it points to the object that the name stands in.
    pub(super) home_bytes: usize,
    pub(super) scalar: Scalar,
    pub(super) outcome: Outcome,
    /// Place of its name among the field's names.
    pub(super) place: usize,
    pub(super) depth: usize,
    pub(super) is_among_memory: bool,
}

impl Candidate {
    /// JSON pointer of the object that the name stands in.
    pub(super) fn home(&self) -> &str {
        self.pointer.get(..self.home_bytes).unwrap_or_default()
    }
}

/// What one pass found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Members found by name, in the order of the document.
    pub(super) candidates: Vec<Candidate>,
    /// Values at the pointers of the mapping, in its order.
    pub(super) pointed: Vec<Option<Scalar>>,
    /// Values at the pointers of the gauges, in their order.
    pub(super) gauges: Vec<Option<Scalar>>,
    /// Elements of arrays, or members named by a number, that hold memory figures.
    pub(super) processes: usize,
    /// Names of the top level.
    pub(super) top_names: Vec<String>,
    /// Numbers that are no field's, by JSON pointer, in the order of the document.
    pub(super) others: Vec<(String, f64)>,
}

/// Reads the body once.
pub(super) fn walk(body: &[u8], mapping: &Mapping) -> Result<Findings, serde_json::Error> {
    // Some frameworks of other languages write a byte order mark, which JSON forbids and everybody skips.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut walker = Walker {
        pointed: mapping.pointers.iter().map(|pointer| tokens(&pointer.at)).collect(),
        gauges: mapping.gauges.iter().map(|(_, at)| tokens(at)).collect(),
        findings: Findings {
            pointed: vec![None; mapping.pointers.len()],
            gauges: vec![None; mapping.gauges.len()],
            ..Findings::default()
        },
        steps: Vec::new(),
        depth: 0,
        elements: 0,
        memory_in_elements: 0,
        looked_at: 0,
    };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    (&mut walker).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(walker.findings)
}

/// The reference tokens of a JSON pointer; `None` where it is none.
fn tokens(pointer: &str) -> Option<Vec<String>> {
    let rest = match pointer.strip_prefix('/') {
        Some(rest) => rest,
        None if pointer.is_empty() => return Some(Vec::new()),
        None => return None,
    };
    Some(rest.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")).collect())
}

struct Walker {
    pointed: Vec<Option<Vec<String>>>,
    gauges: Vec<Option<Vec<String>>>,
    findings: Findings,
    /// The path, and behind it steps of earlier ones, whose memory is used again.
    steps: Vec<Step>,
    /// So many of them are the path.
    depth: usize,
    /// How many steps of the path are elements.
    elements: usize,
    /// Memory figures seen so far inside elements.
    memory_in_elements: usize,
    /// Members with names of fields seen so far.
    looked_at: usize,
}

/// One member of the path from the top to the present value.
#[derive(Default)]
struct Step {
    key: String,
    plain: String,
    /// One of several alike: an element of an array, or a member named by a number (a worker's id).
    is_element: bool,
}

impl Walker {
    fn path(&self) -> &[Step] {
        self.steps.get(..self.depth).unwrap_or_default()
    }

    /// The place for the name of the next member.
    fn next_key(&mut self) -> &mut String {
        if self.steps.len() == self.depth {
            self.steps.push(Step::default());
        }
        &mut self.steps[self.depth].key
    }

    /// Visits the value of the member whose name was put into [`Self::next_key`].
    fn enter<E>(&mut self, visit: impl FnOnce(&mut Self) -> Result<(), E>) -> Result<(), E> {
        let Step { key, plain, is_element } = &mut self.steps[self.depth];
        *is_element = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
        names::make_plain(key, plain);
        let is_element = *is_element;
        let memory_before = self.memory_in_elements;
        self.elements += usize::from(is_element);
        self.depth += 1;
        visit(self)?;
        self.depth -= 1;
        self.elements -= usize::from(is_element);
        if is_element && self.elements == 0 && self.memory_in_elements > memory_before {
            self.findings.processes += 1;
        }
        Ok(())
    }

    fn on_scalar(&mut self, scalar: &Scalar) {
        let path = self.steps.get(..self.depth).unwrap_or_default();
        let stands_here = |tokens: &Option<Vec<String>>| {
            tokens.as_ref().is_some_and(|tokens| {
                tokens.len() == path.len() && tokens.iter().zip(path).all(|(token, step)| *token == step.key)
            })
        };
        // A repeated member replaces the one before, as in JSON.parse.
        for (tokens, value) in self.pointed.iter().zip(&mut self.findings.pointed) {
            if stands_here(tokens) {
                *value = Some(scalar.clone());
            }
        }
        for (tokens, value) in self.gauges.iter().zip(&mut self.findings.gauges) {
            if stands_here(tokens) {
                *value = Some(scalar.clone());
            }
        }
        self.look_for_name(scalar);
    }

    fn look_for_name(&mut self, scalar: &Scalar) {
        // A name is never spread over elements. Only its few members are looked at: most values are nobody's.
        let tail = self.path().iter().rev().take(names::LONGEST_PATH).take_while(|step| !step.is_element);
        let mut plain = [""; names::LONGEST_PATH];
        let mut members = 0;
        for (place, step) in plain.iter_mut().rev().zip(tail) {
            *place = &step.plain;
            members += 1;
        }
        let Some(name) = plain.get(names::LONGEST_PATH - members..).and_then(names::recognise) else {
            return self.note_other(scalar);
        };
        if self.elements > 0 {
            self.memory_in_elements += usize::from(name.field.kind() == Kind::Memory);
        } else {
            self.keep(name, scalar);
        }
    }

    /// A number that a person may want to watch. Of elements, there is no telling which one it will be next time.
    fn note_other(&mut self, scalar: &Scalar) {
        let number = match scalar {
            Scalar::Unsigned(number) => *number as f64,
            Scalar::Number(number) if number.is_finite() => *number,
            _ => return,
        };
        if self.elements == 0
            && self.findings.others.len() < MOST_OTHERS
            && let Some(pointer) = pointer_of(self.path())
        {
            self.findings.others.push((pointer, number));
        }
    }

    fn keep(&mut self, name: Name, scalar: &Scalar) {
        self.looked_at += 1;
        if self.looked_at > MOST_LOOKED_AT {
            return;
        }
        let path = self.path();
        let Some(pointer) = pointer_of(path) else { return };
        let plain: Vec<&str> = path.iter().map(|step| step.plain.as_str()).collect();
        let home = plain.len() - name.members;
        let outcome = match names::out_of_place(name.field, plain.get(..home).unwrap_or_default()) {
            Some(parent) => Outcome::Unusable(format!("stands under `{parent}`, so it is not the present process")),
            None => interpret(name.field, name.unit, scalar),
        };
        let candidate = Candidate {
            field: name.field,
            home_bytes: path.iter().take(home).map(|step| step.pointed().map(str::len).sum::<usize>()).sum(),
            pointer,
            scalar: scalar.clone(),
            outcome,
            place: name.place,
            depth: self.depth,
            is_among_memory: names::is_among_memory(plain.get(..plain.len() - 1).unwrap_or_default()),
        };
        let candidates = &mut self.findings.candidates;
        if let Some(repeated) = candidates.iter_mut().find(|known| known.pointer == candidate.pointer) {
            *repeated = candidate;
        } else if candidates.len() < MOST_CANDIDATES {
            candidates.push(candidate);
        }
    }
}

impl Step {
    /// Its part of a JSON pointer, in pieces.
    fn pointed(&self) -> impl Iterator<Item = &str> {
        let pieces = self.key.split_inclusive(['~', '/']).flat_map(|piece| {
            let escape = match piece.as_bytes().last() {
                Some(b'~') => "~0",
                Some(b'/') => "~1",
                _ => return [piece, ""],
            };
            [piece.get(..piece.len() - 1).unwrap_or_default(), escape]
        });
        std::iter::once("/").chain(pieces)
    }
}

/// The JSON pointer of a path; `None` where it is too long to be anybody's.
fn pointer_of(path: &[Step]) -> Option<String> {
    let length: usize = path.iter().map(|step| step.key.len() + 1).sum();
    if length > LONGEST_POINTER {
        return None;
    }
    let mut pointer = String::with_capacity(length);
    pointer.extend(path.iter().flat_map(Step::pointed));
    Some(pointer)
}

/// Puts the name of a member where it belongs, without making a string of its own for it.
struct KeyInto<'w>(&'w mut String);

impl<'de> DeserializeSeed<'de> for KeyInto<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyInto<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<(), E> {
        self.0.clear();
        self.0.push_str(name);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for &mut Walker {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Walker {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.on_scalar(&Scalar::Null);
        Ok(())
    }

    fn visit_bool<E>(self, truth: bool) -> Result<(), E> {
        self.on_scalar(&Scalar::Bool(truth));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.on_scalar(&Scalar::Unsigned(number));
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.on_scalar(&Scalar::Number(number as f64));
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.on_scalar(&Scalar::Number(number));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.on_scalar(&Scalar::Text(text.to_owned()));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut index = 0_usize;
        let mut is_more = true;
        while is_more {
            let key = self.next_key();
            key.clear();
            key.push_str(&index.to_string());
            self.enter(|walker| {
                is_more = elements.next_element_seed(&mut *walker)?.is_some();
                Ok(())
            })?;
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while members.next_key_seed(KeyInto(self.next_key()))?.is_some() {
            if self.depth == 0 && self.findings.top_names.len() < MOST_TOP_NAMES {
                let name = crate::http::excerpt(self.next_key(), 32);
                self.findings.top_names.push(name);
            }
            self.enter(|walker| members.next_value_seed(walker))?;
        }
        Ok(())
    }
}
