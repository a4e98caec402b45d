'use strict';

// Cluster workers and worker threads: each answers for itself, on a port of its own.

const assert = require('node:assert/strict');
const { fork } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');
const { AUTHORIZED, get } = require('./support');

test('a worker thread answers for its own heap', async (t) => {
  const ports = [];
  for (let n = 0; n < 2; n += 1) {
    const worker = new Worker(join(__dirname, 'fixtures', 'thread.js'), { workerData: { hoard: n * 100_000 } });
    t.after(() => worker.terminate());
    ports.push((await once(worker, 'message'))[0].port);
  }
  const [small, large] = await Promise.all(ports.map(async (port) => (await get(port, '/health/debug')).json));
  assert.equal(small.pid, process.pid);
  assert.equal(large.pid, process.pid);
  assert.notEqual(small.thread, large.thread);
  assert.notEqual(small.startTime, large.startTime);
  assert.ok(large.memoryUsage.heapUsed > small.memoryUsage.heapUsed + 2e6);
  const profile = await get(ports[1], '/admin/heap-profile', { headers: AUTHORIZED });
  assert.match(profile.body, /"functionName":"hoard"/);
});

test('cluster workers answer for themselves, each on a port of its own', async (t) => {
  const primary = fork(join(__dirname, 'fixtures', 'cluster.js'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  t.after(() => primary.kill('SIGKILL'));
  const [{ workers }] = await once(primary, 'message');
  assert.equal(workers.length, 2);
  for (const { pid, id, port } of workers) {
    // Asked twice: it is never another's answer.
    for (let n = 0; n < 2; n += 1) {
      const { json } = await get(port, '/health/debug');
      assert.equal(json.pid, pid);
      assert.equal(json.clusterWorker, id);
    }
  }
  primary.send('stop');
  await once(primary, 'exit');
});
