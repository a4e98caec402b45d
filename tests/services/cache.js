'use strict';

// A service that grows without leaking: a least-recently-used cache that fills, then levels off.

const { payload, setting, start } = require('./service');

const mostEntries = setting('CACHE_ENTRIES', 1000);
const entryBytes = setting('CACHE_ENTRY_BYTES', 20000);
// A Map keeps the order of insertion, so its first key is the oldest.
const cache = new Map();
let visitors = 0;

function remember(_req, _res, next) {
  visitors += 1;
  cache.set(`visitor-${visitors}`, payload(entryBytes));
  if (cache.size > mostEntries) cache.delete(cache.keys().next().value);
  next();
}

start({ use: [remember], gauges: () => ({ entries: cache.size }) });
