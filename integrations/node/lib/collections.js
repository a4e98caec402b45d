'use strict';

// Major garbage collections: how many there were, and what was in use right after the last one.
//
// V8 tells of each collection through performance entries, some time after it. What was allocated in between counts as in
// use, so a level that is read late is no level, and is not taken.

const { PerformanceObserver, constants, performance } = require('node:perf_hooks');
const v8 = require('node:v8');

// At 100 MB of garbage a second this is 5 MB: as much as the level may be too high.
const LATEST_MS = 50;

function collections() {
  let majors = 0;
  let level;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.detail.kind !== constants.NODE_PERFORMANCE_GC_MAJOR) continue;
      majors += 1;
      const late = performance.now() - (entry.startTime + entry.duration);
      if (late <= LATEST_MS) level = v8.getHeapStatistics().used_heap_size;
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  return {
    // Without a level none was read in time yet.
    read: () => ({ majorGcs: majors, ...(level !== undefined && { heapUsedAfterGc: level }) }),
    close: () => observer.disconnect(),
  };
}

module.exports = { collections };
