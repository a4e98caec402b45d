'use strict';

const assert = require('node:assert/strict');
const { EventEmitter } = require('node:events');
const { test } = require('node:test');
const v8 = require('node:v8');
const heapwatch = require('..');
const { collect, get, serve, waitFor } = require('./support');

test('tells what the process uses in bytes, and which process it is', async (t) => {
  const { port } = await serve(t);
  const { status, headers, json } = await get(port, '/health/debug');
  assert.equal(status, 200);
  assert.match(headers['content-type'], /^application\/json/);
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(json.pid, process.pid);
  assert.ok(json.uptime > 0 && Math.abs(json.uptime - process.uptime()) < 5, `uptime ${json.uptime}`);
  assert.ok(Math.abs(Date.parse(json.startTime) + json.uptime * 1000 - Date.now()) < 5000, json.startTime);
  for (const field of ['rss', 'heapTotal', 'heapUsed', 'external', 'arrayBuffers']) {
    assert.ok(Number.isInteger(json.memoryUsage[field]), field);
  }
  assert.equal(json.heapSizeLimit, v8.getHeapStatistics().heap_size_limit);
  assert.equal(json.nativeContexts, v8.getHeapStatistics().number_of_native_contexts);
  assert.equal(typeof json.detachedContexts, 'number');
  assert.ok(json.eventLoopDelay.p99Ms >= json.eventLoopDelay.p50Ms);
});

test('counts the requests of the service, and not those that watch it', async (t) => {
  const { port } = await serve(t);
  for (let n = 0; n < 3; n += 1) assert.equal((await get(port, `/work?n=${n}`)).body, 'the service itself');
  await get(port, '/health/debug');
  assert.equal((await get(port, '/health/debug?again')).json.requests, 3);
});

test('tells the level right after a major collection', async (t) => {
  const { port } = await serve(t);
  const before = (await get(port, '/health/debug')).json.majorGcs;
  let kept = Array.from({ length: 200_000 }, (_, n) => ({ n }));
  collect();
  const after = await waitFor(async () => {
    const { json } = await get(port, '/health/debug');
    return json.majorGcs > before && json.heapUsedAfterGc !== undefined && json;
  }, 'a major collection is counted');
  const used = process.memoryUsage().heapUsed;
  assert.ok(Math.abs(after.heapUsedAfterGc - used) < 0.2 * used, `${after.heapUsedAfterGc} beside ${used}`);
  kept = undefined;
  const level = after.heapUsedAfterGc;
  collect();
  await waitFor(async () => (await get(port, '/health/debug')).json.heapUsedAfterGc < level - 3e6, 'the level falls');
  assert.equal(kept, undefined);
});

test('counts the listeners of the process and of emitters that were named', async (t) => {
  const queue = new EventEmitter();
  queue.on('job', () => {}).on('job', () => {});
  const { debug, port } = await serve(t, { emitters: { queue } });
  const late = new EventEmitter();
  late.on(Symbol('tick'), () => {});
  debug.emitter('late', late);
  const listener = () => {};
  process.on('uncaughtException', listener);
  t.after(() => process.off('uncaughtException', listener));
  const { listeners } = (await get(port, '/health/debug')).json;
  assert.deepEqual(listeners.queue, { job: 2 });
  assert.deepEqual(listeners.late, { 'Symbol(tick)': 1 });
  assert.equal(listeners.process.uncaughtException, process.listenerCount('uncaughtException'));
});

test('an emitter with an event for each user does not swell the body', async (t) => {
  const busy = new EventEmitter();
  for (let n = 0; n < 10_000; n += 1) busy.on(`user-${n}`, () => {});
  const { port } = await serve(t, { emitters: { busy } });
  const { listeners } = (await get(port, '/health/debug')).json;
  assert.equal(Object.keys(listeners.busy).length, 51);
  assert.equal(listeners.busy['(further events)'], 9_950);
});

test('an emitter that is watched may still be collected', async (t) => {
  const { debug, port } = await serve(t);
  (() => debug.emitter('brief', new EventEmitter()))();
  await waitFor(async () => {
    collect();
    return !('brief' in (await get(port, '/health/debug')).json.listeners);
  }, 'the emitter is gone');
});

test('names open handles by kind', async (t) => {
  const { port } = await serve(t);
  const { handles } = (await get(port, '/health/debug')).json;
  assert.ok(handles.TCPServerWrap >= 1, JSON.stringify(handles));
});

// The watcher must not be the leak: the floor after 100,000 calls is where it was.
// Garbage outside the heap, of a service that is otherwise idle, would look like growth from poll to poll.
test('a call leaves no garbage outside the heap worth naming', () => {
  const debug = heapwatch();
  const answer = () => debug({ url: '/health/debug', method: 'GET', headers: {} }, { writeHead() {}, end() {} });
  answer();
  collect();
  const before = process.memoryUsage().external;
  for (let n = 0; n < 100; n += 1) answer();
  const more = process.memoryUsage().external - before;
  debug.close();
  assert.ok(more < 500_000, `${more} bytes`);
});

test('a hundred thousand calls leave nothing behind', () => {
  const debug = heapwatch({ token: 'a-token-for-tests-only' });
  const request = { url: '/health/debug', method: 'GET', headers: {} };
  let length = 0;
  const response = { headersSent: false, writeHead() {}, end: (body) => (length = body.length) };
  const call = (times) => {
    for (let n = 0; n < times; n += 1) debug(request, response);
    collect();
    return process.memoryUsage().heapUsed;
  };
  // What the first thousands leave is compiled code.
  const before = call(10_000);
  const started = process.cpuUsage();
  const after = call(100_000);
  const { user, system } = process.cpuUsage(started);
  const each = (user + system) / 1000 / 100_000;
  debug.close();
  assert.ok(length > 500, `${length} bytes answered`);
  assert.ok(after - before < 200_000, `${after - before} bytes more`);
  assert.ok(each < 1, `${each} ms of CPU a call`);
});
