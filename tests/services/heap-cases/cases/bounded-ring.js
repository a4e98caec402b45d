// Healthy: the last entries of a log, in a ring.
'use strict';

const ring = new Array(256).fill(null);

exports.step = function log(i) {
  ring[i % ring.length] = { at: i, message: `message ${i}`.padEnd(50) + i };
};
exports.ring = ring;
