// Makes a pair of heap snapshots of one process: node make.js CASE DIRECTORY
//
// A case is a module with `step(i)`, one request's worth of work. It is warmed up, then `before.heapsnapshot` is
// written, then it works on, then `after.heapsnapshot` is written.
'use strict';

const path = require('node:path');
const v8 = require('node:v8');

const WARM_UP = 300;
const [name, directory, steps = '1000'] = process.argv.slice(2);

async function work(leak, from, to) {
  for (let i = from; i < to; i++) {
    await leak.step(i);
  }
  // Lets promises and immediates of the last steps settle.
  await new Promise((resolve) => setImmediate(resolve));
}

async function main() {
  const file = path.resolve(__dirname, 'cases', name);
  const leak = name.endsWith('.mjs') ? await import(file) : require(file);
  await work(leak, 0, WARM_UP);
  // The first snapshot compiles and caches things of its own; the pair is taken after it, as a service would have
  // taken one before.
  v8.getHeapSnapshot().resume();
  await work(leak, WARM_UP, 2 * WARM_UP);
  v8.writeHeapSnapshot(path.join(directory, 'before.heapsnapshot'));
  await work(leak, 2 * WARM_UP, 2 * WARM_UP + Number(steps));
  v8.writeHeapSnapshot(path.join(directory, 'after.heapsnapshot'));
  process.exit(0);
}

main();
