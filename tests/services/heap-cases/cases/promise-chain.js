// Work put behind work, behind a first that never ends.
'use strict';

const first = new Promise(() => {});
let tail = first;

exports.step = function enqueue(i) {
  const job = { id: i, payload: [`part ${i}.1`, `part ${i}.2`] };
  tail = tail.then(function run() {
    return job.payload;
  });
};
exports.queue = () => [first, tail];
