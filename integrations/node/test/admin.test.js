'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const { test } = require('node:test');
const heapwatch = require('..');
const { sendSnapshot } = require('../lib/snapshot');
const { AUTHORIZED, TOKEN, collect, get, listening, serve, waitFor } = require('./support');

// As much as the tests' own heap may need on a small machine is not what these tests are about.
const FREE = { snapshotCost: 0 };

const SNAPSHOT = '/admin/heap-snapshot';
const PROFILE = '/admin/heap-profile';

test('without a token the admin routes are off', async (t) => {
  const { port } = await serve(t, { token: undefined });
  for (const path of [SNAPSHOT, PROFILE]) {
    const { status, json } = await get(port, path, { headers: AUTHORIZED });
    assert.equal(status, 404);
    assert.equal(json.error, 'off');
  }
  assert.equal((await get(port, '/health/debug')).status, 200);
});

test('a missing or wrong token is told what is wanted', async (t) => {
  const { port } = await serve(t, FREE);
  const wrong = ['', 'Bearer', 'Bearer x', 'Basic a-token-for-tests-only', 'Bearer a-token-for-tests-onl', 'Bearer a-token-for-tests-only x'];
  for (const path of [SNAPSHOT, PROFILE]) {
    for (const authorization of wrong) {
      const answer = await get(port, path, { headers: { authorization } });
      assert.equal(answer.status, 401, authorization);
      assert.equal(answer.headers['www-authenticate'], 'Bearer');
    }
    assert.equal((await get(port, path)).status, 401);
  }
});

test('each of several tokens opens the routes', async (t) => {
  const { port } = await serve(t, { token: ['the-token-of-last-year', 'the-token-of-this-year'] });
  for (const token of ['the-token-of-last-year', 'the-token-of-this-year']) {
    assert.equal((await get(port, PROFILE, { headers: { authorization: `bearer ${token}` } })).status, 200);
  }
});

test('the health route asks for the token where told to', async (t) => {
  const { port } = await serve(t, { protectHealth: true });
  assert.equal((await get(port, '/health/debug')).status, 401);
  assert.equal((await get(port, '/health/debug', { headers: AUTHORIZED })).status, 200);
});

test('only GET is answered', async (t) => {
  const { port } = await serve(t, FREE);
  const { status, headers } = await get(port, SNAPSHOT, { method: 'POST', headers: AUTHORIZED });
  assert.equal(status, 405);
  assert.equal(headers.allow, 'GET');
});

