//! From a place in bundled code back to the source, by a source map of version 3 (ECMA-426).
//!
//! Maps that are themselves made of sections are not understood.

use serde::Deserialize;

use super::culprit::rewrite_headline;
use super::report::{Location, Report};

/// A source map as it stands in the file; it is decoded only as far as it is asked for.
#[derive(Clone, Debug, Deserialize)]
pub struct SourceMap {
    #[serde(default, rename = "sourceRoot")]
    root: Option<String>,
    sources: Vec<Option<String>>,
    #[serde(default)]
    names: Vec<String>,
    mappings: String,
}

/// A place in the original source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// The source file, the line and the column from 1.
    pub location: Location,
    /// What the thing there was called, where the map tells.
    pub name: Option<String>,
}

/// One mapping; counts from 0.
#[derive(Clone, Copy, Debug, Default)]
struct Segment {
    column: i64,
    source: i64,
    line: i64,
    original_column: i64,
    name: i64,
    has_source: bool,
    has_name: bool,
}

impl SourceMap {
    /// Reads a map.
    ///
    /// # Errors
    /// Where the text is no JSON object with `sources` and `mappings`.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// The source of what stands at `line` and `column`, both from 1; none where the map does not tell.
    pub fn lookup(&self, line: u32, column: u32) -> Option<Original> {
        let (line, column) = (line.checked_sub(1)?, i64::from(column.checked_sub(1)?));
        let mut at = Segment::default();
        let mut found = None;
        for (number, text) in (0..=line).zip(self.mappings.split(';')) {
            at.column = 0;
            for segment in text.split(',').filter(|segment| !segment.is_empty()) {
                at = at.advanced_by(segment)?;
                if number == line && at.column <= column {
                    found = Some(at);
                }
            }
        }
        self.original(found.filter(|segment| segment.has_source)?)
    }

    fn original(&self, segment: Segment) -> Option<Original> {
        let source = self.sources.get(usize::try_from(segment.source).ok()?)?.as_deref()?;
        let root = self.root.as_deref().filter(|root| !root.is_empty());
        let script = root.map_or_else(|| source.to_owned(), |root| format!("{}/{source}", root.trim_end_matches('/')));
        let from_one = |number: i64| u32::try_from(number).ok()?.checked_add(1);
        let location = Location { script, line: from_one(segment.line)?, column: from_one(segment.original_column)? };
        let name = usize::try_from(segment.name).ok().filter(|_| segment.has_name).and_then(|at| self.names.get(at));
        Some(Original { location, name: name.cloned() })
    }
}

impl Segment {
    /// Adds the differences that a segment's text holds.
    fn advanced_by(self, text: &str) -> Option<Self> {
        let mut fields = [0; 5];
        let mut count = 0;
        let mut digits = text.bytes();
        while digits.len() > 0 {
            *fields.get_mut(count)? = next_number(&mut digits)?;
            count += 1;
        }
        let [column, source, line, original_column, name] = fields;
        Some(Self {
            column: self.column.checked_add(column)?,
            source: self.source.checked_add(source)?,
            line: self.line.checked_add(line)?,
            original_column: self.original_column.checked_add(original_column)?,
            name: self.name.checked_add(name)?,
            has_source: count >= 4,
            has_name: count == 5,
        })
    }
}

/// A number in base 64, five bits a digit, the lowest first; the lowest bit of all is the sign.
fn next_number(digits: &mut impl Iterator<Item = u8>) -> Option<i64> {
    const MORE: i64 = 1 << 5;
    let (mut number, mut shift) = (0i64, 0);
    loop {
        let digit = digit(digits.next()?)?;
        number |= (digit & (MORE - 1)) << shift;
        shift += 5;
        if digit & MORE == 0 {
            let size = number >> 1;
            return Some(if number & 1 == 0 { size } else { -size });
        }
        if shift > 50 {
            return None;
        }
    }
}

fn digit(byte: u8) -> Option<i64> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(i64::from(value))
}

/// Puts the culprits' places back into their sources, where `find` has a map of the script.
pub fn restore_sources(report: &mut Report, find: impl Fn(&str) -> Option<SourceMap>) {
    for culprit in &mut report.culprits {
        let Some(at) = &culprit.location else { continue };
        let Some(original) = find(&at.script).and_then(|map| map.lookup(at.line, at.column)) else { continue };
        culprit.generated = culprit.location.replace(original.location);
        if let Some(name) = original.name {
            culprit.function = name;
        }
        rewrite_headline(culprit);
    }
    if let Some(first) = report.culprits.first() {
        report.headline.clone_from(&first.headline);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::heap::report::Culprit;

    /// `console.log(1);\n\nfunction add(first, second) {\n  return first + second;\n}` as esbuild 0.25 minifies it to
    /// `console.log(1);function add(n,o){return n+o}`.
    const MAP: &str = r#"{"version":3,"sources":["../src/add.js"],"names":["first","second"],
        "mappings":"AAAA,QAAQ,IAAI,CAAC,EAEb,SAAS,IAAIA,EAAOC,EAAQ,CAC1B,OAAOD,EAAQC,CACjB"}"#;

    #[test]
    fn a_place_in_a_bundle_is_one_in_a_source() {
        let map = SourceMap::parse(MAP.as_bytes()).unwrap();
        let place = |line, column| {
            map.lookup(line, column).map(|found| (found.location.line, found.location.column, found.name))
        };
        assert_eq!(place(1, 1), Some((1, 1, None)));
        assert_eq!(place(1, 25), Some((3, 10, None)));
        assert_eq!(place(1, 29), Some((3, 14, Some("first".into()))));
        assert_eq!(place(1, 34), Some((4, 3, None)));
        assert_eq!(place(2, 1), None);
        assert_eq!(place(0, 0), None);
        assert_eq!(map.lookup(1, 25).unwrap().location.script, "../src/add.js");
    }

    #[test]
    fn culprits_are_told_by_their_source() {
        let at = Location { script: "/srv/app.min.js".into(), line: 1, column: 25 };
        let culprit = Culprit {
            class: "Function".into(),
            function: "add".into(),
            count_delta: 3,
            location: Some(at.clone()),
            ..Culprit::default()
        };
        let mut report = Report { culprits: vec![culprit], ..Report::default() };
        restore_sources(&mut report, |script| {
            (script == "/srv/app.min.js").then(|| SourceMap::parse(MAP.as_bytes()).unwrap())
        });
        assert_eq!(report.culprits[0].generated, Some(at));
        assert!(report.headline.contains("add at add.js:3:10"), "{}", report.headline);
    }

    proptest! {
        #[test]
        fn any_mappings_give_an_answer(mappings in "[A-Za-z0-9+/,;!]{0,80}", line in 0u32..5, column in 0u32..50) {
            let map = SourceMap { root: None, sources: vec![Some("a".into())], names: vec![], mappings };
            if let Some(found) = map.lookup(line, column) {
                prop_assert_eq!(found.location.script, "a");
            }
        }
    }
}
