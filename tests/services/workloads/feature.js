'use strict';

// No leak: at FEATURE_AT a feature is switched on, which loads its table of prices at once and keeps it.

const { now, payload, setting } = require('../service');

const switchedOnAt = setting('FEATURE_AT', 0);
const rows = setting('ROWS', 2000);
let prices = null;

function use(req, res, next) {
  if (!prices && now(req) >= switchedOnAt) prices = Array.from({ length: rows }, (_, n) => ({ n, text: payload(20000) }));
  res.locals.page = payload(20000);
  next();
}

module.exports = { use, gauges: () => ({ prices: prices?.length ?? 0 }) };
