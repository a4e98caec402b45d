// A repository with a private map and no way to remove from it.
'use strict';

class Account {
  constructor(id) {
    this.id = id;
    this.roles = [`role-${id}`];
  }
}

class Repository {
  #byId = new Map();

  load(id) {
    if (!this.#byId.has(id)) {
      this.#byId.set(id, new Account(id));
    }
    return this.#byId.get(id);
  }
}

const accounts = new Repository();

exports.step = (i) => accounts.load(`account-${i}`).id;
exports.accounts = accounts;
