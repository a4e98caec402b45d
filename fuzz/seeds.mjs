// Writes the seeds of the fuzz targets, by default into fuzz/corpus: node fuzz/seeds.mjs [DIRECTORY]
//
// Real snapshots are too large to be mutated often, so the seeds are cut out of them: the nodes nearest to the root,
// with the edges between them, in two states of one process.
import {mkdirSync, writeFileSync} from 'node:fs';
import {Session} from 'node:inspector';
import {fileURLToPath} from 'node:url';
import v8 from 'node:v8';

const root = process.argv[2] ?? fileURLToPath(new URL('corpus', import.meta.url));
const corpus = (target) => {
  const folder = `${root}/${target}`;
  mkdirSync(folder, {recursive: true});
  return (name, content) => writeFileSync(`${folder}/${name}`, content);
};

async function snapshot() {
  let text = '';
  for await (const part of v8.getHeapSnapshot()) {
    text += part;
  }
  return JSON.parse(text);
}

/** Adds the nodes that are reached from `start`, as many as `most`, to `chosen`. */
function reach(graph, chosen, start, most) {
  const queue = [start];
  chosen.add(start);
  for (const node of queue) {
    for (const edge of graph.edgesOf(node)) {
      if (!chosen.has(edge.to) && chosen.size < most) {
        chosen.add(edge.to);
        queue.push(edge.to);
      }
    }
  }
}

function graphOf(document) {
  const {meta} = document.snapshot;
  const [nodeWidth, edgeWidth] = [meta.node_fields.length, meta.edge_fields.length];
  const countAt = meta.node_fields.indexOf('edge_count');
  const firstEdge = [0];
  for (let node = 0; node < document.snapshot.node_count; node++) {
    firstEdge.push(firstEdge[node] + document.nodes[node * nodeWidth + countAt]);
  }
  const edgesOf = (node) => Array.from({length: firstEdge[node + 1] - firstEdge[node]}, (_, at) => {
    const row = (firstEdge[node] + at) * edgeWidth;
    return {type: document.edges[row], name: document.edges[row + 1], to: document.edges[row + 2] / nodeWidth};
  });
  return {document, meta, nodeWidth, countAt, edgesOf};
}

/** The snapshot with nothing but the chosen nodes. */
function cut(graph, chosen) {
  const {document, meta, nodeWidth, countAt} = graph;
  const kept = [...chosen].sort((a, b) => a - b);
  const number = new Map(kept.map((node, at) => [node, at]));
  const [strings, numbers] = [[], new Map()];
  const intern = (index) => {
    if (!numbers.has(index)) {
      numbers.set(index, strings.push(document.strings[index].slice(0, 80)) - 1);
    }
    return numbers.get(index);
  };
  const indexed = ['element', 'hidden'].map((name) => meta.edge_types[0].indexOf(name));
  const [nodes, edges] = [[], []];
  for (const node of kept) {
    const row = document.nodes.slice(node * nodeWidth, (node + 1) * nodeWidth);
    const leaving = graph.edgesOf(node).filter((edge) => number.has(edge.to));
    row[1] = intern(row[1]);
    row[countAt] = leaving.length;
    nodes.push(row.join(','));
    for (const edge of leaving) {
      const name = indexed.includes(edge.type) ? edge.name : intern(edge.name);
      edges.push([edge.type, name, number.get(edge.to) * nodeWidth].join(','));
    }
  }
  const locations = [];
  for (let at = 0; at < document.locations.length; at += 4) {
    const node = document.locations[at] / nodeWidth;
    if (number.has(node)) {
      locations.push([number.get(node) * nodeWidth, ...document.locations.slice(at + 1, at + 4)].join(','));
    }
  }
  const header = {...document.snapshot, node_count: kept.length, edge_count: edges.length};
  return `{"snapshot":${JSON.stringify(header)},\n"nodes":[${nodes.join('\n,')}],\n"edges":[${edges.join('\n,')}],\n` +
      `"locations":[${locations.join('\n,')}],\n"strings":${JSON.stringify(strings)}}`;
}

/** The root's surroundings, and the listeners of `process`, which are what leaks here. */
function seed(document) {
  const graph = graphOf(document);
  const chosen = new Set();
  reach(graph, chosen, 0, 60);
  const listeners = [];
  for (let node = 0; node < document.snapshot.node_count; node++) {
    const name = document.strings[document.nodes[node * graph.nodeWidth + 1]];
    if (name === 'Leaked' || name === 'process') {
      listeners.push(node);
    }
  }
  for (const node of listeners.slice(0, 30)) {
    reach(graph, chosen, node, chosen.size + 6);
  }
  return cut(graph, chosen);
}

class Leaked {
  constructor(id) {
    this.id = id;
    this.text = `text ${id}`;
  }
}

const session = new Session();
session.connect();
const post = (method, options) => new Promise((resolve, reject) => {
  session.post(method, options, (error, result) => (error ? reject(error) : resolve(result)));
});

globalThis.leak = new Map();
const grow = (count) => {
  for (let i = 0; i < count; i++) {
    globalThis.leak.set(globalThis.leak.size, new Leaked(i));
  }
};

await post('HeapProfiler.startSampling', {samplingInterval: 65536});
grow(3);
const [before, profileBefore] = [seed(await snapshot()), await post('HeapProfiler.getSamplingProfile')];
grow(20);
const [after, profileAfter] = [seed(await snapshot()), await post('HeapProfiler.getSamplingProfile')];

const write = corpus('snapshot');
write('before', before);
write('after', after);
corpus('pair')('leak', `${before}\0${after}`);
corpus('pair')('same', before);
const profiles = [profileBefore, profileAfter].map(({profile}) => JSON.stringify(profile));
corpus('profile')('leak', profiles.join('\0'));
corpus('profile')('one', profiles[0]);
const map = {version: 3, sources: ['a.ts', 'b.ts'], names: ['open', 'Session'], mappings: 'AAAAA,SAASA;AACTC,CCAA;;GADA,qBCAAC'};
corpus('source_map')('plain', JSON.stringify(map));
corpus('source_map')('sections', JSON.stringify({version: 3, sections: [{offset: {line: 1, column: 2}, map}]}));
console.log(`seeds written to ${root}`);
process.exit(0);
