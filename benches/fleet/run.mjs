// Measures heapwatch beside Prometheus on the same thousands of targets:
//   node benches/fleet/run.mjs [--alone] [TARGETS [MINUTES]]        10000 targets and 5 minutes unless told; --alone: no Prometheus
// Needs nginx and curl and, for the comparison, prometheus (Debian: apt-get install nginx-light curl prometheus). One nginx
// answers for all: each target is an address of its own in 127.1.0.0/16 and above, so connections are as many as in a real
// fleet. Both run one after the other for MINUTES after two rounds of warming up; CPU is what /proc says of the process, its
// kernel part included. Then heapwatch runs with a twentieth of the targets hanging, two captures streaming and an analysis
// running. `capture.mjs` and `connections.mjs` beside it measure captures and connections.
import {execFileSync, spawn, spawnSync} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {createServer} from 'node:net';
import {cpus, tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';

import {EXECUTABLE, lateness, metrics, polls, startHeapwatch, takeSnapshot} from './daemon.mjs';
import {address, startNginx} from './nginx.mjs';
import {killAll, start, stop, sum, text, until, usage} from './processes.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const INTERVAL_S = 30;
const SILENT_PORT = 19_101;
const WARM_UP_ROUNDS = 2;
// The other size is a tenth of it, and the slope between them is what one target takes.
const FEWER = 10;
// One in so many hangs in the trouble.
const HANGING = 20;
const MOST = 200_000;

const isAlone = process.argv.includes('--alone');
const [targets = 10_000, minutes = 5] = process.argv.slice(2).filter((word) => word !== '--alone').map(Number);
if (!(targets >= 100 && targets <= MOST && minutes > 0)) {
  console.error(`usage: node benches/fleet/run.mjs [--alone] [TARGETS [MINUTES]], 100 to ${MOST} targets`);
  process.exit(2);
}

const addresses = (count) => Array.from({length: count}, (_, index) => address(index));

/** What a process takes from one page of its metrics to another, MINUTES later. */
async function measure(child, page, count) {
  await sleep(WARM_UP_ROUNDS * INTERVAL_S * 1000);
  const first = await page();
  const before = {...usage(child.pid), polls: count(first)};
  await sleep(minutes * 60_000);
  const after = usage(child.pid);
  const last = await page();
  const polled = count(last) - before.polls;
  const milliseconds = (key) => ((after[key] - before[key]) * 1000) / polled;
  return {polled, cpu: milliseconds('cpu'), user: milliseconds('user'), resident: after.resident, anonymous: after.anonymous, first, last};
}

async function heapwatch(folder, count) {
  const child = await startHeapwatch(join(folder, `${count}`), addresses(count));
  const measured = await measure(child, metrics, polls);
  await stop(child);
  const skipped = sum(measured.last, 'heapwatch_scheduler_late_ticks_total');
  return {...measured, ...lateness(measured.first, measured.last), skipped, ready: child.ready};
}

/** With a twentieth of the targets hanging until the deadline, two captures that stream all the while, and an analysis. */
async function inTrouble(folder) {
  const sockets = new Set();
  const silent = createServer((socket) => sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket))));
  await new Promise((resolve) => silent.listen(SILENT_PORT, '0.0.0.0', 4_096, resolve));
  const some = addresses(targets).map((at, index) => (index % HANGING === HANGING - 1 ? address(index, SILENT_PORT) : at));
  const captured = 'memory_limit = "64GiB"\nsnapshot = { path = "/admin/slow-snapshot", healthy_polls = 1 }\n';
  const child = await startHeapwatch(join(folder, 'trouble'), some, (index) => (index < 2 ? captured : ''));
  await Promise.all([takeSnapshot('t0'), takeSnapshot('t1')]);
  const analysis = {isWanted: true, runs: 0};
  const analysing = analyse(join(folder, 'large.heapsnapshot'), analysis);
  const measured = await measure(child, metrics, polls);
  analysis.isWanted = false;
  const streaming = measured.last.includes('heapwatch_snapshots_total{') ? sum(measured.last, 'heapwatch_snapshots_total') : 0;
  await stop(child);
  await analysing;
  sockets.forEach((socket) => socket.destroy());
  silent.close();
  if (streaming > 0) {
    console.error('a capture ended before the measurement did');
  }
  const hung = sum(measured.last, 'heapwatch_polls_total', /result="timeout"/);
  return {...measured, ...lateness(measured.first, measured.last), hung, skipped: sum(measured.last, 'heapwatch_scheduler_late_ticks_total')};
}

