'use strict';

// What the tests share: a server on a free port of loopback, and requests to it.

const http = require('node:http');
const { once } = require('node:events');
const v8 = require('node:v8');
const vm = require('node:vm');
const heapwatch = require('..');

const TOKEN = 'a-token-for-tests-only';
const AUTHORIZED = { authorization: `Bearer ${TOKEN}` };

// A full garbage collection.
v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc');

// A service with the handler in front; it and the handler end with the test.
async function serve(t, options, respond = (_req, res) => res.end('the service itself')) {
  const debug = heapwatch({ token: TOKEN, ...options });
  const server = http.createServer((req, res) => {
    if (!debug(req, res)) respond(req, res);
  });
  const port = await listening(t, server);
  t.after(() => debug.close());
  return { debug, port };
}

async function listening(t, server) {
  server.listen(0, '127.0.0.1');
  t.after(() => {
    server.closeAllConnections?.();
    server.close();
  });
  await once(server, 'listening');
  return server.address().port;
}

// The whole answer; `json` where it is some.
async function get(port, path, { method = 'GET', headers = {} } = {}) {
  const request = http.request({ host: '127.0.0.1', port, path, method, headers, agent: false });
  request.end();
  const [response] = await once(request, 'response');
  const chunks = [];
  for await (const chunk of response) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString();
  return {
    status: response.statusCode,
    headers: response.headers,
    body,
    get json() {
      return JSON.parse(body);
    },
  };
}

// Waits until `condition` gives something truthy, and gives that.
async function waitFor(condition, what, withinMs = 20_000) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const met = await condition();
    if (met) return met;
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

module.exports = { AUTHORIZED, TOKEN, collect, get, listening, serve, waitFor };
