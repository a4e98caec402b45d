//! Is this a whole V8 heap snapshot? Answered while it downloads, in constant memory and about as fast as memory reads.
//!
//! Size alone proves nothing: the document must begin with the snapshot header, the tables must hold as many elements
//! as the header announces, and the closing brace must be the end. Whether the references between rows make sense is
//! left to the analysis.

use wide::u8x16;

use super::error::Problem;
use super::header::{Header, MAX_FIELDS};
use super::sections::{Sink, Splitter, Table};

pub use super::error::FormatError as VerifyError;

/// Takes the bytes of a snapshot as they come and tells at the end whether it was whole.
#[derive(Debug, Default)]
pub struct Verifier {
    splitter: Splitter,
    counter: Counter,
}

/// What a whole snapshot was found to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Nodes of the heap graph.
    pub node_count: u64,
    /// Edges of the heap graph.
    pub edge_count: u64,
    /// Entries of the string table.
    pub string_count: u64,
    /// Length of the document.
    pub bytes: u64,
}

impl Verifier {
    /// A verifier that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, of any number. After an error the verifier is of no more use.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), VerifyError> {
        self.splitter.feed(chunk, &mut self.counter)
    }

    /// What the header announced, as soon as it has passed.
    pub fn header(&self) -> Option<&Header> {
        self.counter.header.as_ref()
    }

    /// The document must be whole now.
    pub fn finish(self) -> Result<Facts, VerifyError> {
        self.splitter.finish()?;
        let bytes = self.splitter.offset();
        let Some(header) = self.counter.header else {
            return Err(VerifyError { offset: bytes, problem: Problem::Missing("snapshot") });
        };
        let Header { node_count, edge_count, .. } = header;
        Ok(Facts { node_count, edge_count, string_count: self.counter.strings, bytes })
    }
}

/// Counts what passes by.
#[derive(Debug, Default)]
struct Counter {
    header: Option<Header>,
    strings: u64,
    commas: u64,
    numbers: u64,
    /// Whether the byte before the run was a digit, so that a number cut in two counts once.
    after_digit: bool,
}

impl Sink for Counter {
    fn header(&mut self, header: Header) -> Result<(), Problem> {
        self.header = Some(header);
        Ok(())
    }

    fn table_begins(&mut self, _table: Table) -> Result<(), Problem> {
        (self.commas, self.numbers, self.after_digit) = (0, 0, false);
        Ok(())
    }

    fn table_part(&mut self, table: Table, run: &[u8], offset: u64) -> Result<(), VerifyError> {
        // So few words that the counts of a lane fit its byte.
        const BLOCK: usize = 255 * size_of::<u8x16>();
        for (block, from) in run.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
            if !self.count(block) {
                return Err(first_strange(table, block, offset + from));
            }
        }
        Ok(())
    }

    fn table_ends(&mut self, table: Table) -> Result<(), Problem> {
        let Some(header) = &self.header else { return Err(Problem::Missing("snapshot")) };
        if self.numbers != 0 && self.numbers != self.commas + 1 || self.numbers == 0 && self.commas != 0 {
            return Err(Problem::Unexpected { byte: b',', inside: table.name() });
        }
        match table {
            Table::Nodes => announced("node fields", header.node_count, header.node.fields, self.numbers),
            Table::Edges => announced("edge fields", header.edge_count, header.edge.fields, self.numbers),
            Table::Locations => whole_rows(header.location.as_ref().map_or(1, |rows| rows.fields), self.numbers),
        }
    }

    fn strings_begin(&mut self, _offset: u64) -> Result<(), Problem> {
        Ok(())
    }

    fn string_part(&mut self, _run: &[u8]) -> Result<(), Problem> {
        Ok(())
    }

    fn string_ends(&mut self) -> Result<(), Problem> {
        self.strings += 1;
        Ok(())
    }
}

