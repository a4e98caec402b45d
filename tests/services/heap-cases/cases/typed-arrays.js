// Measured windows that a map keeps by device.
'use strict';

const windows = new Map();

exports.step = function measure(i) {
  windows.set(`device-${i}`, new Float64Array(64).fill(i));
};
exports.windows = windows;
