// Healthy: more requests at a time than before, each of which ends.
'use strict';

const inFlight = new Map();

class Request {
  constructor(id) {
    this.id = id;
    this.body = [`field ${id}`];
  }
}

exports.step = function arrive(i) {
  const atOnce = i < 600 ? 20 : 32;
  inFlight.set(i, new Request(i));
  for (const [id] of inFlight) {
    if (inFlight.size <= atOnce) {
      break;
    }
    inFlight.delete(id);
  }
};
exports.inFlight = inFlight;
