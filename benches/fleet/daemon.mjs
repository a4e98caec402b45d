// heapwatch as the bench runs it: on so many targets, quietly or in trouble.
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';

import {series, start, sum, text, until} from './processes.mjs';

export const EXECUTABLE = fileURLToPath(new URL('../../target/release/heapwatch', import.meta.url));
// As the unit sets it.
const UNIT = readFileSync(new URL('../../systemd/heapwatch.service', import.meta.url), 'utf8');
const ENVIRONMENT = Object.fromEntries([...UNIT.matchAll(/^Environment=(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]));
const SERVER = 'http://127.0.0.1:19797';

export const metrics = () => text(`${SERVER}/metrics`);
export const polls = (page) => sum(page, 'heapwatch_polls_total', /result="ok"/);

/** Starts heapwatch on these addresses; `settings` are those of the target at an index, as lines of TOML. */
export async function startHeapwatch(folder, addresses, settings = () => '', scheme = 'http') {
  mkdirSync(folder, {recursive: true});
  const tables = addresses.map((at, index) => `[[targets]]\nname = "t${index}"\nurl = "${scheme}://${at}"\n${settings(index)}`);
  const head = `state_directory = "${folder}/state"\n[web]\nlisten = "127.0.0.1:19797"\n[log]\nlevel = "error"\n`;
  writeFileSync(join(folder, 'heapwatch.toml'), head + tables.join(''), {mode: 0o640});
  const began = Date.now();
  const child = start('heapwatch', EXECUTABLE, ['run', '--config', join(folder, 'heapwatch.toml')], ENVIRONMENT);
  await until('heapwatch is ready', async () => (await text(`${SERVER}/-/ready`)) !== '');
  return Object.assign(child, {ready: (Date.now() - began) / 1000});
}

/** Asks for a snapshot as a person would, as soon as the target has answered. */
export async function takeSnapshot(name) {
  const options = {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{}'};
  await until(`a snapshot of ${name} has begun`, async () => {
    await text(`${SERVER}/api/v1/targets/${name}/snapshot`, options);
    return true;
  });
}

export const snapshots = async () => JSON.parse(await text(`${SERVER}/api/v1/snapshots`)).snapshots;

/** The bound, in milliseconds, that 99 of 100 polls between two pages began within, and the share within 100 ms. */
export function lateness(before, after) {
  const name = 'heapwatch_scheduler_lateness_seconds_bucket';
  const earlier = new Map(series(before, name).map((bucket) => [bucket.labels, bucket.value]));
  const buckets = series(after, name).map((bucket) => ({
    bound: Number(/le="([^"]+)"/.exec(bucket.labels)[1].replace('+Inf', 'Infinity')),
    count: bucket.value - (earlier.get(bucket.labels) ?? 0),
  }));
  const all = Math.max(...buckets.map((bucket) => bucket.count));
  const p99 = buckets.find((bucket) => bucket.count >= 0.99 * all).bound * 1000;
  return {p99, within: buckets.find((bucket) => bucket.bound === 0.1).count / all};
}

