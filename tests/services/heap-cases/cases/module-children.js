// A module that is loaded afresh again and again: its parent remembers every copy.
'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'heap-case-')), 'rates.js');
fs.writeFileSync(file, 'exports.rates = Array.from({ length: 8 }, (_, i) => ({ currency: `C${i}`, rate: i + 0.5 }));\n');
process.on('exit', () => fs.rmSync(path.dirname(file), { recursive: true }));

exports.step = function reload(i) {
  if (i % 5 === 0) {
    delete require.cache[file];
    require(file);
  }
};
