//! Writes what the service keeps alive as a V8 heap snapshot, in the format of Node.js 20 and in constant memory.
//!
//! Each object of the service is one node with its real size, so the sizes of all nodes add up to the reported heapUsed.

use std::fmt::Write as _;
use std::ops::Range;

use bytes::Bytes;
use serde_json::json;

use super::graph::{
    CLOSURE, CONTEXT_EDGE, EDGE_TYPES, ELEMENT_EDGE, Edge, FIXED_NODES, FUNCTION, FixedNode, INTERNAL_EDGE, NODE_TYPES,
    OBJECT, STRING, Strings, fixed_nodes,
};
use super::process::{CLOSURE_BYTES, CONTEXT_BYTES, Census, ListenerFacts};

/// Numbers per node; an edge names its target by node index times this.
const NODE_FIELDS: usize = 7;
/// Closure, context, request id, trace.
const NODES_PER_LISTENER: usize = 4;
const EDGES_PER_LISTENER: usize = 4;
/// All listeners come from one script; 0 would be none.
const SCRIPT_ID: u32 = 1;
/// Listeners written at a time: some 100 KB of text.
const LISTENERS_PER_CHUNK: usize = 500;

/// A snapshot, ready to be written piece by piece.
pub(super) struct Snapshot {
    census: Census,
    fixed: [FixedNode; FIXED_NODES],
    strings: Strings,
    names: Names,
}

/// What all listeners have in common, as indexes of strings.
struct Names {
    anonymous: usize,
    context_object: usize,
    shared: usize,
    context: usize,
    request_id: usize,
    trace: usize,
}

/// A piece of the text that is made at once.
enum Part {
    Head,
    Nodes(Range<usize>),
    FixedEdges,
    Elements(Range<usize>),
    Edges(Range<usize>),
    BetweenEdgesAndLocations,
    Locations(Range<usize>),
    FixedStrings,
    Strings(Range<usize>),
    End,
}

impl Snapshot {
    pub(super) fn new(census: Census) -> Self {
        let mut strings = Strings::default();
        let fixed = fixed_nodes(&census, &mut strings);
        let names = Names {
            anonymous: strings.index(""),
            context_object: strings.index("system / Context"),
            shared: strings.index("shared"),
            context: strings.index("context"),
            request_id: strings.index("requestId"),
            trace: strings.index("trace"),
        };
        Self { census, fixed, strings, names }
    }

    /// The text, each chunk made when it is asked for.
    pub(super) fn into_chunks(self) -> impl Iterator<Item = Bytes> + Send {
        self.parts().into_iter().map(move |part| Bytes::from(self.render(part)))
    }

    fn parts(&self) -> Vec<Part> {
        let count = self.census.listeners.len();
        let in_chunks = |part: fn(Range<usize>) -> Part| {
            let starts = (0..count).step_by(LISTENERS_PER_CHUNK);
            starts.map(move |start| part(start..count.min(start + LISTENERS_PER_CHUNK)))
        };
        let mut parts = vec![Part::Head];
        parts.extend(in_chunks(Part::Nodes));
        parts.push(Part::FixedEdges);
        parts.extend(in_chunks(Part::Elements));
        parts.extend(in_chunks(Part::Edges));
        parts.push(Part::BetweenEdgesAndLocations);
        parts.extend(in_chunks(Part::Locations));
        parts.push(Part::FixedStrings);
        parts.extend(in_chunks(Part::Strings));
        parts.push(Part::End);
        parts
    }

    fn render(&self, part: Part) -> String {
        match part {
            Part::Head => self.head(),
            Part::Nodes(range) => self.each_listener(range, |text, i, listener| self.write_nodes(text, i, listener)),
            Part::FixedEdges => self.fixed_edges(),
            Part::Elements(range) => self.each_listener(range, |text, i, _| write_element(text, i)),
            Part::Edges(range) => self.each_listener(range, |text, i, _| self.write_edges(text, i)),
            Part::BetweenEdgesAndLocations => BETWEEN_EDGES_AND_LOCATIONS.to_owned(),
            Part::Locations(range) => self.each_listener(range, write_location),
            Part::FixedStrings => self.fixed_strings(),
            Part::Strings(range) => self.each_listener(range, |text, _, listener| write_strings(text, listener)),
            Part::End => "]}\n".to_owned(),
        }
    }

