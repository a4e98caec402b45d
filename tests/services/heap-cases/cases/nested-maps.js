// Devices by user by tenant: few tenants, ever more users, each with a map of its own.
'use strict';

const tenants = new Map();

class Device {
  constructor(id) {
    this.id = id;
    this.seen = [id];
  }
}

function within(map, key) {
  if (!map.has(key)) {
    map.set(key, new Map());
  }
  return map.get(key);
}

exports.step = function register(i) {
  within(within(tenants, `tenant-${i % 5}`), `user-${i}`).set(`device-${i}`, new Device(i));
};
exports.tenants = tenants;
