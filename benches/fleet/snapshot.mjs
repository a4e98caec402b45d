// Writes a heap snapshot of about so many bytes as V8 writes them: nodes that hold three others each, in seven fields.
import {closeSync, openSync, writeSync} from 'node:fs';

const META = {
  node_fields: ['type', 'name', 'id', 'self_size', 'edge_count', 'trace_node_id', 'detachedness'],
  node_types: [
    ['hidden', 'array', 'string', 'object', 'code', 'closure', 'regexp', 'number', 'native', 'synthetic', 'concatenated string', 'sliced string', 'symbol', 'bigint', 'object shape'],
    'string', 'number', 'number', 'number', 'number', 'number',
  ],
  edge_fields: ['type', 'name_or_index', 'to_node'],
  edge_types: [['context', 'element', 'property', 'internal', 'hidden', 'shortcut', 'weak'], 'string_or_number', 'node'],
  trace_function_info_fields: ['function_id', 'name', 'script_name', 'script_id', 'line', 'column'],
  trace_node_fields: ['id', 'function_info_index', 'count', 'size', 'children'],
  sample_fields: ['timestamp_us', 'last_assigned_id'],
  location_fields: ['object_index', 'script_id', 'line', 'column'],
};
const EDGES_A_NODE = 3;
const BYTES_A_NODE = 51;

/** A binary-like graph: node n holds n*3+1, n*3+2 and n*3+3 where they exist, else the root. */
export function writeSnapshot(path, bytes) {
  const nodes = Math.floor(bytes / BYTES_A_NODE);
  const file = openSync(path, 'w', 0o600);
  const put = lines(file);
  const snapshot = {meta: META, node_count: nodes, edge_count: nodes * EDGES_A_NODE, trace_function_count: 0};
  put(`{"snapshot":${JSON.stringify(snapshot)},\n"nodes":[`);
  for (let node = 0; node < nodes; node += 1) {
    put(`${node === 0 ? '' : ','}3,${1 + (node % 5)},${node * 2 + 1},${32 + (node % 8) * 8},${EDGES_A_NODE},0,0\n`);
  }
  put('],\n"edges":[');
  for (let node = 0; node < nodes; node += 1) {
    for (let edge = 1; edge <= EDGES_A_NODE; edge += 1) {
      const to = node * EDGES_A_NODE + edge;
      put(`${node === 0 && edge === 1 ? '' : ','}1,${edge},${(to < nodes ? to : 0) * META.node_fields.length}\n`);
    }
  }
  put('],\n"trace_function_infos":[],\n"trace_tree":[],\n"samples":[],\n"locations":[],\n');
  put('"strings":["","Order","Session","Buffer","Listener","Map"]}');
  put();
  closeSync(file);
}

/** Takes text and writes it by the megabyte; without text it writes what is left. */
function lines(file) {
  let pending = '';
  return (text) => {
    pending += text ?? '';
    if (text === undefined || pending.length > 1 << 20) {
      writeSync(file, pending);
      pending = '';
    }
  };
}
