'use strict';

// Streams a heap snapshot, one at a time, and only where there is room for it.
//
// V8 builds the whole snapshot before the first byte and stops the process meanwhile; what that takes was measured as 9 to
// 12 times heapUsed for heaps of many small objects. A container without that much room dies of being looked at.

const { readFileSync } = require('node:fs');
const os = require('node:os');
const { pipeline } = require('node:stream');
const v8 = require('node:v8');
const { readOwnCgroup } = require('./cgroup');
const { sendJson } = require('./respond');

// A client that takes nothing for this long is taken for gone: until it leaves, all of the snapshot is held for it.
const STALLED_MS = 60 * 1000;

// Each thread has a module, and a heap, of its own.
let isRunning = false;

function sendSnapshot(res, { snapshotCost }, stalledMs = STALLED_MS) {
  // A client that left while the service's own middleware was busy is not worth stopping the process for.
  if (res.destroyed) return;
  if (isRunning) {
    const message = 'another snapshot of this process is being taken';
    sendJson(res, 429, { error: 'busy', message }, { 'retry-after': '60' });
    return;
  }
  const refusal = refusalOf(room(), v8.getHeapStatistics().used_heap_size, snapshotCost);
  if (refusal !== undefined) {
    sendJson(res, 503, refusal);
    return;
  }
  isRunning = true;
  stream(res, stalledMs, () => (isRunning = false));
}

// Bytes that may still be used before the container's limit, or the machine's end.
function room() {
  const group = readOwnCgroup();
  const machine = { available: machineAvailable(), of: 'the machine' };
  if (group?.current === undefined) return machine;
  const available = Math.max(0, group.limit - group.current + group.droppable);
  return available < machine.available ? { available, of: `the control group's ${group.limit} bytes` } : machine;
}

// What the kernel could give without swapping; `os.freemem` counts no cache that it would drop.
function machineAvailable() {
  try {
    const kilobytes = /^MemAvailable: +(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'latin1'))?.[1];
    return kilobytes === undefined ? os.freemem() : Number(kilobytes) * 1024;
  } catch {
    return os.freemem();
  }
}

function refusalOf({ available, of }, heapUsed, cost) {
  const needed = Math.ceil(heapUsed * cost);
  if (needed <= available) return undefined;
  return {
    error: 'no_room',
    message: `a snapshot of ${heapUsed} bytes of heap may take ${needed} bytes more (${cost} times), and ${available} bytes of ${of} are left`,
    heapUsed,
    cost,
    neededBytes: needed,
    availableBytes: available,
  };
}

function stream(res, stalledMs, done) {
  let snapshot;
  try {
    snapshot = v8.getHeapSnapshot();
  } catch (problem) {
    done();
    throw problem;
  }
  res.writeHead(200, {
    'content-type': 'application/json',
    'content-disposition': `attachment; filename="${process.pid}.heapsnapshot"`,
    'cache-control': 'no-store',
  });
  res.setTimeout(stalledMs, () => res.destroy());
  // Sent whole or left by its client, the answer closes once. The pipeline's own end would do, but never comes on Node.js 18.
  res.once('close', done);
  // A client that leaves ends the pipeline, which destroys the snapshot; it lives outside the heap and may be large.
  pipeline(snapshot, res, () => {});
}

module.exports = { sendSnapshot, refusalOf };
