'use strict';

const { payload, setting } = require('../service');

const bytes = setting('LEAK_BYTES', 20000);
const seen = [];

class Session {
  constructor(path) {
    this.path = path;
    this.trace = payload(bytes);
  }
}

// The bug: a list of all sessions that nobody ever shortens.
function track(req, _res, next) {
  seen.push(new Session(req.path));
  next();
}

module.exports = { track };
