// Healthy: entries live for five hundred requests, whatever their number.
'use strict';

const entries = new Map();

class Entry {
  constructor(i) {
    this.until = i + 500;
    this.value = { text: `value ${i}`, list: [i] };
  }
}

exports.step = function remember(i) {
  entries.set(`key-${i}`, new Entry(i));
  for (const [key, entry] of entries) {
    if (entry.until > i) {
      break;
    }
    entries.delete(key);
  }
};
exports.entries = entries;
