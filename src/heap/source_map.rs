//! From a place in bundled code back to the source, by a source map of version 3 (ECMA-426), be it one map or made of
//! sections, as bundlers write that put finished parts together.
//!
//! Sections that stand elsewhere (`url`, of older drafts) are left out, and so are sections within sections.

use serde::Deserialize;

use super::culprit::rewrite_headline;
use super::report::{Location, Report};

/// A source map; its mappings are decoded only as far as they are asked for.
#[derive(Clone, Debug)]
pub struct SourceMap {
    /// In the order of the generated code.
    sections: Vec<Section>,
}

/// A map of what follows a place in the generated code. Counts from 0.
#[derive(Clone, Debug, Default, Deserialize)]
struct Section {
    offset: Offset,
    #[serde(default)]
    map: Option<PlainMap>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Offset {
    line: u32,
    column: u32,
}

/// The fields of a map as they stand in the file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct PlainMap {
    #[serde(rename = "sourceRoot")]
    root: Option<String>,
    sources: Vec<Option<String>>,
    #[serde(rename = "sourcesContent")]
    contents: Vec<Option<String>>,
    names: Vec<String>,
    mappings: String,
    /// Instead of all others.
    sections: Option<Vec<Section>>,
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
    /// Where the text is no JSON object with `mappings` or `sections`.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        // What servers put before JSON so that no script can include it.
        let json = if json.starts_with(b")]}'") { after_first_line(json) } else { json };
        let mut map: PlainMap = serde_json::from_slice(json)?;
        let mut sections = match map.sections.take() {
            Some(sections) => sections,
            None if map.mappings.is_empty() => return Err(serde::de::Error::missing_field("mappings")),
            None => vec![Section { map: Some(map), ..Section::default() }],
        };
        sections.sort_by_key(|section| section.offset);
        Ok(Self { sections })
    }

    /// The source of what stands at `line` and `column`, both from 1; none where the map does not tell.
    pub fn lookup(&self, line: u32, column: u32) -> Option<Original> {
        let (map, line, column) = self.within_section(line, column)?;
        map.lookup(line, column)
    }

    /// What the class was called whose constructor stands at `line` and `column`; none where it kept its name, and
    /// where the map has no source to make sure by.
    pub fn class_name(&self, line: u32, column: u32) -> Option<String> {
        let (map, line, column) = self.within_section(line, column)?;
        map.class_name(line, column)
    }

    /// The map of a place, and the place in it, from 0.
    fn within_section(&self, line: u32, column: u32) -> Option<(&PlainMap, u32, i64)> {
        let place = Offset { line: line.checked_sub(1)?, column: column.checked_sub(1)? };
        let Section { offset, map } = self.sections.iter().rev().find(|section| section.offset <= place)?;
        let column = if place.line == offset.line { place.column - offset.column } else { place.column };
        Some((map.as_ref()?, place.line - offset.line, i64::from(column)))
    }
}

fn after_first_line(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
    text.get(end..).unwrap_or_default()
}

impl PlainMap {
    fn lookup(&self, line: u32, column: i64) -> Option<Original> {
        let mut found = None;
        self.each_until(line, column, |segment| found = Some(segment))?;
        self.original(found.filter(|segment| segment.has_source)?)
    }

    /// Gives the mappings of a line up to a column; none where they cannot be read.
    fn each_until(&self, line: u32, column: i64, mut take: impl FnMut(Segment)) -> Option<()> {
        let mut at = Segment::default();
        for (number, text) in (0..=line).zip(self.mappings.split(';')) {
            at.column = 0;
            for segment in text.split(',').filter(|segment| !segment.is_empty()) {
                at = at.advanced_by(segment)?;
                if number == line && at.column <= column {
                    take(at);
                }
            }
        }
        Some(())
    }

    /// A minified class has its old name where it is declared: in the source, after the last `class` before the place.
    fn class_name(&self, line: u32, column: i64) -> Option<String> {
        let (mut declared, mut last) = (None, None);
        self.each_until(line, column, |segment| {
            declared = Some(segment).filter(|segment| segment.has_name && self.follows_class(segment)).or(declared);
            last = Some(segment);
        })?;
        let (declared, last) = (declared?, last?);
        let between = self.text_before(&last)?.get(self.text_before(&declared)?.len()..)?;
        let is_nearest = declared.source == last.source && !between.contains("class ");
        let name = usize::try_from(declared.name).ok().filter(|_| is_nearest)?;
        self.names.get(name).cloned()
    }

