//! The `snapshot` section: which fields a row has, what its types are called, how many rows follow.

use serde::Deserialize;

use super::error::Problem;
use crate::units::ByteSize;

/// Most fields in one row of nodes, edges or locations; V8 writes at most 7.
pub const MAX_FIELDS: usize = 16;
/// Most node or edge types; V8 has at most 16.
const MAX_KINDS: usize = 255;

/// What the header says of the rest of the file. Positions are field numbers within a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// How a row of the nodes section reads.
    pub node: NodeLayout,
    /// How a row of the edges section reads.
    pub edge: EdgeLayout,
    /// How a row of the locations section reads, where the file has locations.
    pub location: Option<LocationLayout>,
    /// Rows of the nodes section.
    pub node_count: u64,
    /// Rows of the edges section.
    pub edge_count: u64,
}

/// Positions of the fields of a node, and its types.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "V8's own field names")]
pub struct NodeLayout {
    pub fields: usize,
    pub kind: usize,
    pub name: usize,
    pub id: usize,
    pub self_size: usize,
    pub edge_count: usize,
    pub detachedness: Option<usize>,
    /// Names of the values of the type field.
    pub kinds: Vec<String>,
}

/// Positions of the fields of an edge, and its types.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "V8's own field names")]
pub struct EdgeLayout {
    pub fields: usize,
    pub kind: usize,
    pub name_or_index: usize,
    pub to_node: usize,
    /// Names of the values of the type field.
    pub kinds: Vec<String>,
}

/// Positions of the fields of a location.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "V8's own field names")]
pub struct LocationLayout {
    pub fields: usize,
    pub object_index: usize,
    pub script_id: usize,
    pub line: usize,
    pub column: usize,
}

#[derive(Deserialize)]
struct RawHeader {
    meta: RawMeta,
    node_count: u64,
    edge_count: u64,
}

#[derive(Deserialize)]
struct RawMeta {
    node_fields: Vec<String>,
    node_types: Vec<RawType>,
    edge_fields: Vec<String>,
    edge_types: Vec<RawType>,
    #[serde(default)]
    location_fields: Vec<String>,
}

/// The type of a field: an enumeration with the names of its values, or the name of a plain type.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawType {
    Names(Vec<String>),
    Plain(#[expect(dead_code, reason = "only its being no list matters")] String),
}

impl Header {
    /// Reads the value of the `snapshot` key.
    pub fn parse(json: &[u8]) -> Result<Self, Problem> {
        let raw: RawHeader = serde_json::from_slice(json).map_err(|error| Problem::Header(error.to_string()))?;
        let meta = raw.meta;
        Ok(Self {
            node: node_layout(&meta)?,
            edge: edge_layout(&meta)?,
            location: location_layout(&meta.location_fields)?,
            node_count: raw.node_count,
            edge_count: raw.edge_count,
        })
    }
}

fn node_layout(meta: &RawMeta) -> Result<NodeLayout, Problem> {
    let fields = &meta.node_fields;
    let kind = position(fields, "type")?;
    Ok(NodeLayout {
        fields: row_length(fields)?,
        kind,
        name: position(fields, "name")?,
        id: position(fields, "id")?,
        self_size: position(fields, "self_size")?,
        edge_count: position(fields, "edge_count")?,
        detachedness: position(fields, "detachedness").ok(),
        kinds: enumeration(&meta.node_types, kind, "node_types")?,
    })
}

fn edge_layout(meta: &RawMeta) -> Result<EdgeLayout, Problem> {
    let fields = &meta.edge_fields;
    let kind = position(fields, "type")?;
    Ok(EdgeLayout {
        fields: row_length(fields)?,
        kind,
        name_or_index: position(fields, "name_or_index")?,
        to_node: position(fields, "to_node")?,
        kinds: enumeration(&meta.edge_types, kind, "edge_types")?,
    })
}

fn location_layout(fields: &[String]) -> Result<Option<LocationLayout>, Problem> {
    if fields.is_empty() {
        return Ok(None);
    }
    Ok(Some(LocationLayout {
        fields: row_length(fields)?,
        object_index: position(fields, "object_index")?,
        script_id: position(fields, "script_id")?,
        line: position(fields, "line")?,
        column: position(fields, "column")?,
    }))
}

fn row_length(fields: &[String]) -> Result<usize, Problem> {
    if fields.len() <= MAX_FIELDS {
        Ok(fields.len())
    } else {
        Err(Problem::Header(format!("rows of {} fields, at most {MAX_FIELDS} are possible", fields.len())))
    }
}

