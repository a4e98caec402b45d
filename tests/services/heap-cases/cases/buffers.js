// Uploads kept for a retry that never happens.
'use strict';

const retries = { uploads: [] };

exports.step = function upload(i) {
  if (i % 20 === 0) {
    retries.uploads.push(Buffer.alloc(32 * 1024, i));
  }
};
exports.retry = () => retries.uploads.pop();