impl Counter {
    /// Counts the commas and numbers of a block. False where it holds what no table holds.
    fn count(&mut self, block: &[u8]) -> bool {
        let Some((&first, after)) = block.split_first() else { return true };
        let mut is_usual = self.count_byte(first);
        // Words of bytes, and those of the bytes before each.
        let (words, rest) = after.as_chunks();
        let (befores, _) = block.as_chunks();
        let (mut commas, mut starts, mut usual) = (u8x16::ZERO, u8x16::ZERO, u8x16::MAX);
        for (&word, &before) in words.iter().zip(befores) {
            let word = u8x16::new(word);
            let (digit, comma) = (digits(word), equal(word, b','));
            // What holds is -1 in its lane.
            commas -= comma;
            starts -= digit & !digits(u8x16::new(before));
            // V8 writes no other space.
            usual &= digit | comma | equal(word, b'\n');
        }
        self.commas += sum_of_lanes(commas);
        self.numbers += sum_of_lanes(starts);
        if let Some(last) = words.last() {
            self.after_digit = last[15].is_ascii_digit();
        }
        is_usual &= usual.all() || words.as_flattened().iter().all(|&byte| is_allowed(byte));
        rest.iter().fold(is_usual, |is_usual, &byte| self.count_byte(byte) && is_usual)
    }

    fn count_byte(&mut self, byte: u8) -> bool {
        let is_digit = byte.is_ascii_digit();
        self.commas += u64::from(byte == b',');
        self.numbers += u64::from(is_digit && !self.after_digit);
        self.after_digit = is_digit;
        is_allowed(byte)
    }
}

const fn is_allowed(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b',' | b'\n' | b' ' | b'\r' | b'\t')
}

/// The lanes that hold a digit.
fn digits(word: u8x16) -> u8x16 {
    let value = word - u8x16::splat(b'0');
    value.simd_eq(value.min(u8x16::splat(9)))
}

/// The lanes that hold this byte.
fn equal(word: u8x16, byte: u8) -> u8x16 {
    word.simd_eq(u8x16::splat(byte))
}

fn sum_of_lanes(lanes: u8x16) -> u64 {
    lanes.to_array().into_iter().map(u64::from).sum()
}

fn announced(what: &'static str, rows: u64, fields: usize, found: u64) -> Result<(), Problem> {
    debug_assert!(fields <= MAX_FIELDS, "the header was parsed");
    let announced = rows.saturating_mul(fields as u64);
    if announced == found { Ok(()) } else { Err(Problem::CountMismatch { what, announced, found }) }
}

fn whole_rows(fields: usize, found: u64) -> Result<(), Problem> {
    let fields = fields as u64;
    let announced = found.div_ceil(fields) * fields;
    if announced == found { Ok(()) } else { Err(Problem::CountMismatch { what: "location fields", announced, found }) }
}

