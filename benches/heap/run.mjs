// Measures heap analysis side by side with its peers on pairs made for it:
//   node benches/heap/run.mjs [SIZE...]        sizes s, m, l, xl; default s m; xl needs 10 GB of memory and of disk
// s takes seconds, m two minutes, l five, xl a quarter of an hour. Builds heapwatch and the pinned peers, makes the pairs in target/heap-bench, runs everything in turn, prints medians.
import {execFileSync, spawnSync} from 'node:child_process';
import {closeSync, existsSync, mkdirSync, openSync, readSync, statSync} from 'node:fs';
import {cpus} from 'node:os';
import {fileURLToPath} from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const at = (path) => root + path;
const RUNS = {s: 5, m: 3, l: 1, xl: 1};
const sizes = process.argv.slice(2).length ? process.argv.slice(2) : ['s', 'm'];

function build() {
  const inherit = {stdio: ['ignore', 'inherit', 'inherit']};
  execFileSync('cargo', ['build', '--release', '--bin', 'heapwatch'], {cwd: root, ...inherit});
  execFileSync('cargo', ['build', '--release', '--target-dir', at('target/peers')], {cwd: at('benches/heap/peers'), ...inherit});
  for (const folder of ['tests/oracle', 'benches/heap/memlab']) {
    if (!existsSync(at(`${folder}/node_modules`))) {
      const env = {...process.env, PUPPETEER_SKIP_DOWNLOAD: '1'};
      execFileSync('npm', ['ci', '--no-audit', '--no-fund'], {cwd: at(folder), env, ...inherit});
    }
  }
}

function pair(size) {
  const folder = at(`target/heap-bench/${size}`);
  if (!existsSync(`${folder}/after.heapsnapshot`)) {
    mkdirSync(folder, {recursive: true});
    execFileSync('node', ['--max-old-space-size=9000', at('benches/heap/make-pair.js'), size, folder]);
  }
  return [`${folder}/before.heapsnapshot`, `${folder}/after.heapsnapshot`];
}

/** Wall and CPU seconds and peak memory in MB of one run; null where it failed. */
function measure(command) {
  const result = spawnSync('/usr/bin/time', ['-f', '\n%e %U %S %M', ...command], {encoding: 'utf8', maxBuffer: 1 << 30});
  if (result.status !== 0) {
    return null;
  }
  const [wall, user, system, kilobytes] = result.stderr.trim().split('\n').at(-1).split(' ').map(Number);
  return {wall, cpu: user + system, memory: kilobytes / 1024};
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

function contenders(before, after) {
  const heapwatch = at('target/release/heapwatch');
  const peer = (name) => at(`target/peers/release/${name}`);
  const devtools = ['node', '--max-old-space-size=12000', at('tests/oracle/oracle.mjs')];
  return {
    'pair: heapwatch heap diff': [heapwatch, 'heap', 'diff', '--json', before, after],
    'pair: DevTools Comparison': [...devtools, 'diff', before, after],
    'one: heapwatch heap retainers': [heapwatch, 'heap', 'retainers', '--json', '--id', '1', after],
    'one: v8-heap-parser 1.1.0': [peer('v8_heap_parser'), after],
    'one: DevTools load': [...devtools, 'load', after],
    'one: memlab 2.0.5 load': ['node', '--max-old-space-size=12000', at('benches/heap/memlab/load.cjs'), after],
    'one: floor (read and parse)': [peer('floor'), after],
  };
}

function figures(size, before, after) {
  const all = Object.entries(contenders(before, after));
  const runs = Object.fromEntries(all.map(([name]) => [name, []]));
  for (let run = 0; run < RUNS[size]; run++) {
    for (const [name, command] of all) {
      runs[name].push(measure(command));
    }
  }
  return Object.fromEntries(Object.entries(runs).map(([name, measured]) => {
    const good = measured.filter((one) => one !== null);
    const of = (key) => median(good.map((one) => one[key]));
    return [name, good.length ? {wall: of('wall'), cpu: of('cpu'), memory: of('memory')} : null];
  }));
}

/** The first 4,096 characters, where the counts stand; a whole snapshot may be longer than a string can be. */
function opening(file) {
  const [descriptor, bytes] = [openSync(file, 'r'), Buffer.alloc(4096)];
  const read = readSync(descriptor, bytes);
  closeSync(descriptor);
  return bytes.toString('latin1', 0, read);
}

function print(size, before, after) {
  const header = opening(after);
  const [, nodes, edges] = header.match(/"node_count":(\d+),"edge_count":(\d+)/);
  const megabytes = (file) => (statSync(file).size / 1e6).toFixed(1);
  console.log(`\n${size}: ${megabytes(before)} and ${megabytes(after)} MB, the second with ${nodes} nodes and ${edges} edges`);
  console.log('| what | wall s | CPU s | memory MB | CPU of heapwatch | memory of heapwatch |\n|---|---|---|---|---|---|');
  const rows = figures(size, before, after);
  for (const [name, row] of Object.entries(rows)) {
    const ours = rows[name.startsWith('pair') ? 'pair: heapwatch heap diff' : 'one: heapwatch heap retainers'];
    const part = (key) => (row && ours ? `${(100 * ours[key] / row[key]).toFixed(0)} %` : '');
    const text = row ? `${row.wall.toFixed(2)} | ${row.cpu.toFixed(2)} | ${row.memory.toFixed(0)}` : 'failed | |';
    console.log(`| ${name} | ${text} | ${part('cpu')} | ${part('memory')} |`);
  }
}

build();
console.log(`${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}`);
for (const size of sizes) {
  print(size, ...pair(size));
}
