// Listeners on the signal of the whole process.
'use strict';

const { setMaxListeners } = require('node:events');

const shutdown = new AbortController();
setMaxListeners(0, shutdown.signal);

exports.step = function fetchItem(i) {
  const body = `${'x'.repeat(50)}${i}`;
  shutdown.signal.addEventListener('abort', () => body.length);
};
exports.shutdown = shutdown;
