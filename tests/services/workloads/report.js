'use strict';

// No leak: every EVERY_SECONDS a report gathers rows for DURING_SECONDS, is sent, and is dropped.

const { now, payload, setting } = require('../service');

const every = setting('EVERY_SECONDS', 21600);
const during = setting('DURING_SECONDS', 2400);
const bytes = setting('ROW_BYTES', 40000);
let rows = [];

function use(req, res, next) {
  if (now(req) % every < during) rows.push({ n: rows.length, text: payload(bytes) });
  else rows = [];
  res.locals.page = payload(20000);
  next();
}

module.exports = { use, gauges: () => ({ rows: rows.length }) };
