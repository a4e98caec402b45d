// Paths in a tree by their parts: three branches of it grow alike.
'use strict';

const routes = { children: {}, handler: null };

exports.step = function add(i) {
  let node = routes;
  for (const part of `api/v${i % 3}/items/${i}`.split('/')) {
    node.children[part] ??= { children: {}, handler: null };
    node = node.children[part];
  }
  node.handler = function show() {
    return i;
  };
};
exports.routes = routes;
