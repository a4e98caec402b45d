'use strict';

// Small answers, whole. They describe one process at one moment, so nobody may cache them.

function sendJson(res, status, body, headers) {
  sendText(res, status, JSON.stringify(body), headers);
}

// `text` is JSON already.
function sendText(res, status, text, headers = {}) {
  const body = Buffer.from(text);
  res.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
    'cache-control': 'no-store',
    ...headers,
  });
  res.end(body);
}

module.exports = { sendJson, sendText };
