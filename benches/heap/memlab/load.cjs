// memlab: load, paths and dominators of one snapshot: node load.cjs FILE
'use strict';

const { getFullHeapFromFile } = require('@memlab/heap-analysis');

getFullHeapFromFile(process.argv[2]).then((heap) => {
  process.stdout.write(`${heap.nodes.length}\n`);
});
