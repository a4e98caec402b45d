'use strict';

// What the test services share: both endpoints that heapwatch uses, their settings, and their end.
//
// A service listens on 127.0.0.1 only, says where in one line of JSON on standard output, and exits when its standard input
// closes, so it never outlives who started it. Settings come by environment:
//
//   PORT            port, 0 (the default) takes any
//   ADMIN_TOKEN     the bearer token of GET /admin/heap-snapshot; required
//   HEALTH_FORMAT   "bytes" (the default) or "story": rounded strings such as "123 MB"
//   LOAD_RATE       requests a second that load.js makes to the service; 0 (the default) for none
//   GC_INTERVAL_MS  full garbage collections at this interval, for runs whose times are shrunk; 0 (the default) leaves it to V8
//   BASE_MB         MB of reference data that are read at the start and kept, as services have it; 0 (the default) for none
//   METRICS         1: GET /metrics answers with prom-client's default metrics; 0 (the default) does not
//   REPORT_GC       1: report the heap after the last major collection and the count of these; 0 (the default) does not
//   LEAK_BYTES      leaky.js and fixed.js: size of what a request carries (default 20000)
//   CACHE_ENTRIES, CACHE_ENTRY_BYTES  cache.js: its bounds (default 1000 and 20000)
// Further settings are those of one workload, named in its file.

const { spawn } = require('node:child_process');
const { timingSafeEqual, createHash } = require('node:crypto');
const { join } = require('node:path');
const { PerformanceObserver, constants } = require('node:perf_hooks');
const { pipeline } = require('node:stream');
const v8 = require('node:v8');
const vm = require('node:vm');
const express = require('express');

// Ends the process: with a mistyped setting a test would prove nothing.
function refuse(problem) {
  console.error(problem);
  process.exit(64);
}

// A number from the environment.
function setting(name, fallback) {
  const text = process.env[name] ?? String(fallback);
  const number = Number(text);
  if (text.trim() === '' || !Number.isFinite(number) || number < 0) {
    refuse(`${name}=${JSON.stringify(text)}: must be a number, 0 or more`);
  }
  return number;
}

function sameSecret(given, expected) {
  const digest = (text) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

// What the process uses, by name.
function memory(format) {
  const { heapUsed, heapTotal, external, arrayBuffers, rss } = process.memoryUsage();
  const bytes = { heapUsed, heapTotal, external, arrayBuffers, rss };
  if (format !== 'story') return bytes;
  const rounded = (number) => `${Math.round(number / 1024 / 1024)} MB`;
  return Object.fromEntries(Object.entries(bytes).map(([name, number]) => [name, rounded(number)]));
}

function collectGarbageEvery(milliseconds) {
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc');
  setInterval(collect, milliseconds).unref();
}

// Watches major collections; gives what the health endpoint says of them. The level is read when the runtime tells of the
// collection, a moment after its end.
function watchCollections() {
  let majorGcs = 0;
  let heapUsedAfterGc;
  new PerformanceObserver((list) => {
    const major = list.getEntries().filter((entry) => entry.detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR);
    if (major.length === 0) return;
    majorGcs += major.length;
    heapUsedAfterGc = process.memoryUsage().heapUsed;
  }).observe({ entryTypes: ['gc'] });
  return () => ({ majorGcs, heapUsedAfterGc });
}

// Load comes from a process of its own, whose memory is not the service's. Its standard input closes with this process.
function startLoad(port, rate) {
  const options = [join(__dirname, 'load.js'), '--port', String(port), '--rate', String(rate)];
  const load = spawn(process.execPath, options, { stdio: ['pipe', 'ignore', 'inherit'] });
  load.unref();
}

// Starts a service: `use` are its middlewares, `gauges` gives further numbers for the health endpoint.
function start({ use, gauges = () => ({}) }) {
  const token = process.env.ADMIN_TOKEN;
  if (!token) refuse('ADMIN_TOKEN is not set: GET /admin/heap-snapshot asks for it');
  const format = process.env.HEALTH_FORMAT ?? 'bytes';
  if (!['bytes', 'story'].includes(format)) refuse(`HEALTH_FORMAT=${JSON.stringify(format)}: must be "bytes" or "story"`);
  const reference = Array.from({ length: setting('BASE_MB', 0) * 50 }, (_, row) => ({ row, text: payload(20000) }));
  const collections = setting('REPORT_GC', 0) > 0 ? watchCollections() : () => ({});
  let requests = 0;
  const app = express();
  app.disable('x-powered-by');

  app.get('/health/debug', (_req, res) => {
    res.json({
      status: 'ok',
      pid: process.pid,
      uptime: process.uptime(),
      requests,
      reference: reference.length,
      memory: memory(format),
      ...collections(),
      ...gauges(),
    });
  });

  app.get('/admin/heap-snapshot', (req, res) => {
    if (!sameSecret(req.get('authorization') ?? '', `Bearer ${token}`)) {
      res.status(401).set('WWW-Authenticate', 'Bearer').json({ error: 'a bearer token is required' });
      return;
    }
    res.type('application/json');
    pipeline(v8.getHeapSnapshot(), res, () => {});
  });

  if (setting('METRICS', 0) > 0) {
    const metrics = require('prom-client');
    metrics.collectDefaultMetrics();
    app.get('/metrics', async (_req, res) => {
      res.type(metrics.register.contentType).send(await metrics.register.metrics());
    });
  }

  app.use((_req, _res, next) => {
    requests += 1;
    next();
  });
  app.use(...use);
  app.use((_req, res) => res.json({ ok: true }));
  announce(app);
}

// Listens, says where, collects garbage and makes its own load as the environment wants it, and ends with its parent.
function announce(app) {
  const rate = setting('LOAD_RATE', 0);
  const gcInterval = setting('GC_INTERVAL_MS', 0);
  const server = app.listen(setting('PORT', 0), '127.0.0.1', (problem) => {
    if (problem) {
      console.error(`cannot listen: ${problem.message}`);
      process.exit(1);
    }
    const { port } = server.address();
    process.stdout.write(`${JSON.stringify({ port, pid: process.pid })}\n`);
    if (gcInterval > 0) collectGarbageEvery(gcInterval);
    if (rate > 0) startLoad(port, rate);
  });
  process.stdin.on('close', () => process.exit(0)).resume();
}

// What a request carries through the service: `length` characters in one flat string, as a parsed body or a rendered page is.
function payload(length) {
  return Buffer.alloc(length, `${process.hrtime.bigint()} `).toString('latin1');
}

// The time of a request in seconds: what it says in `at`, where its sender compresses time, else the clock's.
function now(req) {
  return req.query.at === undefined ? Date.now() / 1000 : Number(req.query.at);
}

module.exports = { announce, now, payload, refuse, setting, start };
