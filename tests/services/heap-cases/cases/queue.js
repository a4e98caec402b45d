// A linked list that is appended to and never taken from.
'use strict';

class Item {
  constructor(value) {
    this.value = value;
    this.next = null;
  }
}

class Queue {
  constructor() {
    this.head = null;
    this.tail = null;
  }

  push(value) {
    const item = new Item(value);
    if (this.tail) {
      this.tail.next = item;
    } else {
      this.head = item;
    }
    this.tail = item;
  }
}

const outbox = new Queue();

exports.step = (i) => {
  outbox.push({ mail: `user-${i}@example.com`, attempts: [i] });
};
exports.outbox = () => outbox.head;
