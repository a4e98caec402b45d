//! The string table: kept as the bytes of the file with their escapes, decoded when printed.

use std::borrow::Cow;

/// All strings of a snapshot, end to end, and where each one stops.
#[derive(Clone, Debug, Default)]
pub struct Strings {
    bytes: Vec<u8>,
    ends: Vec<u64>,
}

impl Strings {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many bytes they have in the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The bytes of one string as the file has them, escapes included; empty where there is no such string.
    pub fn raw(&self, index: u32) -> &[u8] {
        let index = index as usize;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(index).copied().unwrap_or(start);
        let range = usize::try_from(start).unwrap_or(usize::MAX)..usize::try_from(end).unwrap_or(usize::MAX);
        self.bytes.get(range).unwrap_or_default()
    }

    /// The text of one string.
    pub fn get(&self, index: u32) -> Cow<'_, str> {
        decode(self.raw(index))
    }

    /// The index of the first string with these bytes in the file.
    pub fn find(&self, raw: &[u8]) -> Option<u32> {
        let at = (0..self.len()).find(|&at| u32::try_from(at).is_ok_and(|at| self.raw(at) == raw));
        at.and_then(|at| u32::try_from(at).ok())
    }

    pub(crate) fn append(&mut self, run: &[u8]) {
        self.bytes.extend_from_slice(run);
    }

    pub(crate) fn end(&mut self) {
        self.ends.push(self.bytes.len() as u64);
    }
}

/// Resolves the escapes of JSON. What is no proper escape or no UTF-8 becomes U+FFFD: text is for people here.
pub(crate) fn decode(raw: &[u8]) -> Cow<'_, str> {
    if !raw.contains(&b'\\') {
        return String::from_utf8_lossy(raw);
    }
    let mut quoted = Vec::with_capacity(raw.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(raw);
    quoted.push(b'"');
    match serde_json::from_slice::<String>(&quoted) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Owned(String::from_utf8_lossy(raw).replace('\\', "\u{FFFD}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_resolved_when_read() {
        let mut strings = Strings::default();
        for text in [r"plain", r"", r#"a \"b\" \\ \n"#, r"\u00e9\u4e2d", r"\ud83d\ude00", r"\ud83d", r"\q"] {
            strings.append(text.as_bytes());
            strings.end();
        }
        let texts: Vec<_> = (0..8).map(|at| strings.get(at).into_owned()).collect();
        let expected = ["plain", "", "a \"b\" \\ \n", "é中", "😀", "\u{FFFD}ud83d", "\u{FFFD}q", ""];
        assert_eq!(texts, expected);
        assert_eq!(strings.find(b"plain"), Some(0));
        assert_eq!(strings.find(b"absent"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_something(raw in proptest::collection::vec(any::<u8>(), 0..60)) {
            let text = decode(&raw).into_owned();
            prop_assert!(text.len() <= raw.len() * 3);
        }

        #[test]
        fn what_json_writes_reads_back(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let inner = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
            prop_assert_eq!(decode(inner.as_bytes()), text);
        }
    }
}
