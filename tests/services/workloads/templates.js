'use strict';

// No leak: templates are compiled when they are first asked for, the common ones at once, rare ones over the first minutes.

const vm = require('node:vm');
const { payload, setting } = require('../service');

const count = setting('TEMPLATES', 400);
const bytes = setting('TEMPLATE_BYTES', 60000);
const compiled = new Map();
let asked = 0;

function use(_req, res, next) {
  asked += 1;
  const name = Math.min(asked, Math.floor(count * Math.random() ** 2));
  if (!compiled.has(name)) {
    const render = vm.runInThisContext(`(locals) => "${'x'.repeat(200)}" + locals.n + ${name}`);
    compiled.set(name, { render, text: payload(bytes) });
  }
  res.locals.page = compiled.get(name).render({ n: asked });
  next();
}

module.exports = { use, gauges: () => ({ templates: compiled.size }) };
