// A private list behind a symbol on an object of another module.
'use strict';

const http = require('node:http');

const kPending = Symbol('pending');
const agent = new http.Agent({ keepAlive: true });
agent[kPending] = [];

exports.step = function enqueue(i) {
  agent[kPending].push({ url: `/item/${i}`, done: () => i });
};
exports.agent = agent;
