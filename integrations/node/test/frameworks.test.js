'use strict';

// The five lines of the README for each framework, run.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const http = require('node:http');
const heapwatch = require('..');
const { AUTHORIZED, get, listening } = require('./support');

const OPTIONS = { token: AUTHORIZED.authorization.split(' ')[1] };
const NODE_MAJOR = Number.parseInt(process.versions.node, 10);

// The same of every framework: our routes are answered, the service's own are served and counted.
async function check(port) {
  const served = await get(port, '/hello');
  assert.equal(served.body, 'hello');
  assert.equal((await get(port, '/missing')).status, 404);
  const health = await get(port, '/health/debug');
  assert.equal(health.status, 200);
  assert.equal(health.json.pid, process.pid);
  assert.equal(health.json.requests, 2);
  assert.equal((await get(port, '/admin/heap-profile')).status, 401);
  const profile = await get(port, '/admin/heap-profile', { headers: AUTHORIZED });
  assert.equal(profile.json.head.callFrame.functionName, '(root)');
}

function handler(t) {
  const debug = heapwatch(OPTIONS);
  t.after(() => debug.close());
  return debug;
}

test('node:http', async (t) => {
  const debug = handler(t);
  const server = http.createServer((req, res) => {
    if (debug(req, res)) return;
    res.statusCode = req.url === '/hello' ? 200 : 404;
    res.end('hello');
  });
  await check(await listening(t, server));
});

test('Express', async (t) => {
  const app = require('express')();
  app.use(handler(t));
  app.get('/hello', (_req, res) => res.send('hello'));
  await check(await listening(t, http.createServer(app)));
});

test('Express, below a path of its own', async (t) => {
  const app = require('express')();
  app.use('/internal', handler(t));
  const port = await listening(t, http.createServer(app));
  assert.equal((await get(port, '/internal/health/debug')).status, 200);
});

test('Fastify', { skip: NODE_MAJOR < 20 && 'Fastify 5 needs Node.js 20' }, async (t) => {
  const app = require('fastify')();
  app.register(handler(t).fastify);
  app.get('/hello', async () => 'hello');
  await app.listen({ port: 0, host: '127.0.0.1' });
  t.after(() => app.close());
  await check(app.server.address().port);
});

test('Koa', async (t) => {
  const Koa = require('koa');
  const app = new Koa();
  app.use(handler(t).koa);
  app.use((context) => {
    if (context.path === '/hello') context.body = 'hello';
  });
  await check(await listening(t, http.createServer(app.callback())));
});
