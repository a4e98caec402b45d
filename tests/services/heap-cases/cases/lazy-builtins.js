// Healthy: parts of the runtime that are loaded at their first use.
'use strict';

exports.step = function run(i) {
  if (i === 900) {
    require('node:readline');
    require('node:tls');
    require('node:http2');
    require('node:repl');
    new Intl.DateTimeFormat('de', { dateStyle: 'full' }).format(0);
  }
};
