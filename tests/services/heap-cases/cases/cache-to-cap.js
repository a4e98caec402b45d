// Healthy: a cache that was nearly full is full, and lets one go for each one it takes.
'use strict';

const LIMIT = 640;
const profiles = new Map();

class Profile {
  constructor(user) {
    this.user = user;
    this.rights = [`read ${user}`, `write ${user}`];
  }
}

exports.step = function view(i) {
  profiles.set(`user-${i}`, new Profile(`user-${i}`));
  if (profiles.size > LIMIT) {
    profiles.delete(profiles.keys().next().value);
  }
};
exports.profiles = profiles;
