// Channels whose ports are listened to and never closed.
'use strict';

const { MessageChannel } = require('node:worker_threads');

exports.step = function ask(i) {
  if (i % 5 !== 0) {
    return;
  }
  const { port1, port2 } = new MessageChannel();
  port1.on('message', function onAnswer(answer) {
    return [i, answer];
  });
  port2.postMessage({ id: i });
};
