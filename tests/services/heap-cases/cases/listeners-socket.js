// A listener for every request on one connection that lives long.
'use strict';

const net = require('node:net');

const connection = new net.Socket();
connection.setMaxListeners(0);

exports.step = function send(i) {
  const request = { id: i, body: `body of ${i}` };
  connection.on('error', function onError(error) {
    request.failed = error;
  });
};
exports.connection = connection;
