// Failures kept for a report that nobody fetches.
'use strict';

class UpstreamError extends Error {
  constructor(id) {
    super(`upstream failed for ${id}`);
    this.request = { id, attempts: [1, 2, 3] };
  }
}

const failures = [];

exports.step = function call(i) {
  try {
    throw new UpstreamError(i);
  } catch (error) {
    failures.push(error);
  }
};
exports.failures = failures;
