//! Reads a snapshot into a [`Graph`], checking every reference on the way.
//!
//! Nothing is allocated because a header says so: tables grow with the bytes that are really there.

use std::io::Read;

use super::column::{Column, make_room};
use super::error::{FormatError, HeapError, Problem};
use super::graph::{EdgeKind, Graph, Labels, Node, NodeKind, ScriptPosition};
use super::header::{self, Header};
use super::rows::{Row, Rows};
use super::sections::{Sink, Splitter, Table};
use super::strings::Strings;
use crate::units::ByteSize;

/// How a snapshot is loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    /// Refuse a snapshot whose analysis would need more memory than this.
    pub budget: Option<ByteSize>,
    /// Skip the edges: less than half the memory, and nothing but classes, counts and locations.
    pub without_edges: bool,
}

impl LoadOptions {
    /// The options for another file while `held` stays in memory.
    #[must_use]
    pub(crate) fn beside(self, held: ByteSize) -> Self {
        let rest = |budget: ByteSize| ByteSize::new(budget.bytes().saturating_sub(held.bytes()));
        Self { budget: self.budget.map(rest), ..self }
    }
}

/// Bytes read at once: fits the second-level cache, so that they are still there when they are parsed.
const CHUNK_BYTES: usize = 256 << 10;

/// Most nodes and edges: their numbers are 32 bits wide and the last two values mean "none".
const MAX_ROWS: u64 = u32::MAX as u64 - 2;

/// Rows to make room for at once, whatever the header announces.
const MAX_RESERVED_ROWS: u64 = 1 << 24;

/// Reads a whole, uncompressed snapshot.
///
/// # Errors
/// [`HeapError::Format`] with offset and reason where the bytes are no consistent snapshot, [`HeapError::OverBudget`]
/// before anything large is allocated, [`HeapError::ReadOn`] where reading fails.
pub fn load(reader: impl Read, options: LoadOptions) -> Result<Graph, HeapError> {
    load_with_strings_at(reader, options).map(|(graph, _)| graph)
}

/// As [`load()`], and where in the document the strings begin.
pub(crate) fn load_with_strings_at(mut reader: impl Read, options: LoadOptions) -> Result<(Graph, u64), HeapError> {
    let mut splitter = Splitter::default();
    let mut loader = Loader { without_edges: options.without_edges, ..Loader::default() };
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = match reader.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(HeapError::ReadOn { offset: splitter.offset(), source }),
        };
        splitter.feed(&chunk[..length], &mut loader)?;
        if let Some(header) = &loader.header {
            check_budget(header, loader.strings.bytes(), options)?;
        }
    }
    splitter.finish()?;
    let strings_at = loader.strings_at;
    let graph = loader.finish().map_err(|problem| FormatError { offset: splitter.offset(), problem })?;
    Ok((graph, strings_at))
}

/// Reads as far as the header.
///
/// # Errors
/// [`HeapError::Format`] where there is none, [`HeapError::Read`] where reading fails.
pub fn read_header(mut reader: impl Read) -> Result<Header, HeapError> {
    /// The header takes 2 kB, and what follows is read again.
    const PIECE_BYTES: usize = 8 << 10;
    let mut splitter = Splitter::default();
    let mut loader = Loader { without_edges: true, ..Loader::default() };
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = match reader.read(&mut piece) {
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(HeapError::Read(error)),
        };
        let fed = splitter.feed(&piece[..length], &mut loader);
        match loader.header {
            Some(header) => return Ok(header),
            None if length == 0 => splitter.finish()?,
            None => fed?,
        }
    }
}

/// Strings are no part of the header, so that more of them than usual show only while they are read.
fn check_budget(header: &Header, string_bytes: u64, options: LoadOptions) -> Result<(), HeapError> {
    let Some(budget) = options.budget else { return Ok(()) };
    let whole = Header { edge_count: if options.without_edges { 0 } else { header.edge_count }, ..header.clone() };
    let usual = header.node_count.saturating_mul(header::STRING_BYTES_PER_NODE);
    let needed = header::estimate(&whole).bytes().saturating_add(string_bytes.saturating_sub(usual));
    if needed <= budget.bytes() {
        return Ok(());
    }
    let needed = ByteSize::new(needed);
    Err(HeapError::OverBudget { nodes: header.node_count, edges: header.edge_count, needed, budget })
}

/// The columns while they fill.
#[derive(Debug, Default)]
struct Loader {
    header: Option<Header>,
    without_edges: bool,
    rows: Option<Rows>,
    divider: Divider,
    node_kinds: Vec<NodeKind>,
    edge_kinds: Vec<EdgeKind>,
    kinds: Vec<NodeKind>,
    names: Vec<u32>,
    ids: Column,
    sizes: Column,
    first_edges: Vec<u32>,
    announced_edges: u64,
    largest_name: u64,
    targets: Vec<Node>,
    labels: Labels,
    locations: Vec<(Node, ScriptPosition)>,
    detachedness: Vec<(Node, u8)>,
    strings: Strings,
    strings_at: u64,
}

