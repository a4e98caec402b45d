'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const { join } = require('node:path');
const { test } = require('node:test');
const heapwatch = require('..');

const ROOT = join(__dirname, '..');

test('npm pack holds the library and nothing else', () => {
  const [{ files }] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json'], { cwd: ROOT, encoding: 'utf8' }));
  const others = files.map(({ path }) => path).filter((path) => !/^lib\/[a-z-]+\.(js|mjs|d\.ts|d\.mts)$/.test(path));
  assert.deepEqual(others.sort(), ['LICENSE', 'README.md', 'package.json']);
});

test('it has no dependencies', () => {
  assert.equal(require('../package.json').dependencies, undefined);
});

test('import and require give the same handler', async () => {
  const imported = await import('heapwatch');
  assert.equal(imported.default, heapwatch);
  assert.equal(imported.heapwatch, heapwatch);
  assert.equal(require('heapwatch'), heapwatch);
});

test('the type declarations compile where they are used, and refuse what is wrong', () => {
  const compiler = require.resolve('typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '--project', join(__dirname, 'types')], { stdio: 'pipe' });
});
