// A list that is a property of what the module exports.
'use strict';

module.exports = {
  history: [],
  step(i) {
    module.exports.history.push({ index: i, text: `entry ${i}`.padEnd(40) + i });
  },
};
