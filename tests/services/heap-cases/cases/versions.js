// A state that remembers the one before it, for an undo that nobody bounds.
'use strict';

class Version {
  constructor(number, previous) {
    this.number = number;
    this.change = { text: `edit ${number}`, at: [number] };
    this.previous = previous;
  }
}

const document = { title: 'notes', current: null };

exports.step = function edit(i) {
  document.current = new Version(i, document.current);
};
exports.document = document;