fn first_strange(table: Table, block: &[u8], offset: u64) -> VerifyError {
    let at = block.iter().position(|&byte| !is_allowed(byte)).unwrap_or_default();
    let byte = block.get(at).copied().unwrap_or_default();
    VerifyError { offset: offset + at as u64, problem: Problem::Unexpected { byte, inside: table.name() } }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::header::tests::node20_header;
    use super::*;

    fn snapshot() -> String {
        let header = node20_header(2, 1);
        format!(
            "{{\"snapshot\":{header},\n\"nodes\":[9,0,1,0,1,0,0\n,3,1,3,64,0,0,0\n],\n\"edges\":[2,2,7\n],\n\
             \"trace_function_infos\":[],\"trace_tree\":[[\"]}}\"]],\"extra\":-1.5e3,\"samples\":\"]\\\"}}\",\n\
             \"locations\":[7,5,0,3\n],\n\"strings\":[\"(root)\",\n\"a \\\"quoted\\\" \\\\\",\"]}}\"]}}\n"
        )
    }

    fn verify(document: &[u8], chunk: usize) -> Result<Facts, VerifyError> {
        let mut verifier = Verifier::new();
        for part in document.chunks(chunk) {
            verifier.feed(part)?;
        }
        verifier.finish()
    }

    #[test]
    fn a_whole_snapshot_passes_however_it_is_cut() {
        let document = snapshot();
        let expected = Facts { node_count: 2, edge_count: 1, string_count: 3, bytes: document.len() as u64 };
        for chunk in 1..document.len() {
            assert_eq!(verify(document.as_bytes(), chunk), Ok(expected), "chunks of {chunk}");
        }
    }

    #[test]
    fn every_shorter_snapshot_is_refused() {
        let document = snapshot();
        let whole = document.trim_end();
        for length in 0..whole.len() {
            let error = verify(&whole.as_bytes()[..length], 7).unwrap_err();
            assert!(matches!(error.problem, Problem::Truncated { .. }), "{length}: {error}");
        }
    }

    #[test]
    fn lies_are_named_with_their_place() {
        let checks: [(&str, &str, &str); 9] = [
            ("\"node_count\":2", "\"node_count\":3", "the header announces 21 node fields, the file holds 14"),
            ("\"edge_count\":1", "\"edge_count\":0", "the header announces 0 edge fields, the file holds 3"),
            ("[7,5,0,3", "[7,5,0", "the header announces 4 location fields, the file holds 3"),
            ("[2,2,7", "[2,-2,7", "unexpected byte 0x2d in edges"),
            ("[2,2,7", "[2,,7", "unexpected byte 0x2c in edges"),
            ("\"strings\":", "\"string\":", "the snapshot has no strings section"),
            ("\"locations\":[7,5,0,3\n]", "\"nodes\":[]", "the nodes section is out of place"),
            ("{\"snapshot\":", "{\"error\":", "not a V8 heap snapshot: it begins with `{\"error\":`"),
            ("{\"snapshot\":", "<html>", "not a V8 heap snapshot: it begins with `<html>"),
        ];
        for (was, now, expected) in checks {
            let error = verify(snapshot().replacen(was, now, 1).as_bytes(), 1 << 16).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{now}: {error}");
        }
    }

    #[test]
    fn bytes_after_the_end_are_refused() {
        let error = verify(format!("{}{{", snapshot()).as_bytes(), 1 << 16).unwrap_err();
        assert_eq!(error.problem, Problem::Unexpected { byte: b'{', inside: "what follows the document" });
    }

    #[test]
    fn a_million_brackets_cost_no_stack() {
        let deep = snapshot().replace("[[\"]}\"]]", &"[".repeat(1_000_000));
        let error = verify(deep.as_bytes(), 4096).unwrap_err();
        assert_eq!(error.problem, Problem::Truncated { inside: "a section of no interest" });
    }

    proptest! {
        #[test]
        fn words_count_as_bytes_do(
            run in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b','), Just(b'\n'), b'0'..=b'9'], 0..10_000),
            usual in any::<bool>(),
            cut in 0usize..10_000,
        ) {
            let allowed = |byte: &u8| byte.is_ascii_digit() || b",\n \r\t".contains(byte);
            let run: Vec<u8> = run.into_iter().filter(|byte| !usual || allowed(byte)).collect();
            let strange = run.iter().position(|byte| !allowed(byte));
            let mut counter = Counter::default();
            let (first, second) = run.split_at(cut.min(run.len()));
            let counted = counter
                .table_part(Table::Nodes, first, 7)
                .and_then(|()| counter.table_part(Table::Nodes, second, 7 + first.len() as u64));
            if let Some(at) = strange {
                prop_assert_eq!(counted.unwrap_err().offset, 7 + at as u64);
            } else {
                let numbers = run.split(|byte| !byte.is_ascii_digit()).filter(|digits| !digits.is_empty()).count();
                let commas = memchr::memchr_iter(b',', &run).count();
                prop_assert_eq!((counter.numbers, counter.commas), (numbers as u64, commas as u64));
            }
        }

        #[test]
        fn byte_soup_never_panics(soup in proptest::collection::vec(any::<u8>(), 0..400), at in 0usize..900) {
            let mut document = snapshot().into_bytes();
            let at = at.min(document.len());
            let end = (at + soup.len()).min(document.len());
            document.splice(at..end, soup);
            if let Ok(facts) = verify(&document, 64) {
                prop_assert_eq!((facts.node_count, facts.edge_count), (2, 1));
            }
        }
    }
}
