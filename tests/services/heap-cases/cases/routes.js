// A route that is added again with each request.
'use strict';

const app = { settings: {}, router: { stack: [] } };

function use(path, handle) {
  app.router.stack.push({ path, handle, keys: [] });
}

exports.step = function request(i) {
  use(`/user/${i}`, function show(response) {
    response.end(`user ${i}`);
  });
};
exports.app = app;
