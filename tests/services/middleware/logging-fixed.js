'use strict';

const { AsyncLocalStorage } = require('node:async_hooks');
const { randomUUID } = require('node:crypto');
const { payload, setting } = require('../service');

const bytes = setting('LEAK_BYTES', 20000);
const current = new AsyncLocalStorage();

// The fix: one listener, registered when the service starts, which asks for the request that is under way.
process.on('uncaughtException', (error) => {
  console.error(JSON.stringify({ ...current.getStore(), error: error.message }));
});

// Logs the request that was under way when an exception is uncaught.
function logRequests(_req, _res, next) {
  current.run({ requestId: randomUUID(), trace: payload(bytes) }, next);
}

module.exports = { logRequests };
