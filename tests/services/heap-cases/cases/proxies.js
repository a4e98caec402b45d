// Reactive wrappers of records that are never released.
'use strict';

class Row {
  constructor(id) {
    this.id = id;
    this.cells = [`cell ${id}.1`, `cell ${id}.2`];
  }
}

const watched = [];

function observe(row) {
  const proxy = new Proxy(row, { get: (target, key) => target[key] });
  watched.push(proxy);
  return proxy;
}

exports.step = (i) => observe(new Row(i)).id;
exports.watched = watched;
