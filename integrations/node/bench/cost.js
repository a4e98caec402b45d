'use strict';

// What the package costs a busy Express server, beside the same server without it.
//
//   node bench/cost.js [--rounds 5] [--seconds 5] [--heap-mb 100]
//
// Each round runs every mode once, one after the other, so that what else the machine does falls on all of them alike. Printed
// are medians over the rounds, and ratios to the bare server of the same round. The load comes from autocannon, pinned in
// package-lock.json, in this process.

const autocannon = require('autocannon');
const { fork } = require('node:child_process');
const { once } = require('node:events');
const http = require('node:http');
const { join } = require('node:path');
const { performance } = require('node:perf_hooks');
const { parseArgs } = require('node:util');

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '5' }, 'heap-mb': { type: 'string', default: '100' } },
});
const [rounds, seconds, heapMb] = ['rounds', 'seconds', 'heap-mb'].map((name) => {
  const number = Number(values[name]);
  if (!(number > 0 && number <= 1000)) {
    console.error(`--${name} must be a number above 0`);
    process.exit(64);
  }
  return number;
});

// What is asked of the service once a second while it is under load; heapwatch itself polls every 30 s.
const RUNS = [
  { name: 'without the package', mode: 'bare' },
  { name: 'health route, asked each second', mode: 'health', path: '/health/debug' },
  { name: 'profiler on, nothing asked', mode: 'full' },
  { name: 'profiler on, a profile each second', mode: 'full', path: '/admin/heap-profile' },
];

async function main() {
  const measured = RUNS.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, run] of RUNS.entries()) measured[index].push(await underLoad(run));
  }
  console.log(`Node.js ${process.version}, ${heapMb} MB of heap, ${rounds} rounds of ${seconds} s, 20 connections; medians\n`);
  console.log('| server | requests/s | of bare | CPU a request, of bare | p99 latency | rss | answer | longest pause |');
  console.log('|---|---:|---:|---:|---:|---:|---:|---:|');
  RUNS.forEach((run, index) => console.log(row(run, measured[index], measured[0])));
  await snapshot();
}

async function underLoad({ mode, path }) {
  const service = await start(mode);
  const answers = [];
  const asking = path && setInterval(async () => answers.push(await ask(service.port, path)), 1000);
  // The first seconds compile.
  await load(service.port, 1);
  const before = await service.figures();
  const { requests, latency } = await load(service.port, seconds);
  const after = await service.figures();
  clearInterval(asking);
  service.end();
  return {
    rate: requests.average,
    cpuMs: ((after.cpuSeconds - before.cpuSeconds) * 1000) / requests.total,
    p99: latency.p99,
    rss: after.rss,
    answer: median(answers),
    pause: after.longestPauseMs,
  };
}

// One snapshot, for scale.
async function snapshot() {
  const service = await start('full');
  await service.figures();
  const ms = await ask(service.port, '/admin/heap-snapshot');
  const { longestPauseMs, rss } = await service.figures();
  service.end();
  console.log(`\nOne snapshot of that heap: ${(ms / 1000).toFixed(1)} s, longest pause ${(longestPauseMs / 1000).toFixed(1)} s, rss ${mb(rss)} afterwards.`);
}

async function start(mode) {
  const child = fork(join(__dirname, 'service.js'), { env: { ...process.env, MODE: mode, HEAP_MB: String(heapMb) } });
  const [{ port }] = await once(child, 'message');
  return {
    port,
    async figures() {
      child.send('figures');
      const [figures] = await once(child, 'message');
      return figures;
    },
    end: () => child.disconnect(),
  };
}

const load = (port, duration) => autocannon({ url: `http://127.0.0.1:${port}/work`, connections: 20, duration });

// Milliseconds until the whole answer is there.
async function ask(port, path) {
  const started = performance.now();
  const headers = { authorization: 'Bearer a-token-for-this-bench' };
  const [response] = await once(http.get({ host: '127.0.0.1', port, path, headers, agent: false }), 'response');
  if (response.statusCode !== 200) throw new Error(`${path} answered ${response.statusCode}`);
  for await (const _chunk of response);
  return performance.now() - started;
}

function row({ name }, runs, bare) {
  const of = (figure) => median(runs.map(figure));
  const ratio = (figure) => median(runs.map((run, round) => figure(run) / figure(bare[round]))).toFixed(2);
  const answers = runs.map(({ answer }) => answer).filter((ms) => ms !== undefined);
  return `| ${[
    name,
    of(({ rate }) => rate).toFixed(0),
    ratio(({ rate }) => rate),
    ratio(({ cpuMs }) => cpuMs),
    `${of(({ p99 }) => p99).toFixed(0)} ms`,
    mb(of(({ rss }) => rss)),
    answers.length > 0 ? `${median(answers).toFixed(1)} ms` : '',
    `${of(({ pause }) => pause).toFixed(0)} ms`,
  ].join(' | ')} |`;
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

const mb = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;

main();
