//! Cuts a snapshot into its top-level sections while its bytes pass by, in constant memory.
//!
//! The [`Splitter`] is pushed chunks of any size and hands the contents of the sections that matter to a [`Sink`]:
//! the verifier counts, the loader fills columns. Everything unknown is skipped without being understood.

use memchr::{memchr, memchr2};

use super::error::{FormatError, Problem};
use super::header::Header;

/// Longest header: V8 writes about 1.5 kB.
const MAX_HEADER_BYTES: usize = 1 << 20;
/// Longest key worth comparing; the longest known one has 19 bytes.
const MAX_KEY_BYTES: usize = 32;

/// A section that is an array of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// One row a node.
    Nodes,
    /// One row an edge, in the order of the nodes that they leave.
    Edges,
    /// One row an object with a place in the source.
    Locations,
}

impl Table {
    /// The key of the section.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Edges => "edges",
            Self::Locations => "locations",
        }
    }
}

/// Takes the contents of the sections. Offsets count bytes of the document; an error stops the splitter.
pub trait Sink {
    /// The parsed `snapshot` section, before anything else.
    fn header(&mut self, header: Header) -> Result<(), Problem>;
    /// A table begins.
    fn table_begins(&mut self, table: Table) -> Result<(), Problem>;
    /// A run of a table's bytes: digits, commas and white space, cut anywhere, also within a number.
    fn table_part(&mut self, table: Table, run: &[u8], offset: u64) -> Result<(), FormatError>;
    /// The closing bracket of a table was seen.
    fn table_ends(&mut self, table: Table) -> Result<(), Problem>;
    /// The string table begins; its first quote is at or after `offset`.
    fn strings_begin(&mut self, offset: u64) -> Result<(), Problem>;
    /// A run of the bytes of one string as they stand in the file, escapes included, cut anywhere.
    fn string_part(&mut self, run: &[u8]) -> Result<(), Problem>;
    /// The closing quote of a string.
    fn string_ends(&mut self) -> Result<(), Problem>;
}

/// A push parser for the outermost level of a snapshot.
#[derive(Debug)]
pub struct Splitter {
    state: State,
    offset: u64,
    key: Vec<u8>,
    header: Vec<u8>,
    seen: Seen,
}

/// A bit a section, set once it has passed, since each may stand only once.
#[derive(Clone, Copy, Debug, Default)]
struct Seen(u8);

impl Seen {
    /// In the order in which V8 writes them; all but the locations must be there.
    const SECTIONS: [&str; 5] = ["snapshot", "nodes", "edges", "strings", "locations"];
    const REQUIRED: usize = 4;

    fn bit(section: &str) -> u8 {
        Self::SECTIONS.iter().position(|&known| known == section).map_or(0, |at| 1 << at)
    }

    fn has(self, section: &str) -> bool {
        self.0 & Self::bit(section) != 0
    }

    /// Notes that `section` begins, for the first time or not at all.
    fn begin(&mut self, section: &'static str) -> Result<(), Problem> {
        if self.has(section) {
            return Err(Problem::Misplaced(section));
        }
        self.0 |= Self::bit(section);
        Ok(())
    }

    fn first_missing(self) -> Option<&'static str> {
        Self::SECTIONS[..Self::REQUIRED].iter().find(|section| !self.has(section)).copied()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    BeforeKey { first: bool },
    Key { escaped: bool },
    BeforeColon,
    BeforeValue,
    Header(Nesting),
    InTable(Table),
    BetweenStrings,
    InString { escaped: bool },
    Skipping(Nesting),
    SkippingScalar,
    AfterValue,
    Done,
}

/// How deep inside a skipped value the bytes are; a counter, so depth costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Nesting {
    depth: u64,
    in_string: bool,
    escaped: bool,
}

