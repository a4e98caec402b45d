'use strict';

// The service side of heapwatch: one handler that answers three routes and passes everything else on.
//
//   GET /health/debug         what the process uses, in bytes (health.js)
//   GET /admin/heap-snapshot  a heap snapshot, streamed (snapshot.js)
//   GET /admin/heap-profile   live allocations by stack, at once (profile.js)

const { checked } = require('./options');
const { createHandler } = require('./handler');
const { collections } = require('./collections');
const { eventLoop } = require('./event-loop');
const { heapProfiler } = require('./profile');
const { emitters } = require('./emitters');
const { listen } = require('./listen');

// Makes the handler. Options are checked here, so that a mistake is told at start and not in the night of the leak.
function heapwatch(options) {
  const settings = checked(options);
  const parts = {
    collections: collections(),
    eventLoop: eventLoop(),
    profiler: settings.profile ? heapProfiler(settings.profile) : undefined,
    emitters: emitters(settings.emitters),
  };
  const { handle, count } = createHandler(settings, parts);

  // For node:http and for Connect's and Express's `use`.
  function debug(req, res, next) {
    const handled = handle(req, res);
    if (!handled) {
      count();
      next?.();
    }
    return handled;
  }

  // For Fastify's `register`.
  function fastify(instance, _options, done) {
    instance.addHook('onRequest', (request, reply, next) => {
      if (debug(request.raw, reply.raw)) reply.hijack();
      else next();
    });
    done();
  }
  // Without this symbol the hook would hold inside the plugin only.
  fastify[Symbol.for('skip-override')] = true;

  // For Koa's `use`.
  async function koa(context, next) {
    if (debug(context.req, context.res)) context.respond = false;
    else await next();
  }

  function close() {
    parts.collections.close();
    parts.eventLoop.close();
    parts.profiler?.close();
  }

  return Object.assign(debug, {
    fastify,
    koa,
    listen: (port, host) => listen(handle, port, host),
    emitter: parts.emitters.add,
    close,
  });
}

module.exports = heapwatch;
module.exports.heapwatch = heapwatch;
module.exports.default = heapwatch;
