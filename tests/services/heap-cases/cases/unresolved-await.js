// Workers that wait on a condition variable that nobody signals.
'use strict';

class Gate {
  #waiters = [];

  wait() {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  open() {
    this.#waiters.splice(0).forEach((resolve) => resolve());
  }
}

const gate = new Gate();

async function worker(i) {
  const job = { id: i, data: new Array(10).fill(`job ${i}`) };
  await gate.wait();
  return job;
}

exports.step = (i) => {
  worker(i);
};
exports.gate = gate;