impl Sink for Loader {
    fn header(&mut self, header: Header) -> Result<(), Problem> {
        limit("nodes", header.node_count)?;
        limit("edges", header.edge_count)?;
        self.divider = Divider::by(header.node.fields);
        self.node_kinds = header.node.kinds.iter().map(|name| NodeKind::from_name(name)).collect();
        self.edge_kinds = header.edge.kinds.iter().map(|name| EdgeKind::from_name(name)).collect();
        self.header = Some(header);
        Ok(())
    }

    fn table_begins(&mut self, table: Table) -> Result<(), Problem> {
        let header = self.header.as_ref().ok_or(Problem::Missing("snapshot"))?;
        let fields = match table {
            Table::Nodes => header.node.fields,
            Table::Edges if self.kinds.is_empty() => return Err(Problem::Misplaced("edges")),
            Table::Edges => header.edge.fields,
            Table::Locations => match &header.location {
                Some(location) => location.fields,
                None => return Err(Problem::Misplaced("locations")),
            },
        };
        self.rows = Some(Rows::new(table.name(), fields));
        Ok(())
    }

    fn table_part(&mut self, table: Table, run: &[u8], offset: u64) -> Result<(), FormatError> {
        let Some(mut rows) = self.rows.take() else { return Ok(()) };
        self.make_room(table, run.len());
        match table {
            Table::Nodes => rows.feed(run, offset, |row| self.node(row))?,
            Table::Edges => rows.feed(run, offset, |row| self.edge(row))?,
            Table::Locations => rows.feed(run, offset, |row| self.location(row))?,
        }
        self.rows = Some(rows);
        Ok(())
    }

    fn table_ends(&mut self, table: Table) -> Result<(), Problem> {
        let Some(mut rows) = self.rows.take() else { return Ok(()) };
        match table {
            Table::Nodes => rows.finish(|row| self.node(row))?,
            Table::Edges => rows.finish(|row| self.edge(row))?,
            Table::Locations => rows.finish(|row| self.location(row))?,
        }
        let header = self.header.as_ref().ok_or(Problem::Missing("snapshot"))?;
        match table {
            Table::Nodes => same("nodes", header.node_count, rows.count)?,
            Table::Edges => same("edges", header.edge_count, rows.count)?,
            Table::Locations => return Ok(()),
        }
        if table == Table::Nodes {
            same("edges of nodes", header.edge_count, self.announced_edges)?;
            self.first_edges.push(narrow("edges", self.announced_edges)?);
        }
        Ok(())
    }

    fn strings_begin(&mut self, offset: u64) -> Result<(), Problem> {
        self.strings_at = offset;
        Ok(())
    }

    fn string_part(&mut self, run: &[u8]) -> Result<(), Problem> {
        self.strings.append(run);
        Ok(())
    }

    fn string_ends(&mut self) -> Result<(), Problem> {
        self.strings.end();
        Ok(())
    }
}