fn position(fields: &[String], name: &str) -> Result<usize, Problem> {
    fields.iter().position(|field| field == name).ok_or_else(|| Problem::Header(format!("no field `{name}`")))
}

fn enumeration(types: &[RawType], at: usize, list: &str) -> Result<Vec<String>, Problem> {
    match types.get(at) {
        Some(RawType::Names(names)) if names.len() <= MAX_KINDS => Ok(names.clone()),
        _ => Err(Problem::Header(format!("`{list}` names no types"))),
    }
}

/// What a comparison keeps of the first snapshot while it reads the second, in bytes a node.
pub const BYTES_PER_NODE_KEPT: u64 = 21;
/// Peak memory of an analysis, in bytes a node.
pub const BYTES_PER_NODE: u64 = 48;
/// Peak memory of an analysis, in bytes an edge.
pub const BYTES_PER_EDGE: u64 = 12;
/// Of an analysis' bytes a node, those for the strings. What a heap has beyond comes on top.
pub const STRING_BYTES_PER_NODE: u64 = 10;
/// Memory of a graph that is read and not analysed yet, in bytes a node and an edge.
const BYTES_LOADED: (u64, u64) = (17 + STRING_BYTES_PER_NODE, 8);

/// Peak memory of analysing a snapshot with this header; known before a row is read.
///
/// Columns take 17 bytes a node and 8 an edge, the search for dominators 24 a node and 4 for each edge that runs
/// against it; what is left is room for the strings of an ordinary heap. A heap of many long strings needs their bytes
/// on top. Measured: 2,420 MB for a pair of which the second has 26.6 million nodes and 80.0 million edges, where this
/// and what is kept of the first say 2,635 MB.
pub fn estimate(header: &Header) -> ByteSize {
    weigh(header, BYTES_PER_NODE, BYTES_PER_EDGE)
}

/// Peak memory of comparing two snapshots when the second is read while the first is analysed.
pub fn estimate_side_by_side(before: &Header, after: &Header) -> ByteSize {
    let (a_node, an_edge) = BYTES_LOADED;
    let first = estimate(before).bytes().saturating_add(weigh(after, a_node, an_edge).bytes());
    let second = weigh(before, BYTES_PER_NODE_KEPT, 0).bytes().saturating_add(estimate(after).bytes());
    ByteSize::new(first.max(second))
}

fn weigh(header: &Header, a_node: u64, an_edge: u64) -> ByteSize {
    let nodes = header.node_count.saturating_mul(a_node);
    ByteSize::new(nodes.saturating_add(header.edge_count.saturating_mul(an_edge)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The header that Node 20 writes, with counts of choice.
    pub(crate) fn node20_header(nodes: u64, edges: u64) -> String {
        format!(
            r#"{{"meta":{{"node_fields":["type","name","id","self_size","edge_count","trace_node_id","detachedness"],
"node_types":[["hidden","array","string","object","code","closure","regexp","number","native","synthetic",
"concatenated string","sliced string","symbol","bigint","object shape"],"string","number","number","number","number",
"number"],"edge_fields":["type","name_or_index","to_node"],"edge_types":[["context","element","property","internal",
"hidden","shortcut","weak"],"string_or_number","node"],"trace_function_info_fields":["function_id"],
"location_fields":["object_index","script_id","line","column"]}},"node_count":{nodes},"edge_count":{edges},
"trace_function_count":0}}"#
        )
    }

    #[test]
    fn field_order_comes_from_the_file() {
        let header = Header::parse(node20_header(3, 2).as_bytes()).unwrap();
        assert_eq!((header.node_count, header.edge_count), (3, 2));
        assert_eq!((header.node.fields, header.node.edge_count, header.node.detachedness), (7, 4, Some(6)));
        let swapped = node20_header(3, 2).replace(r#""type","name","id""#, r#""id","name","type""#);
        let problem = Header::parse(swapped.as_bytes()).unwrap_err();
        assert_eq!(problem, Problem::Header("`node_types` names no types".into()));
    }

    #[test]
    fn a_header_without_its_fields_is_refused() {
        for (cut, instead) in
            [("\"id\",", ""), ("\"to_node\"", "\"node\""), ("\"node_count\"", "\"nodes\""), ("\"line\",", "")]
        {
            let json = node20_header(1, 1).replace(cut, instead);
            assert!(matches!(Header::parse(json.as_bytes()), Err(Problem::Header(_))), "{cut}");
        }
    }

    #[test]
    fn a_lying_count_is_an_estimate_and_no_allocation() {
        let header = Header::parse(node20_header(u64::MAX, u64::MAX).as_bytes()).unwrap();
        assert_eq!(estimate(&header), ByteSize::new(u64::MAX));
    }
}
