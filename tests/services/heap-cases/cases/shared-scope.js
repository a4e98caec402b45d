// Two closures share a scope: the one that is kept holds what only the other one uses.
'use strict';

const hooks = [];

exports.step = function register(i) {
  const payload = { id: i, rows: Array.from({ length: 30 }, (_, n) => n + i / 7) };
  const validate = () => payload.rows.length;
  validate();
  hooks.push(function done() {
    return i;
  });
};
exports.run = () => hooks.map((hook) => hook());