impl Nesting {
    /// Takes one byte; true when it closes the outermost bracket.
    fn closes(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return self.depth == 0 && !self.in_string;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}

impl Default for Splitter {
    fn default() -> Self {
        Self { state: State::Start, offset: 0, key: Vec::new(), header: Vec::new(), seen: Seen::default() }
    }
}

impl Splitter {
    /// Bytes taken so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes the next bytes of the document.
    pub fn feed<S: Sink>(&mut self, chunk: &[u8], sink: &mut S) -> Result<(), FormatError> {
        let mut rest = chunk;
        while !rest.is_empty() {
            let taken = self.step(rest, sink)?;
            self.offset += taken as u64;
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// The document must be whole now.
    pub fn finish(&self) -> Result<(), FormatError> {
        if self.state != State::Done {
            return Err(self.error(Problem::Truncated { inside: self.inside() }));
        }
        self.seen.first_missing().map_or(Ok(()), |section| Err(self.error(Problem::Missing(section))))
    }

    /// Takes at least one byte of `rest`, as many as the state can use, and says how many.
    fn step<S: Sink>(&mut self, rest: &[u8], sink: &mut S) -> Result<usize, FormatError> {
        match self.state {
            State::InTable(table) => self.in_table(table, rest, sink),
            State::InString { escaped } => self.in_string(escaped, rest, sink).map_err(|problem| self.error(problem)),
            State::Skipping(nesting) => Ok(self.skip(nesting, rest)),
            _ => {
                let byte = rest[0];
                self.take(byte, rest, sink).map_err(|problem| self.error(problem))?;
                Ok(1)
            }
        }
    }

    /// Takes one byte of the structure between the contents.
    fn take<S: Sink>(&mut self, byte: u8, rest: &[u8], sink: &mut S) -> Result<(), Problem> {
        self.state = match (self.state, byte) {
            (State::Key { escaped }, _) => self.in_key(escaped, byte),
            (State::Header(nesting), _) => return self.in_header(nesting, byte, sink),
            (State::SkippingScalar, b',' | b'}') => return self.after_value(byte),
            (State::SkippingScalar, _) => State::SkippingScalar,
            (state, b' ' | b'\n' | b'\r' | b'\t') => state,
            (State::Start, b'{') => State::BeforeKey { first: true },
            (State::BeforeKey { .. }, b'"') => {
                self.key.clear();
                State::Key { escaped: false }
            }
            (State::Start | State::BeforeKey { first: true }, _) => return Err(not_a_snapshot(rest)),
            (State::BeforeColon, b':') => State::BeforeValue,
            (State::BeforeValue, _) => return self.begin_value(byte, sink),
            (State::BetweenStrings, b'"') => State::InString { escaped: false },
            (State::BetweenStrings, b',') => State::BetweenStrings,
            (State::BetweenStrings, b']') => State::AfterValue,
            (State::AfterValue, _) => return self.after_value(byte),
            _ => return Err(Problem::Unexpected { byte, inside: self.inside() }),
        };
        Ok(())
    }

    fn in_key(&mut self, escaped: bool, byte: u8) -> State {
        match byte {
            _ if escaped => State::Key { escaped: false },
            b'\\' => State::Key { escaped: true },
            b'"' => State::BeforeColon,
            _ => {
                if self.key.len() < MAX_KEY_BYTES {
                    self.key.push(byte);
                }
                State::Key { escaped: false }
            }
        }
    }

    /// Decides by the key what to do with the value that begins with `byte`.
    fn begin_value<S: Sink>(&mut self, byte: u8, sink: &mut S) -> Result<(), Problem> {
        if !self.seen.has("snapshot") && self.key != b"snapshot" {
            return Err(Problem::NotASnapshot { begins_with: format!("{{\"{}\":", printable(&self.key)) });
        }
        self.state = match (self.key.as_slice(), byte) {
            (b"snapshot", b'{') => {
                self.seen.begin("snapshot")?;
                self.header.push(byte);
                State::Header(Nesting { depth: 1, ..Nesting::default() })
            }
            (b"nodes", b'[') => begin_table(Table::Nodes, &mut self.seen, sink)?,
            (b"edges", b'[') => begin_table(Table::Edges, &mut self.seen, sink)?,
            (b"locations", b'[') => begin_table(Table::Locations, &mut self.seen, sink)?,
            (b"strings", b'[') => {
                self.seen.begin("strings")?;
                sink.strings_begin(self.offset + 1)?;
                State::BetweenStrings
            }
            (b"snapshot" | b"nodes" | b"edges" | b"locations" | b"strings", _) => {
                return Err(Problem::Unexpected { byte, inside: "the document" });
            }
            (_, b'{' | b'[') => State::Skipping(Nesting { depth: 1, ..Nesting::default() }),
            (_, b'"') => State::Skipping(Nesting { in_string: true, ..Nesting::default() }),
            _ => State::SkippingScalar,
        };
        Ok(())
    }

    fn in_header<S: Sink>(&mut self, mut nesting: Nesting, byte: u8, sink: &mut S) -> Result<(), Problem> {
        if self.header.len() == MAX_HEADER_BYTES {
            return Err(Problem::Header(format!("longer than {MAX_HEADER_BYTES} bytes")));
        }
        self.header.push(byte);
        if nesting.closes(byte) {
            sink.header(Header::parse(&self.header)?)?;
            self.header = Vec::new();
            self.state = State::AfterValue;
        } else {
            self.state = State::Header(nesting);
        }
        Ok(())
    }

    fn in_table<S: Sink>(&mut self, table: Table, rest: &[u8], sink: &mut S) -> Result<usize, FormatError> {
        let Some(end) = memchr(b']', rest) else {
            sink.table_part(table, rest, self.offset)?;
            return Ok(rest.len());
        };
        sink.table_part(table, &rest[..end], self.offset)?;
        sink.table_ends(table).map_err(|problem| self.error(problem))?;
        self.state = State::AfterValue;
        Ok(end + 1)
    }

    fn in_string<S: Sink>(&mut self, escaped: bool, rest: &[u8], sink: &mut S) -> Result<usize, Problem> {
        if escaped {
            sink.string_part(&rest[..1])?;
            self.state = State::InString { escaped: false };
            return Ok(1);
        }
        let Some(end) = memchr2(b'"', b'\\', rest) else {
            sink.string_part(rest)?;
            return Ok(rest.len());
        };
        if rest[end] == b'\\' {
            sink.string_part(&rest[..=end])?;
            self.state = State::InString { escaped: true };
        } else {
            sink.string_part(&rest[..end])?;
            sink.string_ends()?;
            self.state = State::BetweenStrings;
        }
        Ok(end + 1)
    }

    fn skip(&mut self, mut nesting: Nesting, rest: &[u8]) -> usize {
        let end = rest.iter().position(|&byte| nesting.closes(byte));
        self.state = if end.is_some() { State::AfterValue } else { State::Skipping(nesting) };
        end.map_or(rest.len(), |end| end + 1)
    }

    fn after_value(&mut self, byte: u8) -> Result<(), Problem> {
        self.state = match byte {
            b',' => State::BeforeKey { first: false },
            b'}' => State::Done,
            _ => return Err(Problem::Unexpected { byte, inside: self.inside() }),
        };
        Ok(())
    }

    fn error(&self, problem: Problem) -> FormatError {
        FormatError { offset: self.offset, problem }
    }

    /// The part of the document that the next byte belongs to, for messages.
    fn inside(&self) -> &'static str {
        match self.state {
            State::Start => "nothing at all",
            State::Header(_) => "the snapshot header",
            State::InTable(table) => table.name(),
            State::BetweenStrings | State::InString { .. } => "strings",
            State::Done => "what follows the document",
            State::BeforeKey { .. } | State::Key { .. } | State::BeforeColon | State::BeforeValue => "a key",
            State::Skipping(_) | State::SkippingScalar => "a section of no interest",
            State::AfterValue => "the document",
        }
    }
}

fn begin_table<S: Sink>(table: Table, seen: &mut Seen, sink: &mut S) -> Result<State, Problem> {
    seen.begin(table.name())?;
    sink.table_begins(table)?;
    Ok(State::InTable(table))
}

fn not_a_snapshot(rest: &[u8]) -> Problem {
    /// Enough to recognise a login page or an error message by.
    const EXCERPT_BYTES: usize = 40;
    Problem::NotASnapshot { begins_with: printable(&rest[..rest.len().min(EXCERPT_BYTES)]) }
}

fn printable(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| if (b' '..=b'~').contains(&b) { char::from(b) } else { '.' }).collect()
}
