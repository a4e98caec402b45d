'use strict';

// A leak of native memory: a TLS context for every outgoing call, kept by the pool. OpenSSL holds 15 kB for each, of which
// V8 knows nothing.

const tls = require('node:tls');
const { setting } = require('../service');

const perRequest = setting('CONTEXTS', 1);
const pool = [];

function use(_req, _res, next) {
  for (let n = 0; n < perRequest; n += 1) pool.push(tls.createSecureContext());
  next();
}

module.exports = { use };
