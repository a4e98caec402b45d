// Counters by a label that has no end of values.
'use strict';

const counters = new Map();

exports.step = function count(i) {
  const label = `GET /user/${i}/orders/${i * 31}`;
  counters.set(label, (counters.get(label) ?? 0) + 1);
};
exports.counters = counters;
