// A capture of a gigabyte against `curl -o` from the same endpoint, in alternation.
import {execFileSync} from 'node:child_process';
import {rmSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';

import {snapshots, startHeapwatch, takeSnapshot} from './daemon.mjs';
import {stop, usage} from './processes.mjs';

const ROUNDS = 3;
const PATIENCE_MS = 120_000;

/** Seconds of each, the middle of the rounds, and the most memory that a capture has added. */
export async function compareWithCurl(folder, address) {
  const settings = () => 'interval = "1s"\nmemory_limit = "64GiB"\nsnapshot = { healthy_polls = 1, gap = "1s", cooldown = "1s" }\n';
  const child = await startHeapwatch(join(folder, 'capture'), [address], settings);
  const [curl, ours, added] = [[], [], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    const file = join(folder, 'curl.heapsnapshot');
    const told = execFileSync('curl', ['-sSf', '-o', file, '-w', '%{time_total}', `http://${address}/admin/heap-snapshot`], {encoding: 'utf8'});
    curl.push(Number(told));
    const bytes = statSync(file).size;
    rmSync(file);
    const known = (await snapshots()).length;
    const before = usage(child.pid).resident;
    await takeSnapshot('t0');
    let most = before;
    const deadline = Date.now() + PATIENCE_MS;
    while ((await snapshots()).length === known) {
      if (Date.now() > deadline) {
        throw new Error('no capture arrived; the log of heapwatch and of nginx say why');
      }
      most = Math.max(most, usage(child.pid).resident);
      await sleep(50);
    }
    const [newest] = await snapshots();
    if (newest.bytes !== bytes) {
      throw new Error(`the capture has ${newest.bytes} bytes of ${bytes}`);
    }
    ours.push(newest.took.secs + newest.took.nanos / 1e9);
    added.push(most - before);
  }
  await stop(child);
  rmSync(join(folder, 'capture'), {recursive: true});
  const middle = (numbers) => numbers.toSorted((one, other) => one - other)[ROUNDS >> 1];
  return {curl: middle(curl), ours: middle(ours), added: Math.max(...added)};
}
