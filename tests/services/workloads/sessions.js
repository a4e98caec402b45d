'use strict';

// No leak unless FORGET is 0: sessions live for SESSION_SECONDS after they began, so their number follows the traffic. With
// LEAK_BYTES each leaves a log line behind, from the time LEAK_FROM on.

const { now, payload, setting } = require('../service');

const seconds = setting('SESSION_SECONDS', 7200);
const bytes = setting('SESSION_BYTES', 10000);
const leakBytes = setting('LEAK_BYTES', 0);
const leakFrom = setting('LEAK_FROM', 0);
const sessions = new Map();
const log = [];
let opened = 0;

function use(req, _res, next) {
  const at = now(req);
  // In the order of their beginning, so the first that is still valid ends the search.
  for (const [id, session] of sessions) {
    if (at - session.began < seconds) break;
    sessions.delete(id);
  }
  opened += 1;
  sessions.set(opened, { began: at, basket: payload(bytes) });
  if (leakBytes > 0 && at >= leakFrom) log.push(payload(leakBytes));
  next();
}

module.exports = { use, gauges: () => ({ sessions: sessions.size }) };
