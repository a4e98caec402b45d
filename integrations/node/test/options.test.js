'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const heapwatch = require('..');

test('wrong options are refused with what would be right', () => {
  const refused = [
    [{ token: 'short' }, /token has 5 characters, and needs 16/],
    [{ token: 7 }, /token must be a string/],
    [{ token: '' }, /token has 0 characters/],
    [{ token: 'with a space inside it' }, /without spaces/],
    [{ tokens: 'x' }, /tokens = "x" is no option; there are token/],
    [{ paths: { health: 'health' } }, /paths\.health = "health" must be a path such as "\/health\/debug"/],
    [{ paths: { helth: '/x' } }, /paths\.helth = "\/x" is no route/],
    [{ paths: { health: '/same', profile: '/same' } }, /the same path/],
    [{ protectHealth: true }, /needs a token/],
    [{ samplingInterval: 0 }, /samplingInterval = 0 must be a number, 1024 or more/],
    [{ snapshotCost: NaN }, /snapshotCost = null must be a number/],
    [{ profile: 'yes' }, /profile = "yes" must be true or false/],
    [{ emitters: { queue: {} } }, /emitter "queue" must have listenerCount/],
    [{ emitters: { process } }, /counted anyway/],
    [null, /must be an object/],
  ];
  for (const [options, problem] of refused) {
    assert.throws(() => heapwatch(options), { name: 'TypeError', message: problem }, JSON.stringify(options));
  }
});

test('an error about a token does not show it', () => {
  assert.throws(() => heapwatch({ token: 'hunter2' }), (problem) => !problem.message.includes('hunter2'));
});

test('routes can be moved and left out', () => {
  const debug = heapwatch({ paths: { health: '/internal/memory', snapshot: false } });
  const answered = (url) => debug({ url, method: 'GET', headers: {} }, { writeHead() {}, end() {} });
  assert.equal(answered('/internal/memory'), true);
  assert.equal(answered('/health/debug'), false);
  assert.equal(answered('/admin/heap-snapshot'), false);
  debug.close();
});