    fn follows_class(&self, segment: &Segment) -> bool {
        self.text_before(segment).is_some_and(|before| before.ends_with("class "))
    }

    /// The source up to a place.
    fn text_before(&self, segment: &Segment) -> Option<&str> {
        let source = self.contents.get(usize::try_from(segment.source).ok()?)?.as_deref()?;
        let line = usize::try_from(segment.line).ok()?;
        let start = match line.checked_sub(1) {
            Some(lines) => source.match_indices('\n').nth(lines)?.0 + 1,
            None => 0,
        };
        source.get(..start.checked_add(usize::try_from(segment.original_column).ok()?)?)
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
        let Some(map) = find(&at.script) else { continue };
        let Some(original) = map.lookup(at.line, at.column) else { continue };
        let is_constructor = culprit.class == culprit.function;
        if let Some(name) = map.class_name(at.line, at.column).filter(|_| is_constructor) {
            culprit.class.clone_from(&name);
            culprit.function = name;
        } else if let Some(name) = original.name.filter(|_| !is_constructor) {
            culprit.function = name;
        }
        culprit.generated = culprit.location.replace(original.location);
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
    fn sections_begin_where_they_say() {
        let json = format!(
            r#"{{"version":3,"sections":[{{"offset":{{"line":2,"column":100}},"map":{MAP}}},
            {{"offset":{{"line":0,"column":10}},"map":{MAP}}},{{"offset":{{"line":9,"column":0}},"url":"x.map"}}]}}"#
        );
        let map = SourceMap::parse(json.as_bytes()).unwrap();
        let place = |line, column| map.lookup(line, column).map(|found| (found.location.line, found.location.column));
        assert_eq!(place(1, 5), None, "before the first section");
        assert_eq!(place(1, 11), Some((1, 1)));
        assert_eq!(place(1, 35), Some((3, 10)));
        assert_eq!(place(3, 100), None, "the first section has one line");
        assert_eq!(place(3, 125), Some((3, 10)));
        assert_eq!(place(10, 1), None, "a section that stands elsewhere");
        let guarded = format!(")]}}'\n{MAP}");
        assert!(SourceMap::parse(guarded.as_bytes()).unwrap().lookup(1, 25).is_some());
        assert!(SourceMap::parse(b"{}").is_err());
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

    /// `class Session {}` and more of `class First {}\nclass Session { constructor(id) {} }`, as esbuild minifies it.
    #[test]
    fn a_minified_class_gets_its_name_back() {
        let json = r#"{"version":3,"sources":["a.ts"],"names":["First","Session"],
            "sourcesContent":["class First {}\nclass Session { constructor(id) { this.id = id; } }"],
            "mappings":"AAAA,MAAMA,CAAM,CAAC,CACb,MAAMC,CAAQ,CAAE,YAAYC"}"#;
        // Generated: `class e{}class o{constructor(n){...`
        let map = SourceMap::parse(json.replace("YAAYC", "YAAY").as_bytes()).unwrap();
        assert_eq!(map.class_name(1, 29), Some("Session".into()));
        assert_eq!(map.class_name(1, 8), Some("First".into()));
        let without_source = SourceMap::parse(json.replace("sourcesContent", "none").as_bytes()).unwrap();
        assert_eq!(without_source.class_name(1, 29), None);
    }

    proptest! {
        #[test]
        fn any_mappings_give_an_answer(mappings in "[A-Za-z0-9+/,;!]{0,80}", line in 0u32..5, column in 0u32..50) {
            let map = PlainMap { sources: vec![Some("a".into())], mappings, ..PlainMap::default() };
            let map = SourceMap { sections: vec![Section { map: Some(map), ..Section::default() }] };
            if let Some(found) = map.lookup(line, column) {
                prop_assert_eq!(found.location.script, "a");
            }
        }
    }
}
