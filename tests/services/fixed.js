'use strict';

// The service of the story after the fix: one listener for all requests.

const { logRequests } = require('./middleware/logging-fixed');
const { start } = require('./service');

start({ use: [logRequests], gauges: () => ({ listeners: process.listenerCount('uncaughtException') }) });
