// A context of each request that lives on in a wait without an end.
'use strict';

const { AsyncLocalStorage } = require('node:async_hooks');

class RequestContext {
  constructor(id) {
    this.id = id;
    this.headers = { host: 'shop.example', agent: `client/${id}` };
  }
}

const storage = new AsyncLocalStorage();
const never = [];

exports.step = function handle(i) {
  storage.run(new RequestContext(i), () => {
    new Promise((resolve) => never.push(resolve)).then(() => storage.getStore());
  });
};
exports.never = never;
