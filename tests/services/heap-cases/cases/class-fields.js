// Components with handlers as class fields, subscribed to a store and never unsubscribed.
'use strict';

class Store {
  #listeners = new Set();

  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

const store = new Store();

class Widget {
  name = 'widget';
  state = { clicks: 0, rows: ['a', 'b'] };
  onChange = () => {
    this.state.clicks += 1;
  };

  mount() {
    store.subscribe(this.onChange);
  }
}

exports.step = () => new Widget().mount();
exports.store = store;
