// Makes a pair of heap snapshots of a chosen size: node make-pair.js SIZE DIRECTORY, with SIZE one of s, m, l, xl
//
// A process that leaks two ways at once, with many small objects: a listener on `process` and an entry of a `Map` for
// every request. About 60 nodes and 190 edges a request, and 70 bytes of snapshot a node.
'use strict';

const { randomUUID } = require('node:crypto');
const path = require('node:path');
const v8 = require('node:v8');

const SIZES = { s: [0, 1000], m: [10000, 5800], l: [57500, 29000], xl: [169000, 57500] };

class SessionEntry {
  constructor(i) {
    this.id = randomUUID();
    this.user = { name: `user-${i}`, roles: ['reader', 'writer'], seen: new Date(i) };
    this.visits = Array.from({ length: 8 }, (_, n) => ({ path: `/page/${i}/${n}`, at: i + n + 0.5, next: null }));
    this.visits.forEach((visit, n) => {
      visit.next = this.visits[n + 1] ?? null;
    });
    this.tags = new Set([`a${i}`, `b${i}`, `c${i}`]);
  }
}

const sessions = new Map();
process.setMaxListeners(0);

function request(i) {
  const entry = new SessionEntry(i);
  sessions.set(entry.id, entry);
  const requestId = randomUUID();
  process.on('uncaughtException', (error) => {
    console.error(requestId, error);
  });
}

const [size, directory] = process.argv.slice(2);
const [base, step] = SIZES[size];
for (let i = 0; i < base; i++) {
  request(i);
}
v8.writeHeapSnapshot(path.join(directory, 'before.heapsnapshot'));
for (let i = base; i < base + step; i++) {
  request(i);
}
v8.writeHeapSnapshot(path.join(directory, 'after.heapsnapshot'));
process.exit(sessions.size > 0 ? 0 : 1);
