// Handlers bound to their request and never removed.
'use strict';

class Request {
  constructor(id) {
    this.id = id;
    this.headers = { accept: 'text/html', trace: `trace-${id}` };
  }
}

function finish(request, code) {
  return [request.id, code];
}

const onExit = [];

exports.step = (i) => {
  onExit.push(finish.bind(null, new Request(i)));
};
exports.onExit = onExit;
