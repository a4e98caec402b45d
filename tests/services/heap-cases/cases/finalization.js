// A registry whose held values refer to what it waits for, so that nothing is ever finalised.
'use strict';

class Handle {
  constructor(fd) {
    this.fd = fd;
    this.path = `/tmp/upload-${fd}`;
  }
}

const registry = new FinalizationRegistry(({ handle }) => handle.close());

exports.step = function open(i) {
  const handle = new Handle(i);
  registry.register(handle, { handle, opened: [i] });
};
exports.registry = registry;