    fn each_listener(&self, range: Range<usize>, write: impl Fn(&mut String, usize, &ListenerFacts)) -> String {
        let mut text = String::new();
        for i in range {
            if let Some(listener) = self.census.listeners.get(i) {
                write(&mut text, i, listener);
            }
        }
        text
    }

    fn head(&self) -> String {
        let listeners = self.census.listeners.len();
        let fixed_edges: usize = self.fixed.iter().map(|node| node.edges.len()).sum();
        let head = json!({
            "meta": {
                "node_fields": ["type", "name", "id", "self_size", "edge_count", "trace_node_id", "detachedness"],
                "node_types": [NODE_TYPES, "string", "number", "number", "number", "number", "number"],
                "edge_fields": ["type", "name_or_index", "to_node"],
                "edge_types": [EDGE_TYPES, "string_or_number", "node"],
                "trace_function_info_fields": ["function_id", "name", "script_name", "script_id", "line", "column"],
                "trace_node_fields": ["id", "function_info_index", "count", "size", "children"],
                "sample_fields": ["timestamp_us", "last_assigned_id"],
                "location_fields": ["object_index", "script_id", "line", "column"],
            },
            "node_count": FIXED_NODES + NODES_PER_LISTENER * listeners,
            // One edge more for each listener: the list's.
            "edge_count": fixed_edges + (EDGES_PER_LISTENER + 1) * listeners,
            "trace_function_count": 0,
        });
        let mut text = format!("{{\"snapshot\":{head},\n\"nodes\":[");
        for (index, node) in self.fixed.iter().enumerate() {
            let is_list = index + 1 == FIXED_NODES;
            let edges = node.edges.len() + if is_list { listeners } else { 0 };
            text.push_str(if index == 0 { "" } else { "\n," });
            write_node(&mut text, [node.kind as u64, node.name as u64, id_at(index), node.bytes, edges as u64]);
        }
        text
    }

    fn write_nodes(&self, text: &mut String, i: usize, listener: &ListenerFacts) {
        let closure = closure_at(i);
        let string = self.strings.as_slice().len() + 2 * i;
        let nodes = [
            (CLOSURE, self.names.anonymous, CLOSURE_BYTES, 2),
            (OBJECT, self.names.context_object, CONTEXT_BYTES, 2),
            (STRING, string, listener.request_id.len() as u64, 0),
            (STRING, string + 1, listener.trace_bytes, 0),
        ];
        for (index, (kind, name, bytes, edges)) in (closure..).zip(nodes) {
            text.push_str("\n,");
            write_node(text, [kind as u64, name as u64, id_at(index), bytes, edges]);
        }
    }

    fn fixed_edges(&self) -> String {
        let mut text = "\n],\n\"edges\":[".to_owned();
        for (position, edge) in self.fixed.iter().flat_map(|node| &node.edges).enumerate() {
            text.push_str(if position == 0 { "" } else { "\n," });
            write_edge(&mut text, *edge);
        }
        text
    }

    fn write_edges(&self, text: &mut String, i: usize) {
        let closure = closure_at(i);
        let Names { shared, context, request_id, trace, .. } = self.names;
        for edge in [
            Edge { kind: INTERNAL_EDGE, name: shared, to: FUNCTION },
            Edge { kind: INTERNAL_EDGE, name: context, to: closure + 1 },
            Edge { kind: CONTEXT_EDGE, name: request_id, to: closure + 2 },
            Edge { kind: CONTEXT_EDGE, name: trace, to: closure + 3 },
        ] {
            text.push_str("\n,");
            write_edge(text, edge);
        }
    }

