// A few long-lived sockets, each of which gets a listener with every message and loses none.
'use strict';

const { EventEmitter } = require('node:events');

class Upstream extends EventEmitter {
  constructor(name) {
    super();
    this.name = name;
    this.setMaxListeners(0);
  }
}

const pool = Array.from({ length: 40 }, (_, i) => new Upstream(`upstream-${i}`));

exports.step = function forward(i) {
  const message = { id: i, body: `message ${i}` };
  pool[i % pool.length].on('drain', () => message.id);
};
exports.pool = pool;
