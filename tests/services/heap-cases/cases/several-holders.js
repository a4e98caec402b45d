// Four leaks of like size at once, each behind something else.
'use strict';

const { EventEmitter } = require('node:events');

class Login {
  constructor(id) {
    this.id = id;
    this.claims = [`user-${id}`, `group-${id % 7}`];
  }
}

class Mail {
  constructor(id) {
    this.to = `user-${id}@example.com`;
    this.lines = [`Dear ${id}`, 'bye'];
  }
}

const logins = new Map();
const outgoing = [];
const bus = new EventEmitter().setMaxListeners(0);
const waiting = new Set();

exports.step = function request(i) {
  logins.set(i, new Login(i));
  outgoing.push(new Mail(i));
  bus.on('close', function onClose() {
    return i;
  });
  waiting.add(new Promise(() => {}));
};
exports.all = () => [logins, outgoing, bus, waiting];
