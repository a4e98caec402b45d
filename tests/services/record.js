'use strict';

// Records real processes for `heapwatch replay`, with their time compressed:
//
//   node tests/services/record.js DIRECTORY [NAME...]     (without a name: all of recordings.js)
//
// Time is counted in work, not by the clock: a row stands for 30 s (or what the recording says) and follows upon the requests of
// those 30 s, which are made as fast as the machine can. `time` and `uptime` are counted in rows from there, everything else is
// what the process said. So the live set is true to the service, and garbage is true to the work. What V8 decides by the clock is
// not: it lets the heap of a process that allocates fast grow by up to four times between two major collections, and one that
// allocates as slowly as a service does in real time by a tenth. GROWTH pins it to that tenth. Collections that V8 adds when a
// process idles for seconds are missing, so the teeth of a recording are longer than a real day's. The first lines of each file
// say what was run and how much its time was compressed.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { createInterface } = require('node:readline');
const { gzipSync } = require('node:zlib');
const recordings = require('./recordings');

// Unix seconds of the first row; a fixed one, so that two recordings of one name differ only where the processes do.
const START = 1_780_000_000;
const AT_ONCE = 8;
const GROWTH = '--heap-growing-percent=10';
// Polls that go unanswered while a process is started again.
const POLLS_DOWN = 3;
const COLUMNS = ['heapUsed', 'heapTotal', 'external', 'arrayBuffers', 'rss', 'requests', 'pid', 'heapUsedAfterGc', 'majorGcs'];

const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE });

// The body of an answer; an error where there is none.
function get(port, target) {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, agent, path: target }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve(Buffer.concat(chunks).toString()));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

// One life of a service, which ends with this process.
async function startLife({ script, settings, node = [] }) {
  const env = { PATH: process.env.PATH, ADMIN_TOKEN: 'unused', ...settings };
  const options = { env, stdio: ['pipe', 'pipe', 'ignore'] };
  const child = spawn(process.execPath, [GROWTH, ...node, path.join(__dirname, script)], options);
  const life = { child, ended: false, port: 0 };
  child.on('exit', () => (life.ended = true));
  const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), once(child, 'exit')]);
  if (life.ended) throw new Error(`${script} did not start`);
  life.port = JSON.parse(line).port;
  return life;
}

async function endLife(life) {
  if (!life || life.ended) return;
  life.child.kill('SIGKILL');
  await once(life.child, 'exit');
}

// The requests of one row. A process that dies under them is noticed by its exit.
async function work(port, count, at) {
  let left = count;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      await get(port, `/work?at=${at}`).catch(() => {});
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, worker));
}

async function row(life, at, bornAt) {
  const health = JSON.parse(await get(life.port, '/health/debug'));
  const values = { ...health, ...health.memory };
  return { time: START + at, uptime: at - bornAt, ...Object.fromEntries(COLUMNS.map((name) => [name, values[name]])) };
}

async function record(recording) {
  const { hours, every = 30, load } = recording;
  const lives = [...recording.lives];
  const rows = [];
  let plan = lives.shift();
  let life = await startLife(plan);
  let bornAt = 0;
  let downUntil = 0;
  for (let at = 0; at < hours * 3600; at += every) {
    if (lives.length > 0 && at >= lives[0].at * 3600) {
      plan = lives.shift();
      await endLife(life);
    }
    if (life?.ended) {
      life = null;
      downUntil = at + POLLS_DOWN * every;
    }
    if (!life && at >= downUntil) {
      life = await startLife(plan);
      bornAt = at;
    }
    if (!life) continue;
    await work(life.port, typeof load === 'function' ? load(at / 3600) : load, at);
    // The process may have died of the work: no row.
    await row(life, at, bornAt).then((found) => rows.push(found), () => {});
  }
  await endLife(life);
  return rows;
}

function file(name, recording, rows, seconds) {
  const { shows, leaks, from = 0, limit, hours, every = 30 } = recording;
  const columns = ['time', 'uptime', ...COLUMNS].filter((column) => rows.some((found) => found[column] !== undefined));
  const lives = recording.lives.map(({ at, script, settings, node = [] }) =>
    `# at hour ${at}: ${['node', GROWTH, ...node, script].join(' ')} with ${JSON.stringify(settings)}`);
  const lines = [
    `# ${name}: ${shows}`,
    `# leaks: ${leaks ?? 'nothing'}, from hour: ${from}, limit: ${limit} MiB`,
    `# Node.js ${process.version}; one row stands for ${every} s, ${hours} h took ${Math.round(seconds)} s: ` +
      `time compressed ${Math.round((hours * 3600) / seconds)} times`,
    ...lives,
    columns.join(','),
    ...rows.map((found) => columns.map((column) => found[column] ?? '').join(',')),
  ];
  return `${lines.join('\n')}\n`;
}

async function main() {
  const [directory, ...names] = process.argv.slice(2);
  const unknown = names.filter((name) => !recordings[name]);
  if (!directory || unknown.length > 0) {
    const known = Object.entries(recordings).map(([name, { shows }]) => `  ${name.padEnd(24)} ${shows}`);
    console.error(['node record.js DIRECTORY [NAME...]', ...unknown.map((name) => `unknown: ${name}`), ...known].join('\n'));
    process.exit(64);
  }
  fs.mkdirSync(directory, { recursive: true });
  for (const name of names.length > 0 ? names : Object.keys(recordings)) {
    const started = process.hrtime.bigint();
    const rows = await record(recordings[name]);
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    const target = path.join(directory, `${name}.csv.gz`);
    fs.writeFileSync(target, gzipSync(file(name, recordings[name], rows, seconds), { level: 9 }));
    console.log(`${target}: ${rows.length} rows in ${seconds.toFixed(0)} s`);
  }
}

main();
