'use strict';

// The service that is measured: Express, some allocation in each request, and a heap of HEAP_MB of small objects.
//
// MODE: "bare" without heapwatch, "health" with the health route alone, "full" with the profiler on. It tells the bench over
// IPC where it listens, and what it uses when asked.

const { monitorEventLoopDelay } = require('node:perf_hooks');
const express = require('express');
const heapwatch = require('..');

const { MODE, HEAP_MB = '100' } = process.env;
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();

const kept = [];
while (process.memoryUsage().heapUsed < Number(HEAP_MB) * 1e6) {
  for (let n = 0; n < 10_000; n += 1) kept.push({ n, tags: [n, n + 1], name: `entry ${n}` });
}

const app = express();
app.disable('x-powered-by');
if (MODE === 'health') app.use(heapwatch());
if (MODE === 'full') app.use(heapwatch({ token: 'a-token-for-this-bench', snapshotCost: 0 }));
app.get('/work', (_req, res) => {
  const rows = Array.from({ length: 100 }, (_, n) => ({ id: n, name: `row ${n}`, tags: [n, n * 2], at: new Date() }));
  res.json({ kept: kept.length, rows });
});

const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send({ cpuSeconds: (user + system) / 1e6, rss: process.memoryUsage.rss(), longestPauseMs: delay.max / 1e6 });
  delay.reset();
});
process.on('disconnect', () => process.exit());
