'use strict';

// No leak: a cache of rendered pages. Which page is asked for is chance, so the cache fills fast, then ever more slowly.

const { payload, setting } = require('../service');

const pages = setting('CACHE_ENTRIES', 1000);
const bytes = setting('CACHE_ENTRY_BYTES', 20000);
const cache = new Map();

function use(_req, _res, next) {
  const page = Math.floor(Math.random() * pages);
  if (!cache.has(page)) cache.set(page, payload(bytes));
  next();
}

module.exports = { use, gauges: () => ({ entries: cache.size }) };
