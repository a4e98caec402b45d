// The story's bug: a listener on `process` for every request.
'use strict';

const { randomUUID } = require('node:crypto');

process.setMaxListeners(0);

exports.step = function handle() {
  const requestId = randomUUID();
  process.on('uncaughtException', (error) => {
    console.error(requestId, error);
  });
};
