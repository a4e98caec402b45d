// A WeakMap frees nothing while its keys are kept.
'use strict';

const details = new WeakMap();
const requests = [];

exports.step = function accept(i) {
  const request = { id: `request-${i}` };
  requests.push(request);
  details.set(request, { rows: new Array(20).fill(i / 3), note: `note ${i}` });
};
exports.details = [details, requests];
