// Healthy: requests over real connections that are closed.
'use strict';

const http = require('node:http');

const listening = new Promise((resolve) => {
  const server = http.createServer((request, response) => response.end(JSON.stringify({ url: request.url })));
  server.listen(0, '127.0.0.1', () => resolve(server.address().port));
});

exports.step = async function get(i) {
  if (i % 5 !== 0) {
    return;
  }
  const port = await listening;
  await new Promise((resolve, reject) => {
    http.get({ port, host: '127.0.0.1', path: `/item/${i}`, agent: false }, (response) => {
      response.resume().on('end', resolve);
    }).on('error', reject);
  });
};
