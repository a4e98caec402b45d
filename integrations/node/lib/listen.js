'use strict';

// A port of its own for the routes, which each process and thread needs that shares its main port with others.

const http = require('node:http');
const { sendJson } = require('./respond');

// Loopback unless told otherwise: these routes are no public ones.
function listen(handle, port = 0, host = '127.0.0.1') {
  const server = http.createServer((req, res) => {
    if (!handle(req, res)) sendJson(res, 404, { error: 'not_found', message: 'there is no such route here' });
  });
  // In a cluster the primary would else share the port among all workers, and every poll would meet another of them.
  server.listen({ port, host, exclusive: true });
  // A service without these routes is better than none: the port may be its predecessor's, which is about to end.
  server.on('error', (problem) => process.emitWarning(`heapwatch: no routes on ${host}:${port}: ${problem.message}`));
  // The service ends when its own work does.
  server.unref();
  return server;
}

module.exports = { listen };
