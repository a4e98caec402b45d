'use strict';

// Runs the tests under other majors of Node.js, which npm's package `node` brings for each platform.
//
//   node test/majors.js [MAJOR...]    18, 20, 22, 24 and 26 by default
//
// The executables stay in node_modules/.majors. The exit code is 1 if the tests failed under any of them.

const { execFileSync, spawnSync } = require('node:child_process');
const { existsSync, mkdirSync, readdirSync } = require('node:fs');
const { join } = require('node:path');

const ROOT = join(__dirname, '..');
const PLATFORM = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;

function executable(major) {
  const prefix = join(ROOT, 'node_modules', '.majors', major);
  const path = join(prefix, 'node_modules', PLATFORM, 'bin', 'node');
  if (!existsSync(path)) {
    mkdirSync(prefix, { recursive: true });
    execFileSync('npm', ['install', '--prefix', prefix, '--no-audit', '--no-fund', `${PLATFORM}@${major}`], { stdio: 'inherit' });
  }
  return path;
}

const files = readdirSync(__dirname).filter((name) => name.endsWith('.test.js')).map((name) => join('test', name));
const majors = process.argv.length > 2 ? process.argv.slice(2) : ['18', '20', '22', '24', '26'];
let failed = 0;
for (const major of majors) {
  const node = executable(major);
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
  const { status, stdout } = spawnSync(node, ['--test', ...files], { cwd: ROOT, encoding: 'utf8' });
  const count = (what) => /\d+/.exec(new RegExp(`^(?:#|ℹ) ${what} \\d+`, 'm').exec(stdout)?.[0] ?? '')?.[0] ?? '?';
  console.log(`Node.js ${version}: ${count('pass')} passed, ${count('fail')} failed, ${count('skipped')} skipped`);
  if (status !== 0) {
    failed += 1;
    console.log(stdout);
  }
}
process.exit(failed > 0 ? 1 : 0);
