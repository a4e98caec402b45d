// Healthy: every request makes objects, closures and listeners, and lets them go.
'use strict';

const { EventEmitter } = require('node:events');

const totals = { requests: 0, bytes: 0 };

exports.step = async function handle(i) {
  const emitter = new EventEmitter();
  const chunks = [];
  emitter.on('data', (chunk) => chunks.push(chunk));
  emitter.emit('data', `chunk ${i}`);
  await new Promise((resolve) => setImmediate(resolve));
  totals.requests += 1;
  totals.bytes += chunks.join('').length;
};
exports.totals = totals;
