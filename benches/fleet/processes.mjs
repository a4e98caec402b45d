// Processes that a measurement starts, what they use, and pages of metrics.
import {execFileSync, spawn} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';

const TICKS_A_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], {encoding: 'utf8'}));
// Each target may hold a connection, and the 1024 files that a shell gives are too few: as many as this machine lets a process have.
export const FILES = Number(execFileSync('bash', ['-c', 'ulimit -Hn'], {encoding: 'utf8'}));
const running = new Set();

/** Starts a process whose end before `stop` ends everything. */
export function start(name, command, args, environment = {}) {
  const env = {...process.env, ...environment};
  const child = spawn('prlimit', [`--nofile=${FILES}`, command, ...args], {env, stdio: ['ignore', 'pipe', 'pipe']});
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
      killAll();
      process.exit(1);
    }
  });
  running.add(child);
  return child;
}

export async function stop(child) {
  child.isStopping = true;
  const ended = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

export function killAll() {
  for (const child of running) {
    child.isStopping = true;
    child.kill('SIGKILL');
  }
}

export async function until(what, condition) {
  for (const deadline = Date.now() + 300_000; Date.now() < deadline; await sleep(200)) {
    if (await condition().catch(() => false)) {
      return;
    }
  }
  throw new Error(`waited five minutes until ${what}`);
}

/** CPU seconds so far, and memory in MiB. */
export function usage(pid) {
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

export async function text(url, options = {}) {
  const answer = await fetch(url, options);
  if (!answer.ok) {
    throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  }
  return answer.text();
}

/** The series of a metric, each with the text of its labels. */
export function series(page, name) {
  const lines = page.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return lines.map((line) => {
    const end = line.includes('}') ? line.lastIndexOf('}') + 1 : name.length;
    return {labels: line.slice(name.length, end), value: Number(line.slice(end).trim().split(' ')[0])};
  });
}

/** Sum of a metric over its series whose labels match. */
export function sum(page, name, labels = /^/) {
  return series(page, name).reduce((total, one) => (labels.test(one.labels) ? total + one.value : total), 0);
}
