// Contexts by asynchronous id, as tracers keep them, that no destroy hook removes.
'use strict';

const { createHook, executionAsyncId } = require('node:async_hooks');

class Span {
  constructor(id, parent) {
    this.id = id;
    this.parent = parent;
    this.tags = { kind: 'internal', at: [id, parent] };
  }
}

const spans = new Map();

createHook({
  init(id, type, trigger) {
    if (type === 'Immediate') {
      spans.set(id, new Span(id, trigger));
    }
  },
}).enable();

exports.step = () => new Promise((resolve) => setImmediate(resolve));
exports.current = () => spans.get(executionAsyncId());