    fn fixed_strings(&self) -> String {
        let mut text = "],\n\"strings\":[".to_owned();
        for (position, string) in self.strings.as_slice().iter().enumerate() {
            text.push_str(if position == 0 { "" } else { ",\n" });
            write_string(&mut text, string);
        }
        text
    }
}

/// The sections that the service has nothing for, up to the locations.
const BETWEEN_EDGES_AND_LOCATIONS: &str =
    "\n],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n\"samples\":[],\n\"locations\":[";

/// The index of the closure of the listener at `i`.
const fn closure_at(i: usize) -> usize {
    FIXED_NODES + NODES_PER_LISTENER * i
}

/// The id of a node: odd, as V8's are. Nothing is ever taken away, so an object has the same id in each snapshot of a run.
const fn id_at(index: usize) -> u64 {
    2 * index as u64 + 1
}

fn write_node(text: &mut String, [kind, name, id, bytes, edges]: [u64; 5]) {
    push(text, format_args!("{kind},{name},{id},{bytes},{edges},0,0"));
}

fn write_element(text: &mut String, i: usize) {
    text.push_str("\n,");
    write_edge(text, Edge { kind: ELEMENT_EDGE, name: i, to: closure_at(i) });
}

fn write_edge(text: &mut String, Edge { kind, name, to }: Edge) {
    push(text, format_args!("{kind},{name},{}", to * NODE_FIELDS));
}

/// V8 counts lines and columns from 0, the compiler from 1.
fn write_location(text: &mut String, i: usize, listener: &ListenerFacts) {
    text.push_str(if i == 0 { "" } else { "\n," });
    let (line, column) = (listener.made_at.line() - 1, listener.made_at.column() - 1);
    push(text, format_args!("{},{SCRIPT_ID},{line},{column}", closure_at(i) * NODE_FIELDS));
}

fn write_strings(text: &mut String, listener: &ListenerFacts) {
    for string in [&listener.request_id, &listener.trace_start] {
        text.push_str(",\n");
        write_string(text, string);
    }
}

fn write_string(text: &mut String, string: &str) {
    push(text, format_args!("{}", json!(string)));
}

