'use strict';

const { randomUUID } = require('node:crypto');
const { payload, setting } = require('../service');

const bytes = setting('LEAK_BYTES', 20000);

// Logs the request that was under way when an exception is uncaught.
function logRequests(_req, _res, next) {
  const requestId = randomUUID();
  const trace = payload(bytes);
  // The bug: this registers one more listener with each request, and each keeps its request's id and trace for good.
  process.on('uncaughtException', (error) => {
    console.error(JSON.stringify({ requestId, trace, error: error.message }));
  });
  next();
}

module.exports = { logRequests };
