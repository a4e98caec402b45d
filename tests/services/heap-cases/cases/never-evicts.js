// A bounded cache that compares its bound with a property that maps do not have.
'use strict';

const LIMIT = 100;

class Page {
  constructor(path) {
    this.path = path;
    this.body = `<h1>${path}</h1>`.padEnd(80) + path;
  }
}

class PageStore {
  constructor() {
    this.entries = new Map();
  }

  put(path) {
    this.entries.set(path, new Page(path));
    if (this.entries.length > LIMIT) {
      this.entries.delete(this.entries.keys().next().value);
    }
  }
}

const pages = new PageStore();

exports.step = (i) => pages.put(`/page/${i}`);
exports.pages = pages;
