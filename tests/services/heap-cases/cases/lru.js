// Healthy: a cache at its limit, which lets one go for each one it takes.
'use strict';

const LIMIT = 200;
const cache = new Map();

exports.step = function lookup(i) {
  cache.set(`key-${i}`, { value: Buffer.from(`value ${i}`).toString('latin1'), at: [i, i + 1] });
  if (cache.size > LIMIT) {
    cache.delete(cache.keys().next().value);
  }
};
exports.get = (key) => cache.get(key);
