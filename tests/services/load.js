'use strict';

// Makes requests at a steady rate, within bounds of count and time, and prints what became of them as one line of JSON.
//
//   node load.js --port PORT --rate PER_SECOND [--seconds 900] [--requests 1000000]
//
// It ends when its standard input closes. A service that is away or busy is no error: its requests are counted as failed or,
// beyond the bound on open ones, as skipped, and the load goes on when it is back.

const http = require('node:http');
const { parseArgs } = require('node:util');

const MOST_OPEN = 32;
const TICK_MS = 20;
// After a pause of this process a longer backlog is dropped, not sent in a burst.
const MOST_TICKS_AT_ONCE = 5;

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    rate: { type: 'string' },
    seconds: { type: 'string', default: '900' },
    requests: { type: 'string', default: '1000000' },
  },
});
const [port, rate, seconds, most] = ['port', 'rate', 'seconds', 'requests'].map((name) => {
  const number = Number(values[name]);
  if (!(number > 0)) {
    console.error(`--${name} must be a number above 0`);
    process.exit(64);
  }
  return number;
});

const agent = new http.Agent({ keepAlive: true, maxSockets: MOST_OPEN });
const counts = { sent: 0, answered: 0, failed: 0, skipped: 0 };
let open = 0;

function send() {
  if (open >= MOST_OPEN) {
    counts.skipped += 1;
    return;
  }
  open += 1;
  counts.sent += 1;
  const request = http.get({ host: '127.0.0.1', port, agent, path: `/work?n=${counts.sent}`, timeout: 30000 });
  request.on('timeout', () => request.destroy(new Error('no answer in time')));
  request.on('error', () => (counts.failed += 1));
  request.on('response', (response) => {
    counts.answered += 1;
    response.resume();
  });
  request.on('close', () => (open -= 1));
}

function finish() {
  process.stdout.write(`${JSON.stringify(counts)}\n`, () => process.exit(0));
}

const started = process.hrtime.bigint();
let due = 0;
setInterval(() => {
  const elapsed = Number(process.hrtime.bigint() - started) / 1e9;
  const owed = Math.min(Math.floor(elapsed * rate) - due, Math.ceil((rate * TICK_MS * MOST_TICKS_AT_ONCE) / 1000));
  due = Math.floor(elapsed * rate);
  for (let n = 0; n < owed && counts.sent + counts.skipped < most; n += 1) send();
  if (elapsed >= seconds || (counts.sent + counts.skipped >= most && open === 0)) finish();
}, TICK_MS);
process.stdin.on('close', finish).resume();
