// Each connection has an interval of its own, which outlives it.
'use strict';

const { EventEmitter } = require('node:events');

class Connection extends EventEmitter {
  constructor(id) {
    super();
    this.id = id;
    this.sent = [`hello ${id}`];
  }
}

function keepAlive(connection) {
  const ping = setInterval(() => {
    connection.sent.push('ping');
  }, 1800000);
  connection.on('error', () => clearInterval(ping));
}

exports.step = function accept(i) {
  const connection = new Connection(i);
  keepAlive(connection);
  connection.emit('close');
};
