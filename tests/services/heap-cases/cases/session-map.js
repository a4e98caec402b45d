// Sessions that nobody ends.
'use strict';

const { randomUUID } = require('node:crypto');

class SessionEntry {
  constructor(user) {
    this.user = user;
    this.token = randomUUID();
    this.visits = [Date.now()];
  }
}

const sessions = new Map();

exports.step = function login(i) {
  sessions.set(`user-${i}`, new SessionEntry({ name: `user ${i}`, roles: ['reader'] }));
};

exports.find = (user) => sessions.get(user);
