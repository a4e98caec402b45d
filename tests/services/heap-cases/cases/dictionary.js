// A cache object of a module with so many keys, added and deleted, that it became a dictionary.
'use strict';

const resultsById = Object.create(null);

class Result {
  constructor(id) {
    this.id = id;
    this.rows = [`row ${id}.1`, `row ${id}.2`];
  }
}

exports.step = function query(i) {
  resultsById[`query:${i}`] = new Result(i);
  resultsById.latest = i;
  delete resultsById.latest;
};
exports.get = (id) => resultsById[`query:${id}`];
