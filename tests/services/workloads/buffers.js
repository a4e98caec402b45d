'use strict';

// A leak outside of the heap: uploads are kept in case they are retried, and nobody forgets them.

const { setting } = require('../service');

const bytes = setting('LEAK_BYTES', 20000);
const uploads = new Map();
let received = 0;

function use(_req, _res, next) {
  received += 1;
  // Filled, else the system would not back it with memory.
  uploads.set(received, Buffer.alloc(bytes, received));
  next();
}

module.exports = { use };
