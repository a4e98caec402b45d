// Three leaks of different sizes at once.
'use strict';

class Ticket {
  constructor(id) {
    this.id = id;
    this.notes = [`opened ${id}`, `assigned ${id % 7}`];
  }
}

const tickets = new Set();
const errors = [];
const hooks = { onClose: [] };

exports.step = function open(i) {
  const ticket = new Ticket(i);
  tickets.add(ticket);
  if (i % 2 === 0) {
    errors.push(new Error(`failure ${i}`).message);
  }
  hooks.onClose.push(() => i);
};
exports.all = () => [tickets, errors, hooks];
