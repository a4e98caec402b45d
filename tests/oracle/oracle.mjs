// What DevTools says of snapshots:
//   node oracle.mjs nodes FILE          one line a node: id, shallow size, retained size, dominator's id, distance, class
//   node oracle.mjs diff BEFORE AFTER   the Comparison view as JSON lines
//   node oracle.mjs load FILE           nothing: for measuring
import {createReadStream} from 'node:fs';

import {build, bundle} from './bundle.mjs';

Promise.withResolvers ??= () => {
  const deferred = {};
  deferred.promise = new Promise((resolve, reject) => Object.assign(deferred, {resolve, reject}));
  return deferred;
};

await build();
const {HeapSnapshotLoader, SecondaryInitManager} = await import(bundle);

async function load(file) {
  const loader = new HeapSnapshotLoader({sendEvent() {}});
  for await (const chunk of createReadStream(file, {encoding: 'latin1', highWaterMark: 1 << 20})) {
    loader.write(chunk);
  }
  loader.close();
  const {port1, port2} = new MessageChannel();
  new SecondaryInitManager(port2);
  const snapshot = await loader.buildSnapshot(port1);
  port1.close();
  port2.close();
  return snapshot;
}

function writeNodes(snapshot) {
  const node = snapshot.createNode(0);
  const fields = snapshot.nodeFieldCount;
  let lines = [];
  for (let ordinal = 0; ordinal < snapshot.nodeCount; ordinal++) {
    node.nodeIndex = snapshot.dominatorsTree[ordinal] * fields;
    const dominator = node.id();
    node.nodeIndex = ordinal * fields;
    const line = [node.id(), node.selfSize(), node.retainedSize(), dominator, node.distance(), JSON.stringify(node.className())];
    lines.push(line.join(' '));
    if (lines.length === 10000) {
      process.stdout.write(lines.join('\n') + '\n');
      lines = [];
    }
  }
  process.stdout.write(lines.map((line) => line + '\n').join(''));
}

function writeDiff(before, after) {
  const base = before.aggregatesForDiff(after.interfaceDefinitions());
  for (const [key, row] of Object.entries(after.calculateSnapshotDiff('before', base))) {
    console.log(JSON.stringify({
      key,
      name: row.name,
      new: row.addedCount,
      deleted: row.removedCount,
      delta: row.countDelta,
      alloc_size: row.addedSize,
      freed_size: row.removedSize,
      size_delta: row.sizeDelta,
    }));
  }
}

const [command, ...files] = process.argv.slice(2);
switch (command) {
  case 'nodes':
    writeNodes(await load(files[0]));
    break;
  case 'diff':
    writeDiff(await load(files[0]), await load(files[1]));
    break;
  case 'load':
    await load(files[0]);
    break;
  default:
    console.error('usage: node oracle.mjs nodes FILE | diff BEFORE AFTER | load FILE');
    process.exit(64);
}
