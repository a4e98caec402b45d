'use strict';

// The service of the story: every request leaves a listener behind.

const { logRequests } = require('./middleware/logging');
const { start } = require('./service');

start({ use: [logRequests], gauges: () => ({ listeners: process.listenerCount('uncaughtException') }) });
