// Holds a capture of a gigabyte against `curl -o` from the same endpoint, in alternation:
//   node benches/fleet/capture.mjs
// Needs nginx, curl and pgrep (Debian: apt-get install nginx-light curl procps).
import {execFileSync, spawnSync} from 'node:child_process';
import {mkdtempSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {cpus, tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';

import {snapshots, startHeapwatch, takeSnapshot} from './daemon.mjs';
import {SNAPSHOT_BYTES, address, startNginx} from './nginx.mjs';
import {killAll, stop, until, usage} from './processes.mjs';

const ROUNDS = 3;
const WARM_BYTES = 1.5 * SNAPSHOT_BYTES;
const PATIENCE_MS = 120_000;
// What is stored is analysed at the next tick of the daemon.
const ANALYSIS_BEGINS_MS = 3_000;

/** An analysis is a process of its own. */
const hasChildren = (pid) => spawnSync('pgrep', ['-P', String(pid)]).status === 0;

/**
 * A virtual machine gives back what is free and has to fetch it anew, which can take longer than the capture: let there be
 * as much free memory as a snapshot fills that has just been written to.
 */
function warmMemory(folder) {
  const file = join(folder, 'warm');
  writeFileSync(file, Buffer.alloc(WARM_BYTES, 'x'));
  rmSync(file);
}

/** Seconds of each, the middle of the rounds, and the most memory that a capture has added. */
async function compareWithCurl(folder, address) {
  const settings = () => 'interval = "1s"\nmemory_limit = "64GiB"\nsnapshot = { healthy_polls = 1, gap = "1s", cooldown = "1s" }\n';
  const child = await startHeapwatch(join(folder, 'capture'), [address], settings);
  const [curl, ours, added] = [[], [], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    const file = join(folder, 'curl.heapsnapshot');
    warmMemory(folder);
    const told = execFileSync('curl', ['-sSf', '-o', file, '-w', '%{time_total}', `http://${address}/admin/heap-snapshot`], {encoding: 'utf8'});
    curl.push(Number(told));
    const bytes = statSync(file).size;
    rmSync(file);
    const known = (await snapshots()).length;
    warmMemory(folder);
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
    await sleep(ANALYSIS_BEGINS_MS);
    await until('no analysis runs beside the next round', async () => !hasChildren(child.pid));
  }
  await stop(child);
  rmSync(join(folder, 'capture'), {recursive: true});
  const middle = (numbers) => numbers.toSorted((one, other) => one - other)[ROUNDS >> 1];
  return {curl: middle(curl), ours: middle(ours), added: Math.max(...added)};
}

async function main() {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  execFileSync('cargo', ['build', '--release', '--bin', 'heapwatch'], {cwd: root, stdio: ['ignore', 'inherit', 'inherit']});
  const folder = mkdtempSync(join(tmpdir(), 'heapwatch-capture-'));
  try {
    const nginx = await startNginx(folder);
    const {curl, ours, added} = await compareWithCurl(folder, address(0));
    await stop(nginx);
    const rate = (seconds) => `${(SNAPSHOT_BYTES / 1e6 / seconds).toFixed(0)} MB/s`;
    const share = ((100 * curl) / ours).toFixed(0);
    console.log(`\na capture of 1 GB, on ${cpus().length} cores (${cpus()[0].model}): ${rate(ours)}, ${share} % of \`curl -o\` (${rate(curl)}), ${added.toFixed(1)} MiB more resident`);
  } finally {
    killAll();
    rmSync(folder, {recursive: true, force: true});
  }
}

await main();