test('streams a heap snapshot that is whole', async (t) => {
  const { port } = await serve(t, FREE);
  const { status, headers, json } = await get(port, SNAPSHOT, { headers: AUTHORIZED });
  assert.equal(status, 200);
  assert.match(headers['content-disposition'], /\.heapsnapshot"$/);
  const { meta, node_count: nodes } = json.snapshot;
  assert.ok(nodes > 10_000, `${nodes} nodes`);
  assert.equal(json.nodes.length, nodes * meta.node_fields.length);
  assert.equal(json.strings.includes('a-token-for-tests-onl' + 'y'), true, 'the client in this process knows the token');
});

test('a second snapshot at a time is refused', async (t) => {
  const { port } = await serve(t, FREE);
  const first = http.get({ port, path: SNAPSHOT, headers: AUTHORIZED, agent: false });
  const [response] = await once(first, 'response');
  // Unread, it stays under way.
  response.pause();
  const { status, headers, json } = await get(port, SNAPSHOT, { headers: AUTHORIZED });
  assert.equal(status, 429);
  assert.equal(json.error, 'busy');
  assert.ok(Number(headers['retry-after']) > 0);
  // The client leaves, and the next is served.
  first.destroy();
  await waitFor(async () => (await get(port, SNAPSHOT, { headers: AUTHORIZED })).status === 200, 'the next snapshot');
});

// A snapshot for nobody would stop the service for nothing, and be under way for ever.
test('no snapshot is taken for a client that has left already', async (t) => {
  const debug = heapwatch({ token: TOKEN, ...FREE });
  t.after(() => debug.close());
  const server = http.createServer(async (req, res) => {
    if (req.url === SNAPSHOT && req.headers.slow) {
      first.destroy();
      await once(res, 'close');
    }
    if (debug(req, res)) server.emit('answered', res.headersSent);
  });
  const port = await listening(t, server);
  const answered = once(server, 'answered');
  const first = http.get({ port, path: SNAPSHOT, headers: { ...AUTHORIZED, slow: 'yes' }, agent: false });
  first.on('error', () => {});
  assert.deepEqual(await answered, [false], 'nothing was begun');
  assert.equal((await get(port, SNAPSHOT, { headers: AUTHORIZED })).status, 200);
});

test('a client that takes nothing does not hold the snapshot for ever', async (t) => {
  const server = http.createServer((_req, res) => sendSnapshot(res, FREE, 300));
  const port = await listening(t, server);
  const first = http.get({ port, agent: false });
  const [response] = await once(first, 'response');
  response.on('error', () => {});
  // Unread, and not left.
  await waitFor(async () => (await get(port, '/')).status === 200, 'the next snapshot');
  first.destroy();
});

test('a snapshot without room is refused with its numbers', async (t) => {
  const { port } = await serve(t, { snapshotCost: 1e9 });
  const { status, json } = await get(port, SNAPSHOT, { headers: AUTHORIZED });
  assert.equal(status, 503);
  assert.equal(json.error, 'no_room');
  assert.equal(json.neededBytes, json.heapUsed * json.cost);
  assert.ok(json.availableBytes > 0 && json.availableBytes < json.neededBytes);
  assert.match(json.message, /bytes more \(1000000000 times\)/);
});

test('a heap profile names the function that made what stays', async (t) => {
  const { port } = await serve(t, { samplingInterval: 16 * 1024 });
  const kept = [];
  function hoard(amount) {
    for (let n = 0; n < amount; n += 1) kept.push({ n, text: `entry ${n}` });
  }
  hoard(200_000);
  const { status, headers, json } = await get(port, PROFILE, { headers: AUTHORIZED });
  assert.equal(status, 200);
  assert.match(headers['content-disposition'], /\.heapprofile"$/);
  const found = nodes(json.head).find(({ callFrame }) => callFrame.functionName === 'hoard');
  assert.ok(found, 'the function is there');
  assert.equal(found.callFrame.url, __filename);
  assert.ok(found.selfSize > 5e6, `${found.selfSize} bytes`);
  assert.ok(kept.length > 0);
});

test('a profile holds nothing that is gone', async (t) => {
  const { port } = await serve(t, { samplingInterval: 16 * 1024 });
  (function waste() {
    const brief = [];
    for (let n = 0; n < 200_000; n += 1) brief.push({ n, text: `entry ${n}` });
    return brief.length;
  })();
  const { json } = await get(port, PROFILE, { headers: AUTHORIZED });
  const left = nodes(json.head).filter(({ callFrame }) => callFrame.functionName === 'waste');
  assert.ok(left.reduce((sum, { selfSize }) => sum + selfSize, 0) < 500_000);
});

test('profiles can be left out, and the route says so', async (t) => {
  const { port } = await serve(t, { profile: false });
  const { status, json } = await get(port, PROFILE, { headers: AUTHORIZED });
  assert.equal(status, 404);
  assert.match(json.message, /profile: false/);
});

// A connected inspector keeps what was logged: without the sweep 1,000 arguments of `console.log` would stay alive.
test('what the service logs is not kept alive by the profiler', async (t) => {
  await serve(t);
  const logged = [];
  const log = (n) => {
    const entry = { n };
    logged.push(new WeakRef(entry));
    console.log(entry);
  };
  const write = process.stdout.write;
  process.stdout.write = () => true;
  for (let n = 0; n < 100; n += 1) log(n);
  process.stdout.write = write;
  await waitFor(() => {
    collect();
    return logged.every((entry) => entry.deref() === undefined);
  }, 'what was logged is collected');
});

// The flat list of a profile's nodes.
function nodes(node) {
  return [node, ...node.children.flatMap(nodes)];
}
