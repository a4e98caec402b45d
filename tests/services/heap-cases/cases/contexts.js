// A global object of its own for each plug-in, kept by one function of it after the plug-in went.
'use strict';

const vm = require('node:vm');

const hooks = [];

exports.step = function load(i) {
  if (i % 50 === 0) {
    const context = vm.createContext({ id: i });
    hooks.push(vm.runInContext('(function onUnload() { return id; })', context, { filename: 'plugin.js' }));
  }
};
exports.hooks = hooks;