fn push(text: &mut String, formatted: std::fmt::Arguments<'_>) {
    text.write_fmt(formatted).expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::cli::demo::service::logging::log_requests;
    use crate::cli::demo::service::process::Process;

    fn process_after(requests: usize, trace_bytes: usize) -> Process {
        let mut process = Process::default();
        for number in 0..requests {
            log_requests(&mut process, format!("req-{number}"), "x".repeat(trace_bytes));
        }
        process
    }

    fn snapshot_of(process: &Process) -> Value {
        let text: Vec<u8> = Snapshot::new(process.census()).into_chunks().flatten().collect();
        serde_json::from_slice(&text).unwrap()
    }

    /// The rows of a section, as many numbers each as the meta names.
    fn rows(snapshot: &Value, section: &str, fields: &str) -> Vec<Vec<usize>> {
        let width = snapshot["snapshot"]["meta"][fields].as_array().unwrap().len();
        let numbers: Vec<usize> = serde_json::from_value(snapshot[section].clone()).unwrap();
        assert_eq!(numbers.len() % width, 0, "{section}");
        numbers.chunks(width).map(<[usize]>::to_vec).collect()
    }

    fn check(process: &Process, requests: usize) {
        let snapshot = snapshot_of(process);
        let nodes = rows(&snapshot, "nodes", "node_fields");
        let edges = rows(&snapshot, "edges", "edge_fields");
        let locations = rows(&snapshot, "locations", "location_fields");
        let strings = snapshot["strings"].as_array().unwrap();
        assert_eq!(snapshot["snapshot"]["node_count"], nodes.len());
        assert_eq!(snapshot["snapshot"]["edge_count"], edges.len());
        assert_eq!(nodes.iter().map(|node| node[4]).sum::<usize>(), edges.len(), "edges that nodes claim");
        assert_eq!(
            nodes.iter().map(|node| node[3]).sum::<usize>(),
            usize::try_from(process.live_bytes()).unwrap(),
            "sizes add up to heapUsed"
        );
        assert!(nodes.iter().all(|node| node[1] < strings.len()), "names of nodes");
        assert!(edges.iter().all(|edge| edge[0] == ELEMENT_EDGE || edge[1] < strings.len()));
        let targets: std::collections::BTreeSet<usize> = edges.iter().map(|edge| edge[2] / NODE_FIELDS).collect();
        assert!(targets.into_iter().eq(1..nodes.len()), "each node but the root is referred to");
        assert_eq!(locations.len(), requests);
        for location in locations {
            assert_eq!(nodes[location[0] / NODE_FIELDS][0], CLOSURE, "only closures have a location");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Counts around the size of a chunk, where a comma could be lost.
        #[test]
        fn any_number_of_listeners_makes_a_whole_snapshot(requests in 0..=2 * LISTENERS_PER_CHUNK + 1, bytes in 0..100usize) {
            check(&process_after(requests, bytes), requests);
        }
    }

    #[test]
    fn the_edges_of_chunks_are_whole() {
        for requests in [0, 1, LISTENERS_PER_CHUNK - 1, LISTENERS_PER_CHUNK, LISTENERS_PER_CHUNK + 1] {
            check(&process_after(requests, 10), requests);
        }
    }

    #[test]
    fn an_object_keeps_its_id_while_others_come() {
        let mut process = process_after(3, 10);
        let before = snapshot_of(&process);
        log_requests(&mut process, "req-3".to_owned(), String::new());
        let after = snapshot_of(&process);
        let [before, after] = [before, after].map(|snapshot| {
            let name = |node: &Vec<usize>| snapshot["strings"][node[1]].as_str().unwrap().to_owned();
            let nodes = rows(&snapshot, "nodes", "node_fields");
            nodes.iter().map(|node| (node[2], node[0], name(node))).collect::<Vec<_>>()
        });
        assert_eq!(before[..], after[..before.len()]);
        assert_eq!(after.len(), before.len() + NODES_PER_LISTENER);
    }

    #[test]
    fn a_listener_is_found_where_node_would_have_it() {
        let snapshot = snapshot_of(&process_after(2, 10));
        let nodes = rows(&snapshot, "nodes", "node_fields");
        let edges = rows(&snapshot, "edges", "edge_fields");
        let string = |index: usize| snapshot["strings"][index].as_str().unwrap();
        let follow = |from: usize, name: &str| {
            let first: usize = nodes[..from].iter().map(|node| node[4]).sum();
            let own = &edges[first..][..nodes[from][4]];
            let is_named = |edge: &&Vec<usize>| match edge[0] {
                ELEMENT_EDGE => edge[1].to_string() == name,
                _ => string(edge[1]) == name,
            };
            let edge = own.iter().find(is_named).unwrap_or_else(|| panic!("no edge `{name}` from node {from}"));
            edge[2] / NODE_FIELDS
        };
        let listener = ["global", "process", "_events", "uncaughtException", "1"].into_iter().fold(0, follow);
        assert_eq!(nodes[listener][0], CLOSURE);
        let captured = ["context", "requestId"].into_iter().fold(listener, follow);
        assert_eq!(string(nodes[captured][1]), "req-1");
        let script = ["shared", "script_or_debug_info"].into_iter().fold(listener, follow);
        assert!(string(nodes[script][1]).ends_with("service/logging.rs"));
    }

    #[test]
    fn no_chunk_grows_with_the_number_of_listeners() {
        let longest = |requests| {
            let chunks = Snapshot::new(process_after(requests, 100).census()).into_chunks();
            chunks.map(|chunk| chunk.len()).max().unwrap()
        };
        assert!(longest(20 * LISTENERS_PER_CHUNK) < 2 * longest(LISTENERS_PER_CHUNK));
    }
}
