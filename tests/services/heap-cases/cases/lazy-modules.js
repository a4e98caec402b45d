// Healthy: modules are loaded when they are first needed, late.
'use strict';

const LATE = ['node:zlib', 'node:http2', 'node:readline', 'node:tls', 'node:dgram', 'node:url', 'node:querystring'];

const totals = { requests: 0 };

exports.step = function handle(i) {
  totals.requests += 1;
  if (i >= 600 && i % 100 === 0) {
    require(LATE[(i / 100) % LATE.length]);
  }
};
exports.totals = totals;
