// Connections that are accepted and never closed by either side.
'use strict';

const net = require('node:net');

const listening = new Promise((resolve) => {
  const server = net.createServer((socket) => socket.resume());
  server.listen(0, '127.0.0.1', () => resolve(server.address().port));
});

exports.step = async function connect(i) {
  if (i % 10 !== 0) {
    return;
  }
  const port = await listening;
  await new Promise((resolve) => {
    net.connect(port, '127.0.0.1', function onConnect() {
      this.write('hello');
      resolve();
    });
  });
};
