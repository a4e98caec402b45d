'use strict';

// The memory limit of the control group that this process is in, and what the group uses of it: cgroup v2, v1, or none.
//
// A limit holds for everything below it, so the lowest on the way up to the root is the one that kills. Files:
// https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files and
// https://docs.kernel.org/admin-guide/cgroup-v1/memory.html

const { closeSync, openSync, readSync } = require('node:fs');
const { join, dirname } = require('node:path');

// v1 writes "no limit" as the largest number of whole pages; nothing above a petabyte is a limit.
const NO_LIMIT = 2 ** 50;

const KINDS = {
  2: { limit: 'memory.max', current: 'memory.current', cache: /^inactive_file (\d+)$/m },
  1: { limit: 'memory.limit_in_bytes', current: 'memory.usage_in_bytes', cache: /^total_inactive_file (\d+)$/m },
};

// `root` is where the control groups are mounted, `self` says which of them is ours.
function findCgroup({ root = '/sys/fs/cgroup', self = '/proc/self/cgroup' } = {}) {
  const lines = (text(self) ?? '').split('\n').map((line) => line.split(':'));
  const v1 = lines.find(([, controllers]) => controllers?.split(',').includes('memory'));
  const v2 = lines.find(([number, controllers]) => number === '0' && controllers === '');
  if (v1) return { version: 1, directories: directories(join(root, 'memory'), pathOf(v1), KINDS[1]) };
  if (v2) return { version: 2, directories: directories(root, pathOf(v2), KINDS[2]) };
  return undefined;
}

// From the process's own group up to the root, those that have the files. In a container the path may be one of the host's,
// of which only the root is visible: it is then the container's own group.
function directories(root, path, { current }) {
  const found = [];
  for (let below = join('/', path); ; below = dirname(below)) {
    const directory = join(root, below);
    if (text(join(directory, current)) !== undefined) found.push(directory);
    if (below === '/') return found;
  }
}

// The limit that binds, what the group under it uses, and how much of that is cache the kernel can drop; `undefined` where
// nothing is limited.
function readCgroup(cgroup) {
  if (cgroup === undefined) return undefined;
  const kind = KINDS[cgroup.version];
  let tightest;
  for (const directory of cgroup.directories) {
    const limit = number(text(join(directory, kind.limit)));
    if (limit === undefined || limit >= (tightest?.limit ?? NO_LIMIT)) continue;
    tightest = { directory, limit };
  }
  if (tightest === undefined) return undefined;
  const current = number(text(join(tightest.directory, kind.current)));
  const droppable = number(kind.cache.exec(text(join(tightest.directory, 'memory.stat')) ?? '')?.[1]) ?? 0;
  return { version: cgroup.version, limit: tightest.limit, current, droppable };
}

const pathOf = (fields) => fields.slice(2).join(':');

// `readFileSync` takes 64 KiB outside the heap for each file of the kernel's, whose size is not told beforehand; at each
// health request that would be seen as growth until the next collection. The files are of 2 KiB at most.
const scratch = Buffer.alloc(16 * 1024);

function text(path) {
  let file;
  try {
    file = openSync(path);
    let length = 0;
    for (;;) {
      const read = readSync(file, scratch, length, scratch.length - length, null);
      length += read;
      if (read === 0 || length === scratch.length) return scratch.latin1Slice(0, length);
    }
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

// "max" is no number.
function number(digits) {
  return /^\d+\s*$/.test(digits ?? '') ? Number(digits) : undefined;
}

// Which group that is stays; its limit and use do not.
const own = findCgroup();

module.exports = { findCgroup, readCgroup, readOwnCgroup: () => readCgroup(own) };
