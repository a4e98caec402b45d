// Makes a pair of sampling heap profiles of one process: node make-profiles.js CASE DIRECTORY [STEPS]
//
// The cases are those of make.js. The profiler is that of the npm package, at a rate that suits a run of a second.
'use strict';

const { writeFileSync } = require('node:fs');
const path = require('node:path');
const v8 = require('node:v8');
const { heapProfiler } = require('../../../integrations/node/lib/profile');

// V8 books what an inlined function makes on the function that it was inlined into, and inlines when it gets round to it.
v8.setFlagsFromString('--no-turbo-inlining');
if (Number.parseInt(process.versions.node, 10) >= 22) v8.setFlagsFromString('--no-maglev-inlining');

const WARM_UP = 600;
const SAMPLING_INTERVAL = 2048;
const [name, directory, steps = '4000'] = process.argv.slice(2);

async function work(leak, from, to) {
  for (let i = from; i < to; i++) {
    await leak.step(i);
  }
  await new Promise((resolve) => setImmediate(resolve));
}

function write(profiler, file) {
  profiler.take((problem, profile) => {
    if (problem) throw problem;
    writeFileSync(path.join(directory, file), profile);
  });
}

async function main() {
  const profiler = heapProfiler({ samplingInterval: SAMPLING_INTERVAL });
  const leak = require(path.resolve(__dirname, 'cases', name));
  await work(leak, 0, WARM_UP);
  write(profiler, 'before.heapprofile');
  await work(leak, WARM_UP, WARM_UP + Number(steps));
  write(profiler, 'after.heapprofile');
  process.exit(0);
}

main();