/** As the daemon runs it: in a process of its own, at the lowest priority. */
async function analyse(file, analysis) {
  while (analysis.isWanted) {
    const child = spawn('nice', ['-n', '19', EXECUTABLE, 'heap', 'summary', file], {stdio: 'ignore'});
    const ended = new Promise((resolve) => child.on('exit', resolve));
    while (analysis.isWanted && child.exitCode === null) {
      await sleep(200);
    }
    child.kill('SIGKILL');
    await ended;
    analysis.runs += 1;
  }
}

async function prometheus(folder) {
  const jobs = {global: {scrape_interval: `${INTERVAL_S}s`, evaluation_interval: `${INTERVAL_S}s`}};
  jobs.rule_files = [here('rules.yml')];
  jobs.scrape_configs = [{job_name: 'fleet', static_configs: [{targets: addresses(targets)}]}];
  // JSON is YAML.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(jobs));
  const options = [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/tsdb`];
  const child = start('prometheus', 'prometheus', [...options, '--web.listen-address=127.0.0.1:19090', '--log.level=error']);
  await until('Prometheus is ready', async () => (await text('http://127.0.0.1:19090/-/ready')) !== '');
  const page = () => text('http://127.0.0.1:19090/metrics');
  const measured = await measure(child, page, (of) => sum(of, 'prometheus_target_interval_length_seconds_count'));
  await stop(child);
  return measured;
}

async function main() {
  execFileSync('cargo', ['build', '--release', '--bin', 'heapwatch'], {cwd: here('../..'), stdio: ['ignore', 'inherit', 'inherit']});
  const folder = mkdtempSync(join(tmpdir(), 'heapwatch-fleet-'));
  try {
    const nginx = await startNginx(folder);
    const fewer = Math.ceil(targets / FEWER);
    const few = await heapwatch(folder, fewer);
    const ours = await heapwatch(folder, targets);
    const hasPrometheus = !isAlone && spawnSync('prometheus', ['--version']).status === 0;
    const theirs = hasPrometheus ? await prometheus(folder) : undefined;
    const troubled = await inTrouble(folder);
    await stop(nginx);
    print({fewer, few, ours, theirs, troubled});
  } finally {
    killAll();
    rmSync(folder, {recursive: true, force: true});
  }
}

const figure = (number, digits) => number.toFixed(digits);

function print({fewer, few, ours, theirs, troubled}) {
  console.log(`\n${targets} targets polled every ${INTERVAL_S} s for ${minutes} minutes, on ${cpus().length} cores (${cpus()[0].model})\n`);
  console.log('| what | polls | CPU ms a poll | of which in user mode | resident MiB | of which anonymous |');
  console.log('|---|---|---|---|---|---|');
  const row = (name, of) =>
    console.log(`| ${name} | ${of.polled} | ${figure(of.cpu, 3)} | ${figure(of.user, 3)} | ${figure(of.resident, 0)} | ${figure(of.anonymous, 0)} |`);
  row('heapwatch', ours);
  if (theirs) {
    row('Prometheus', theirs);
    const times = (key) => `1/${figure(theirs[key] / ours[key], 1)}`;
    console.log(`| ratio | | ${times('cpu')} | ${times('user')} | ${times('resident')} | |`);
  }
  const bytes = ((ours.resident - few.resident) * 1_048_576) / (targets - fewer);
  console.log('\n| heapwatch | |\n|---|---|');
  console.log(`| a target takes, by ${fewer} and ${targets} targets | ${figure(bytes, 0)} bytes |`);
  console.log(`| ready after | ${figure(ours.ready, 1)} s |`);
  const late = (of) => `p99 ≤ ${of.p99} ms (${figure(100 * of.within, 2)} % within 100 ms), ${of.skipped} skipped`;
  console.log(`| polls begin late by | ${late(ours)} |`);
  console.log(`| the same with ${Math.floor(targets / HANGING)} targets hanging, 2 captures streaming and an analysis running | ${late(troubled)} |`);
}

await main();
