'use strict';

// A leak: an audit log that is kept in an array until somebody writes it out, which nobody does.

const { randomUUID } = require('node:crypto');
const { payload, setting } = require('../service');

const bytes = setting('LEAK_BYTES', 20000);
const garbageBytes = setting('GARBAGE_BYTES', 0);
const log = [];

function use(req, res, next) {
  // What every request allocates and drops: a parsed body, a rendered page.
  res.locals.rows = Array.from({ length: garbageBytes / 200 }, (_, row) => ({ row, id: randomUUID(), tags: [row, row + 1] }));
  if (bytes > 0) log.push(`${randomUUID()} ${req.method} ${req.url} ${payload(bytes)}`);
  next();
}

module.exports = { use, gauges: () => ({ lines: log.length }) };
