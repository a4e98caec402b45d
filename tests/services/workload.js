'use strict';

// Runs one of workloads/ as a service: WORKLOAD=NAME node workload.js
//
// A workload is a module with `use`, a middleware that does one request's worth of work, and perhaps `gauges`, further numbers
// for the health endpoint.

const { existsSync } = require('node:fs');
const { join } = require('node:path');
const { refuse, start } = require('./service');

const name = process.env.WORKLOAD ?? '';
const path = join(__dirname, 'workloads', `${name}.js`);
if (!/^[a-z-]+$/.test(name) || !existsSync(path)) refuse(`WORKLOAD=${JSON.stringify(name)}: must name a file in workloads/`);
const { use, gauges } = require(path);

start({ use: [use], gauges });
