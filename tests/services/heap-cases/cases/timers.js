// An interval per job that nobody clears.
'use strict';

class Job {
  constructor(id) {
    this.id = id;
    this.log = [`job ${id} queued`];
  }
}

exports.step = function schedule(i) {
  const job = new Job(i);
  setInterval(function poll() {
    job.log.push('tick');
  }, 3600000);
};
