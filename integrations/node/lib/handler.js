'use strict';

// Chooses the route, guards it, and answers. Whatever goes wrong inside answers 500 and never reaches the service.

const { isAuthorized } = require('./token');
const { health } = require('./health');
const { sendJson, sendText } = require('./respond');
const { sendSnapshot } = require('./snapshot');

function createHandler(settings, parts) {
  let requests = 0;
  const routes = new Map();
  const { paths } = settings;
  const isOpen = !settings.protectHealth;
  if (paths.health) routes.set(paths.health, { isOpen, answer: (req, res) => sendJson(res, 200, health({ ...parts, requests })) });
  if (paths.snapshot) routes.set(paths.snapshot, { isOpen: false, answer: (req, res) => sendSnapshot(res, settings) });
  if (paths.profile) routes.set(paths.profile, { isOpen: false, answer: (req, res) => sendProfile(res, parts.profiler) });

  // True where the request was for one of the routes; it is answered then, or will be.
  function handle(req, res) {
    const route = routes.get(pathOf(req.url));
    if (route === undefined) return false;
    try {
      respond(route, req, res);
    } catch (problem) {
      if (res.headersSent) res.destroy(problem);
      else sendJson(res, 500, { error: 'failed', message: problem.message });
    }
    return true;
  }

  function respond(route, req, res) {
    if (req.method !== 'GET') {
      sendJson(res, 405, { error: 'method_not_allowed', message: 'only GET is answered here' }, { allow: 'GET' });
    } else if (!route.isOpen && settings.tokens.length === 0) {
      sendJson(res, 404, { error: 'off', message: 'this route is off: the service gave heapwatch no token' });
    } else if (!route.isOpen && !isAuthorized(req.headers.authorization, settings.tokens)) {
      const message = 'this route needs the header `Authorization: Bearer TOKEN` with the token of the service';
      sendJson(res, 401, { error: 'unauthorized', message }, { 'www-authenticate': 'Bearer' });
    } else {
      route.answer(req, res);
    }
  }

  return { handle, count: () => (requests += 1) };
}

function sendProfile(res, profiler) {
  if (profiler === undefined) {
    sendJson(res, 404, { error: 'off', message: 'this route is off: the service started heapwatch with `profile: false`' });
    return;
  }
  profiler.take((problem, profile) => {
    if (problem) sendJson(res, 503, { error: 'no_profile', message: problem.message });
    else sendText(res, 200, profile, { 'content-disposition': `attachment; filename="${process.pid}.heapprofile"` });
  });
}

// The path without its query; a URL in absolute form, as proxies send it, is not for us.
function pathOf(url) {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}

module.exports = { createHandler };
