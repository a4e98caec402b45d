'use strict';

// The story's service as a user of the npm package has it: Express, the package's three routes, and the leak.
//
// Settings by environment, besides those of service.js that hold here (PORT, ADMIN_TOKEN, GC_INTERVAL_MS, BASE_MB, LEAK_BYTES):
//
//   LEAK               "logging" (the default): the story's listener; "sessions": objects of a class in a list
//   SAMPLING_INTERVAL  bytes between two sampled allocations, for runs whose times are shrunk; the package's default else

const express = require('express');
const heapwatch = require('../../integrations/node');
const { announce, payload, refuse, setting } = require('./service');

const leaks = { logging: () => require('./middleware/logging').logRequests, sessions: () => require('./middleware/sessions').track };
const { ADMIN_TOKEN: token, LEAK = 'logging' } = process.env;
if (!(LEAK in leaks)) refuse(`LEAK=${JSON.stringify(LEAK)}: must be one of ${Object.keys(leaks).join(', ')}`);
const samplingInterval = setting('SAMPLING_INTERVAL', 0) || undefined;
const reference = Array.from({ length: setting('BASE_MB', 0) * 50 }, (_, row) => ({ row, text: payload(20000) }));

const app = express();
app.disable('x-powered-by');
app.use(heapwatch({ token, samplingInterval }));
app.use(leaks[LEAK]());
app.use((_req, res) => res.json({ rows: reference.length }));
announce(app);
