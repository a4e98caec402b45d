// Healthy: a least-recently-used cache of a map and a doubly linked list, at its limit.
'use strict';

class Entry {
  constructor(key, value) {
    this.key = key;
    this.value = value;
    this.newer = null;
    this.older = null;
  }
}

class Lru {
  constructor(limit) {
    this.limit = limit;
    this.entries = new Map();
    this.newest = null;
    this.oldest = null;
  }

  set(key, value) {
    const entry = new Entry(key, value);
    entry.older = this.newest;
    if (this.newest) this.newest.newer = entry;
    this.newest = entry;
    this.oldest ??= entry;
    this.entries.set(key, entry);
    if (this.entries.size > this.limit) {
      const oldest = this.oldest;
      this.oldest = oldest.newer;
      this.oldest.older = null;
      this.entries.delete(oldest.key);
    }
  }
}

const store = new Lru(150);

exports.step = (i) => store.set(`key-${i}`, { payload: `value ${i}`.padEnd(60) + i });
exports.store = store;
