// Objects as listeners of an event target.
'use strict';

const bus = new EventTarget();

class View {
  constructor(id) {
    this.id = id;
    this.rows = [`row ${id}`];
  }

  handleEvent(event) {
    this.last = event.type;
  }
}

exports.step = (i) => bus.addEventListener('refresh', new View(i));
exports.bus = bus;
