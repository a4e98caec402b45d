// Requests wait for an answer that never comes; what would settle them is kept by id.
'use strict';

const waiting = new Map();

function reply(id) {
  return new Promise((resolve) => {
    waiting.set(id, resolve);
  });
}

async function handle(id) {
  const request = { id, body: 'x'.repeat(40) + id, headers: { accept: '*/*' } };
  const answer = await reply(id);
  return { request, answer };
}

exports.step = (i) => {
  handle(i);
};
exports.settle = (id) => waiting.get(id)?.();
