'use strict';

// Every JavaScript block of the README, run as it stands; the ports alone are exchanged for free ones.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { randomUUID } = require('node:crypto');
const { once } = require('node:events');
const { readFileSync, rmSync, writeFileSync } = require('node:fs');
const net = require('node:net');
const { join } = require('node:path');
const { test } = require('node:test');
const { AUTHORIZED, TOKEN, get, waitFor } = require('./support');

const ROOT = join(__dirname, '..');
const NODE_MAJOR = Number.parseInt(process.versions.node, 10);
const BLOCKS = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);

// What a block takes for granted, by how its first line begins.
const AROUND = {
  '// Express': '',
  '// node:http': "const serve = (_req, res) => res.end('the service itself');\n",
  '// Fastify': '',
  '// Koa': '',
  '// A port of their own': '',
  '// In a cluster worker': "const heapwatch = require('heapwatch');\n",
  '// In a worker thread': "const heapwatch = require('heapwatch');\nconst workerData = { index: 0 };\n",
};

function blockOf(beginning) {
  const code = BLOCKS.find((block) => block.startsWith(beginning));
  assert.ok(code, `the README has a block that begins with ${beginning}`);
  return code;
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

// Runs code in a process of its own, which ends with the test. The file stands here so that it finds the package by name.
function run(t, code, environment) {
  const file = join(__dirname, `.block-${randomUUID()}.${/^import /m.test(code) ? 'mjs' : 'js'}`);
  // A server that keeps no process alive needs a service around it.
  writeFileSync(file, `${code}\nsetInterval(() => {}, 1000);\n`);
  t.after(() => rmSync(file));
  const child = spawn(process.execPath, [file], {
    env: { ...process.env, HEAPWATCH_TOKEN: TOKEN, ...environment },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
}

const answers = async (port) => {
  try {
    return (await get(port, '/health/debug')).json;
  } catch {
    return undefined;
  }
};

test('every block is run here', () => {
  const known = [...Object.keys(AROUND), '// In the primary'];
  const strange = BLOCKS.filter((block) => !known.some((beginning) => block.startsWith(beginning)));
  assert.deepEqual(strange, []);
});

for (const [beginning, around] of Object.entries(AROUND)) {
  const isTooOld = beginning === '// Fastify' && NODE_MAJOR < 20;
  test(`as it stands: ${beginning.slice(3)}`, { skip: isTooOld && 'Fastify 5 needs Node.js 20' }, async (t) => {
    const port = await freePort();
    // The last number is the port.
    const code = blockOf(beginning).replace(/\b(3000|9230|9330)\b/, port);
    run(t, around + code, { HEAPWATCH_PORT: port });
    const { heapSizeLimit } = await waitFor(() => answers(port), 'an answer');
    assert.ok(heapSizeLimit > 0);
    assert.equal((await get(port, '/admin/heap-profile', { headers: AUTHORIZED })).status, 200);
  });
}

// `cluster.worker.id` counts on, so that a target by it would be lost with its worker.
test('as it stands: in a cluster a worker is followed by one on its port', async (t) => {
  const ports = [await freePort(), await freePort()];
  const primary = blockOf('// In the primary').replace('9231, 9232', ports.join(', '));
  const worker = blockOf('// In a cluster worker');
  const code = `
    const cluster = require('node:cluster');
    const heapwatch = require('heapwatch');
    if (cluster.isPrimary) {
      ${primary}
    } else {
      ${worker}
    }`;
  run(t, code, {});
  const pids = await Promise.all(ports.map(async (port) => (await waitFor(() => answers(port), 'an answer')).pid));
  assert.notEqual(pids[0], pids[1]);
  process.kill(pids[0], 'SIGKILL');
  const successor = await waitFor(async () => {
    const health = await answers(ports[0]);
    return health && health.pid !== pids[0] && health;
  }, 'its successor');
  assert.equal(successor.clusterWorker, 3);
  assert.equal((await answers(ports[1])).pid, pids[1]);
});

test('a port that is taken does not end the service', async (t) => {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const heapwatch = require('..');
  const debug = heapwatch();
  t.after(() => debug.close());
  const warned = once(process, 'warning');
  debug.listen(server.address().port);
  const [{ message }] = await warned;
  assert.match(message, /^heapwatch: no routes on 127\.0\.0\.1:\d+: .*EADDRINUSE/);
});
