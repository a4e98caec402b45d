// Measures heapwatch beside Prometheus on the same thousands of targets:
//   node benches/fleet/run.mjs [--alone] [TARGETS [MINUTES]]        10000 targets and 5 minutes unless told; --alone: no Prometheus
// Needs nginx and, for the comparison, prometheus (Debian: apt-get install nginx-light prometheus). One nginx answers for all: each
// target is an address of its own in 127.1.0.0/16, so connections are as many as in a real fleet. Both run one after the other
// for MINUTES after two rounds of warming up; CPU is what /proc says of the process, its kernel part included.
import {execFileSync, spawn, spawnSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {cpus, tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const INTERVAL_S = 30;
const PORT = 19_100;
const WARM_UP_ROUNDS = 2;
const TICKS_A_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], {encoding: 'utf8'}));
// Each target may hold a connection, and the 1024 files that a shell gives are too few: as many as this machine lets a process have.
const FILES = Number(execFileSync('bash', ['-c', 'ulimit -Hn'], {encoding: 'utf8'}));
const isAlone = process.argv.includes('--alone');
const [targets = 10_000, minutes = 5] = process.argv.slice(2).filter((word) => word !== '--alone').map(Number);
if (!(targets >= 1 && targets <= Math.min(60_000, FILES - 500) && minutes > 0)) {
  console.error(`usage: node benches/fleet/run.mjs [--alone] [TARGETS [MINUTES]], at most ${Math.min(60_000, FILES - 500)} targets here`);
  process.exit(2);
}

const address = (index) => `127.1.${index >> 8}.${index & 255}:${PORT}`;
const addresses = Array.from({length: targets}, (_, index) => address(index));
const running = new Set();

function start(name, command, args, folder) {
  const child = spawn('prlimit', [`--nofile=${FILES}`, command, ...args], {stdio: ['ignore', 'pipe', 'pipe']});
  child.output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => {
      child.output = (child.output + text).slice(-4_000);
    });
  }
  child.on('exit', (code) => {
    running.delete(child);
    if (!child.isStopping) {
      console.error(`${name} ended with ${code}:\n${child.output}`);
      process.exit(1);
    }
  });
  child.folder = folder;
  running.add(child);
  return child;
}

async function stop(child) {
  child.isStopping = true;
  const ended = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

async function until(what, condition) {
  for (const deadline = Date.now() + 300_000; Date.now() < deadline; await sleep(200)) {
    if (await condition().catch(() => false)) {
      return;
    }
  }
  throw new Error(`waited five minutes until ${what}`);
}

/** CPU seconds so far, and memory in MiB. */
function usage(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kilobytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1]);
  return {
    cpu: (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND,
    user: Number(fields[11]) / TICKS_A_SECOND,
    resident: kilobytes('VmRSS') / 1024,
    anonymous: kilobytes('RssAnon') / 1024,
  };
}

async function text(url) {
  const answer = await fetch(url);
  if (!answer.ok) {
    throw new Error(`${url}: ${answer.status}`);
  }
  return answer.text();
}

/** Sum of a metric over its series whose labels match. */
function sum(page, name, labels = /./) {
  const lines = page.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  const matching = lines.filter((line) => labels.test(line));
  const value = (line) => Number((line.includes('}') ? line.slice(line.lastIndexOf('}')) : line).split(' ')[1]);
  return matching.reduce((total, line) => total + value(line), 0);
}

async function measure(child, polls) {
  await sleep(WARM_UP_ROUNDS * INTERVAL_S * 1000);
  const before = {...usage(child.pid), polls: await polls()};
  await sleep(minutes * 60_000);
  const after = {...usage(child.pid), polls: await polls()};
  const polled = after.polls - before.polls;
  const milliseconds = (key) => ((after[key] - before[key]) * 1000) / polled;
  return {polled, cpu: milliseconds('cpu'), user: milliseconds('user'), resident: after.resident, anonymous: after.anonymous};
}

function startNginx(folder) {
  mkdirSync(join(folder, 'tmp'));
  const template = readFileSync(here('nginx.conf'), 'utf8');
  const configuration = template.replaceAll('ROOT', folder).replaceAll('PORT', String(PORT)).replaceAll('CONNECTIONS', String(FILES - 100));
  writeFileSync(join(folder, 'nginx.conf'), configuration);
  return start('nginx', 'nginx', ['-e', join(folder, 'nginx.log'), '-c', join(folder, 'nginx.conf')], folder);
}

