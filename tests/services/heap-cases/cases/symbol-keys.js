// A key of its own for every request, on an object that stays.
'use strict';

const pending = {};

exports.step = function start(i) {
  pending[Symbol('request')] = { url: `/item/${i}`, started: [i, i + 1] };
};
exports.pending = pending;
