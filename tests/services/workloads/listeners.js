'use strict';

// A leak: each request subscribes to the application's events for as long as it runs, and never unsubscribes.

const { EventEmitter } = require('node:events');
const { payload, setting } = require('../service');

const bytes = setting('LEAK_BYTES', 20000);
const settings = new EventEmitter().setMaxListeners(0);

function use(req, _res, next) {
  const session = { path: req.path, agent: req.get('user-agent'), draft: payload(bytes) };
  settings.on('changed', () => (session.stale = true));
  next();
}

module.exports = { use, gauges: () => ({ listeners: settings.listenerCount('changed') }) };