async function heapwatch(folder) {
  const tables = addresses.map((at, index) => `[[targets]]\nname = "t${index}"\nurl = "http://${at}"\n`);
  const head = `state_directory = "${folder}/state"\n[web]\nlisten = "127.0.0.1:19797"\n[log]\nlevel = "warn"\n`;
  writeFileSync(join(folder, 'heapwatch.toml'), head + tables.join(''), {mode: 0o640});
  const child = start('heapwatch', join(root, 'target/release/heapwatch'), ['run', '--config', join(folder, 'heapwatch.toml')], folder);
  const metrics = () => text('http://127.0.0.1:19797/metrics');
  const began = Date.now();
  await until('heapwatch is ready', async () => (await text('http://127.0.0.1:19797/-/ready')) !== '');
  const ready = (Date.now() - began) / 1000;
  const measured = await measure(child, async () => sum(await metrics(), 'heapwatch_polls_total', /result="ok"/));
  const page = await metrics();
  await stop(child);
  return {...measured, ready, skipped: sum(page, 'heapwatch_scheduler_late_ticks_total')};
}

async function prometheus(folder) {
  const jobs = {global: {scrape_interval: `${INTERVAL_S}s`, evaluation_interval: `${INTERVAL_S}s`}};
  jobs.rule_files = [here('rules.yml')];
  jobs.scrape_configs = [{job_name: 'fleet', static_configs: [{targets: addresses}]}];
  // JSON is YAML.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(jobs));
  const options = [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/tsdb`];
  const child = start('prometheus', 'prometheus', [...options, '--web.listen-address=127.0.0.1:19090', '--log.level=error'], folder);
  const metrics = () => text('http://127.0.0.1:19090/metrics');
  await until('Prometheus is ready', async () => (await text('http://127.0.0.1:19090/-/ready')) !== '');
  const scrapes = async () => sum(await metrics(), 'prometheus_target_interval_length_seconds_count');
  const measured = await measure(child, scrapes);
  await stop(child);
  return measured;
}

const figure = (number, digits) => (number === undefined ? '' : number.toFixed(digits));

async function main() {
  execFileSync('cargo', ['build', '--release', '--bin', 'heapwatch'], {cwd: root, stdio: ['ignore', 'inherit', 'inherit']});
  const folder = mkdtempSync(join(tmpdir(), 'heapwatch-fleet-'));
  try {
    const nginx = startNginx(folder);
    await until('nginx answers', async () => (await text(`http://${address(0)}/health/debug`)) !== '');
    const ours = await heapwatch(folder);
    const hasPrometheus = !isAlone && spawnSync('prometheus', ['--version']).status === 0;
    const theirs = hasPrometheus ? await prometheus(folder) : undefined;
    await stop(nginx);
    print(ours, theirs);
  } finally {
    for (const child of running) {
      child.isStopping = true;
      child.kill('SIGKILL');
    }
    rmSync(folder, {recursive: true, force: true});
  }
}

function print(ours, theirs) {
  console.log(`\n${targets} targets polled every ${INTERVAL_S} s for ${minutes} minutes, on ${cpus().length} cores (${cpus()[0].model})\n`);
  console.log('| what | polls | CPU ms a poll | of which in user mode | resident MiB | of which anonymous |');
  console.log('|---|---|---|---|---|---|');
  for (const [name, of] of Object.entries({heapwatch: ours, Prometheus: theirs})) {
    if (of) {
      console.log(`| ${name} | ${of.polled} | ${figure(of.cpu, 3)} | ${figure(of.user, 3)} | ${figure(of.resident, 0)} | ${figure(of.anonymous, 0)} |`);
    }
  }
  if (theirs) {
    console.log(`| ratio | | 1/${figure(theirs.cpu / ours.cpu, 1)} | 1/${figure(theirs.user / ours.user, 1)} | 1/${figure(theirs.resident / ours.resident, 1)} | |`);
  }
  console.log(`\nheapwatch: ready after ${figure(ours.ready, 1)} s; ${ours.skipped} ticks skipped`);
}

await main();
