//! The edges of `WeakMap` entries. V8 writes two of one entry, from the table and from the key to the value, and tells
//! of the pair only in the name: `7 / part of key (k @1) -> value (v @2) pair in WeakMap (table @3)`.

use std::collections::HashMap;

use memchr::memmem;

use super::bits::Bits;
use super::strings::Strings;

/// What the name of an ephemeron edge says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ephemeron {
    /// The id of the table.
    pub(crate) table: u64,
    /// The same number for the two edges of one entry.
    pub(crate) pair: u32,
}

/// All strings that are names of ephemeron edges.
#[derive(Debug)]
pub(crate) struct Ephemerons {
    /// A bit a string, since this is asked for every internal edge.
    known: Bits,
    by_string: HashMap<u32, Ephemeron>,
    pairs: usize,
}

impl Ephemerons {
    pub(crate) fn find(strings: &Strings) -> Self {
        let mut known = Bits::new(strings.len());
        let mut by_string = HashMap::new();
        let mut pairs: HashMap<&[u8], u32> = HashMap::new();
        for (index, at) in (0..).zip(0..strings.len()) {
            if let Some((tail, table)) = parse(strings.raw(index)) {
                let next = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
                let pair = *pairs.entry(tail).or_insert(next);
                by_string.insert(index, Ephemeron { table, pair });
                known.set(at);
            }
        }
        Self { known, pairs: pairs.len(), by_string }
    }

    /// How many pairs there are.
    pub(crate) fn pairs(&self) -> usize {
        self.pairs
    }

    /// What the string says when it names an ephemeron edge.
    #[inline]
    pub(crate) fn get(&self, string: u64) -> Option<Ephemeron> {
        let string = u32::try_from(string).ok()?;
        if self.known.has(string as usize) { self.by_string.get(&string).copied() } else { None }
    }
}

/// The part that both names of a pair share, and the id of the table.
fn parse(name: &[u8]) -> Option<(&[u8], u64)> {
    if !name.first()?.is_ascii_digit() {
        return None;
    }
    let digits = name.iter().position(|byte| !byte.is_ascii_digit())?;
    let tail = &name[digits..];
    let key = after_id(tail.strip_prefix(b" / part of key (")?, b") -> value (")?;
    let table = after_id(key, b") pair in WeakMap (table @")?.strip_suffix(b")")?;
    Some((tail, number(table)?))
}

/// What stands after `NAME @ID` and `closing`; the name may hold anything, so each place is tried.
fn after_id<'a>(text: &'a [u8], closing: &[u8]) -> Option<&'a [u8]> {
    memmem::find_iter(text, closing).find_map(|at| {
        let digits = text[..at].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let id_follows = digits > 0 && text[..at - digits].ends_with(b" @");
        id_follows.then(|| &text[at + closing.len()..])
    })
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_are_ephemerons() {
        let name = b"17 / part of key (a) -> value ( @12) -> value (Object @34) pair in WeakMap (table @56)";
        let (tail, table) = parse(name).unwrap();
        assert_eq!((tail.len(), table), (name.len() - 2, 56));
        let others: [&[u8]; 5] = [
            b"",
            b"17",
            b"17 / part of key (a @1) -> value (b @2) pair in WeakMap (table @)",
            b"17 / part of key (a) -> value (b @2) pair in WeakMap (table @3)",
            b"x17 / part of key (a @1) -> value (b @2) pair in WeakMap (table @3)",
        ];
        for other in others {
            assert_eq!(parse(other), None, "{}", String::from_utf8_lossy(other));
        }
    }
}
