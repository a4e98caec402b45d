'use strict';

const assert = require('node:assert/strict');
const { mkdirSync, mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const os = require('node:os');
const { dirname, join } = require('node:path');
const { test } = require('node:test');
const { findCgroup, readCgroup } = require('../lib/cgroup');
const { refusalOf } = require('../lib/snapshot');

// A tree of control groups as the kernel shows it: path -> content.
function tree(t, files) {
  const root = mkdtempSync(join(os.tmpdir(), 'heapwatch-cgroup-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${content}\n`);
  }
  return readCgroup(findCgroup({ root, self: join(root, 'self') }));
}

test('v2: the lowest limit on the way up binds', (t) => {
  const read = tree(t, {
    self: '0::/kube/pod/app',
    'kube/pod/app/memory.max': 'max',
    'kube/pod/app/memory.current': '100',
    'kube/pod/memory.max': '536870912',
    'kube/pod/memory.current': '300',
    'kube/pod/memory.stat': 'anon 200\ninactive_file 60\nactive_file 40',
    'kube/memory.max': '8589934592',
    'kube/memory.current': '4000',
  });
  assert.deepEqual(read, { version: 2, limit: 536870912, current: 300, droppable: 60 });
});

test('v2: a container sees its own group as the root', (t) => {
  const read = tree(t, { self: '0::/', 'memory.max': '1000', 'memory.current': '400' });
  assert.deepEqual(read, { version: 2, limit: 1000, current: 400, droppable: 0 });
});

test('v1: the path of the host is of no use inside a container', (t) => {
  const read = tree(t, {
    self: '9:cpu,cpuacct:/x\n4:memory:/docker/0123\n0::/',
    'memory/memory.limit_in_bytes': '268435456',
    'memory/memory.usage_in_bytes': '1000',
    'memory/memory.stat': 'inactive_file 1\ntotal_inactive_file 7',
  });
  assert.deepEqual(read, { version: 1, limit: 268435456, current: 1000, droppable: 7 });
});

test('no limit is told as none', (t) => {
  assert.equal(tree(t, { self: '0::/', 'memory.max': 'max', 'memory.current': '1' }), undefined);
  const huge = { self: '4:memory:/', 'memory/memory.limit_in_bytes': '9223372036854771712', 'memory/memory.usage_in_bytes': '1' };
  assert.equal(tree(t, huge), undefined);
  assert.equal(tree(t, {}), undefined);
});

test('a snapshot is refused from the byte on that does not fit', () => {
  assert.equal(refusalOf({ available: 1200, of: 'the machine' }, 100, 12), undefined);
  assert.equal(refusalOf({ available: 1199, of: 'the machine' }, 100, 12).neededBytes, 1200);
});
