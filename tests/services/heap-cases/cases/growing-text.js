// One string that every request makes longer.
'use strict';

const state = { journal: '' };

exports.step = function append(i) {
  state.journal += `line ${i}: ${'='.repeat(i % 40)}\n`;
};
exports.size = () => state.journal.length;