impl Loader {
    /// Makes room for what so many bytes can hold, and for what is announced, up to a bound.
    fn make_room(&mut self, table: Table, bytes: usize) {
        /// A digit and a comma.
        const SHORTEST_NUMBER: usize = 2;
        let Some(header) = &self.header else { return };
        let (fields, announced) = match table {
            Table::Nodes => (header.node.fields, header.node_count),
            Table::Edges if !self.without_edges => (header.edge.fields, header.edge_count),
            Table::Edges | Table::Locations => return,
        };
        let present = if table == Table::Nodes { self.kinds.len() } else { self.targets.len() };
        let outstanding = announced.saturating_sub(present as u64).min(MAX_RESERVED_ROWS);
        let step = usize::try_from(outstanding).unwrap_or(0) + 1;
        let rows = (bytes / SHORTEST_NUMBER / fields.max(1) + 1).min(step);
        if table == Table::Edges {
            make_room(&mut self.targets, rows, step);
            self.labels.make_room(rows, step);
            return;
        }
        make_room(&mut self.kinds, rows, step);
        make_room(&mut self.names, rows, step);
        self.ids.make_room(rows, step);
        self.sizes.make_room(rows, step);
        make_room(&mut self.first_edges, rows, step);
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "runs for each of millions of rows, and the release build is small first")]
    fn node(&mut self, row: &Row) -> Result<(), Problem> {
        let Some(Header { node: layout, node_count: announced, .. }) = &self.header else {
            return Err(Problem::Missing("snapshot"));
        };
        let kind = row[layout.kind];
        let known = usize::try_from(kind).ok().and_then(|kind| self.node_kinds.get(kind));
        let &kind = known.ok_or_else(|| out_of_range("node type", kind, self.node_kinds.len()))?;
        self.kinds.push(kind);
        if kind == NodeKind::Native
            && let Some(state) = layout.detachedness.map(|at| (row[at] & 3) as u8).filter(|&state| state != 0)
        {
            self.detachedness.push((Node(narrow("nodes", self.kinds.len() as u64 - 1)?), state));
        }
        let name = row[layout.name];
        self.largest_name = self.largest_name.max(name);
        self.names.push(narrow("strings", name)?);
        self.ids.push(row[layout.id]);
        self.sizes.push(row[layout.self_size]);
        self.first_edges.push(narrow("edges", self.announced_edges)?);
        self.announced_edges = self.announced_edges.saturating_add(row[layout.edge_count]);
        no_more_than("nodes", *announced, self.kinds.len())
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "runs for each of millions of rows, and the release build is small first")]
    fn edge(&mut self, row: &Row) -> Result<(), Problem> {
        let Some(Header { edge: layout, edge_count: announced, .. }) = &self.header else {
            return Err(Problem::Missing("snapshot"));
        };
        let kind = row[layout.kind];
        let known = usize::try_from(kind).ok().and_then(|kind| self.edge_kinds.get(kind));
        let &kind = known.ok_or_else(|| out_of_range("edge type", kind, self.edge_kinds.len()))?;
        let name = row[layout.name_or_index];
        if !kind.is_indexed() {
            self.largest_name = self.largest_name.max(name);
        }
        let target = self.divider.node(row[layout.to_node], self.kinds.len())?;
        if self.without_edges {
            return Ok(());
        }
        self.labels.push(kind, name);
        self.targets.push(target);
        no_more_than("edges", *announced, self.targets.len())
    }

    fn location(&mut self, row: &Row) -> Result<(), Problem> {
        let Some(Header { location: Some(layout), .. }) = &self.header else {
            return Err(Problem::Misplaced("locations"));
        };
        let node = self.divider.node(row[layout.object_index], self.kinds.len())?;
        let position = ScriptPosition {
            script_id: narrow("scripts", row[layout.script_id])?,
            line: narrow("lines", row[layout.line])?,
            column: narrow("columns", row[layout.column])?,
        };
        self.locations.push((node, position));
        Ok(())
    }

    fn finish(mut self) -> Result<Graph, Problem> {
        if self.kinds.is_empty() {
            return Err(Problem::Header("a heap without nodes".into()));
        }
        if self.largest_name >= self.strings.len() as u64 {
            return Err(out_of_range("string index", self.largest_name, self.strings.len()));
        }
        if self.without_edges {
            self.first_edges.fill(0);
        }
        // A node may stand twice; the last row counts, as in a map that is written in order.
        self.locations.reverse();
        self.locations.sort_by_key(|&(node, _)| node);
        self.locations.dedup_by_key(|&mut (node, _)| node);
        Ok(Graph {
            kinds: self.kinds,
            names: self.names,
            ids: self.ids,
            sizes: self.sizes,
            first_edges: self.first_edges,
            targets: self.targets,
            labels: self.labels,
            locations: self.locations,
            detachedness: self.detachedness,
            strings: self.strings,
        })
    }
}

/// Exact division of offsets in the nodes table by the fields of a row, as a multiplication.
#[derive(Clone, Copy, Debug, Default)]
struct Divider {
    fields: u64,
    /// 2^64 / fields rounded up: exact for dividends of up to 32 bits.
    reciprocal: u64,
}

impl Divider {
    fn by(fields: usize) -> Self {
        let fields = fields.max(1) as u64;
        Self { fields, reciprocal: (u64::MAX / fields).wrapping_add(1) }
    }

    /// The node that begins at `offset` of the nodes table.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the high half of a product, then checked against u32")]
    fn node(self, offset: u64, nodes: usize) -> Result<Node, Problem> {
        let quotient = match u32::try_from(offset) {
            Ok(_) if self.fields > 1 => ((u128::from(offset) * u128::from(self.reciprocal)) >> 64) as u64,
            _ => offset / self.fields,
        };
        if quotient < nodes as u64 && quotient * self.fields == offset {
            Ok(Node(quotient as u32))
        } else if quotient < nodes as u64 {
            Err(Problem::Header(format!("a reference to {offset}, which is within a node and not its start")))
        } else {
            Err(out_of_range("reference to a node", offset, nodes.saturating_mul(self.fields as usize)))
        }
    }
}

/// The table of a header that announces too little must not grow beyond the budget.
#[inline]
fn no_more_than(what: &'static str, announced: u64, found: usize) -> Result<(), Problem> {
    let found = found as u64;
    if found <= announced { Ok(()) } else { Err(Problem::CountMismatch { what, announced, found }) }
}

fn limit(what: &'static str, count: u64) -> Result<(), Problem> {
    if count <= MAX_ROWS { Ok(()) } else { Err(Problem::TooMany { what, limit: MAX_ROWS }) }
}

fn narrow(what: &'static str, value: u64) -> Result<u32, Problem> {
    u32::try_from(value).map_err(|_| Problem::TooMany { what, limit: u64::from(u32::MAX) })
}

fn same(what: &'static str, announced: u64, found: u64) -> Result<(), Problem> {
    if announced == found { Ok(()) } else { Err(Problem::CountMismatch { what, announced, found }) }
}

fn out_of_range(what: &'static str, value: u64, limit: usize) -> Problem {
    Problem::OutOfRange { what, value, limit: limit as u64 }
}

#[cfg(test)]
mod tests;
