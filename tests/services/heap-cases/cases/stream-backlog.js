// A stream that is written to and never read.
'use strict';

const { PassThrough } = require('node:stream');

const tap = new PassThrough({ highWaterMark: 1e9 });

exports.step = (i) => {
  tap.write(Buffer.from(`chunk ${i} `.padEnd(120, '.')));
};
exports.tap = tap;
