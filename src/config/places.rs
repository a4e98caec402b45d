//! Where each key stands in the file: its line, for those who have to mend it.

use std::collections::BTreeMap;

use toml_edit::{ImDocument, Item, Key, TableLike, Value};

use super::report::join;

/// Lines by the path of the key, list items by number: `targets[0].snapshot.gap`.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<String, usize>);

impl Places {
    /// Finds every key of a text that has been parsed before; empty for one that is no TOML.
    pub(super) fn of(text: &str) -> Self {
        let Ok(document) = ImDocument::parse(text) else { return Self::default() };
        let newlines: Vec<usize> = text.match_indices('\n').map(|(offset, _)| offset).collect();
        let mut finder = Finder { newlines, found: BTreeMap::new() };
        finder.table("", document.as_table());
        Self(finder.found)
    }

    /// The line of a key or of a list item, from 1.
    pub(super) fn line(&self, place: &str) -> Option<usize> {
        self.0.get(place).copied()
    }
}

struct Finder {
    newlines: Vec<usize>,
    found: BTreeMap<String, usize>,
}

impl Finder {
    fn table(&mut self, place: &str, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let place = join(place, name);
            // A section written as [a.b] has its span, a value that of its key.
            let key = table.key(name).and_then(Key::span);
            self.note(&place, if item.is_value() { key } else { item.span().or(key) });
            self.item(&place, item);
        }
    }

    fn item(&mut self, place: &str, item: &Item) {
        if let Some(table) = item.as_table_like() {
            self.table(place, table);
        }
        for (index, table) in item.as_array_of_tables().into_iter().flatten().enumerate() {
            let place = format!("{place}[{index}]");
            self.note(&place, table.span());
            self.table(&place, table);
        }
        for (index, value) in item.as_array().into_iter().flatten().enumerate() {
            let place = format!("{place}[{index}]");
            self.note(&place, value.span());
            if let Value::InlineTable(table) = value {
                self.table(&place, table);
            }
        }
    }

    fn note(&mut self, place: &str, span: Option<std::ops::Range<usize>>) {
        if let Some(span) = span {
            let line = self.newlines.partition_point(|newline| *newline < span.start) + 1;
            self.found.insert(place.to_owned(), line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_key_has_its_line() {
        let text = "a = 1\n\n[web]\nlisten = \"off\"\n\n[[targets]]\nname = \"x\"\nsnapshot = { gap = \"1s\" }\n\n[targets.detection]\n\
                    block = \"1s\"\n[[targets]]\ngauges = [\n  { name = \"g\" },\n]\n\"odd key\" = 1\n";
        let places = Places::of(text);
        for (place, line) in [
            ("a", 1),
            ("web", 3),
            ("web.listen", 4),
            ("targets[0]", 6),
            ("targets[0].name", 7),
            ("targets[0].snapshot.gap", 8),
            ("targets[0].detection", 10),
            ("targets[0].detection.block", 11),
            ("targets[1]", 12),
            ("targets[1].gauges[0].name", 14),
            ("targets[1].odd key", 16),
        ] {
            assert_eq!(places.line(place), Some(line), "{place}");
        }
        assert_eq!(places.line("b"), None);
        assert_eq!(Places::of("a = \n").line("a"), None);
    }
}
