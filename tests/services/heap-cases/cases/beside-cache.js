// A leak beside a cache that is still filling.
'use strict';

const { randomUUID } = require('node:crypto');

const responseCache = new Map();
const CACHE_LIMIT = 5000;

class Subscriber {
  constructor(topic) {
    this.topic = topic;
    this.queue = [];
    this.token = randomUUID();
  }
}

const topics = { news: { subscribers: [] } };

exports.step = function request(i) {
  if (responseCache.size < CACHE_LIMIT) {
    responseCache.set(`/page/${i}`, { status: 200, body: `<p>${i}</p>`.padEnd(60, '.') + i });
  }
  topics.news.subscribers.push(new Subscriber('news'));
};
exports.cached = (path) => responseCache.get(path);
