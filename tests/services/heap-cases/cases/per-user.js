// A few users, each of whose history grows without end: no container gains an entry of its own.
'use strict';

const users = new Map();

function visit(i) {
  const name = `user-${i % 100}`;
  if (!users.has(name)) {
    users.set(name, { name, history: [] });
  }
  users.get(name).history.push({ path: `/page/${i}`, at: new Date(i) });
}

exports.step = visit;
exports.users = users;
