// Healthy: a table that is filled once, at its first use, and only read from then on.
'use strict';

let table;

function rates() {
  table ??= new Map(Array.from({ length: 12 }, (_, n) => [`C${n}`, { rate: n + 0.5, name: `currency ${n}` }]));
  return table;
}

let total = 0;

exports.step = function convert(i) {
  if (i >= 700) {
    total += rates().get(`C${i % 12}`).rate;
  }
};
exports.total = () => total;
