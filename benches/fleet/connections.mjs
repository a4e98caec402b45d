// Measures what a connection that is kept for the next poll saves and takes, beside a new one for each poll, without and with TLS:
//   node benches/fleet/connections.mjs [TARGETS]        1000 targets unless told, polled every 10 s
// Needs nginx and openssl (Debian: apt-get install nginx-light openssl).
import {execFileSync} from 'node:child_process';
import {chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {cpus, tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';

import {metrics, polls, startHeapwatch} from './daemon.mjs';
import {FILES, killAll, start, stop, text, until, usage} from './processes.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const INTERVAL_S = 10;
const WARM_UP_ROUNDS = 2;
const MEASURED_ROUNDS = 3;
const SORTS = [
  {name: 'http, kept', scheme: 'http', port: 19_110},
  {name: 'http, new for each poll', scheme: 'http', port: 19_111},
  {name: 'https, kept', scheme: 'https', port: 19_112},
  {name: 'https, new for each poll', scheme: 'https', port: 19_113},
];

const [targets = 1_000] = process.argv.slice(2).map(Number);
if (!(targets >= 100 && targets <= 60_000)) {
  console.error('usage: node benches/fleet/connections.mjs [TARGETS], 100 to 60000 targets');
  process.exit(2);
}

/** A certificate for every address that the targets have. */
function certify(folder, hosts) {
  const names = hosts.map((host) => `IP:${host}`).join(',');
  writeFileSync(join(folder, 'request.cnf'), `[req]\ndistinguished_name=name\nx509_extensions=more\nprompt=no\n[name]\nCN=bench\n[more]\nsubjectAltName=${names}\n`);
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'certificate.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  execFileSync('openssl', ['req', '-x509', ...curve, '-config', join(folder, 'request.cnf'), '-days', '2', ...files], {stdio: 'pipe'});
}

function startNginx(folder) {
  mkdirSync(join(folder, 'tmp'));
  const template = readFileSync(here('connections.conf'), 'utf8');
  writeFileSync(join(folder, 'nginx.conf'), template.replaceAll('ROOT', folder).replaceAll('CONNECTIONS', String(Math.min(FILES - 100, 65_000))));
  return start('nginx', 'nginx', ['-e', join(folder, 'nginx.log'), '-c', join(folder, 'nginx.conf')]);
}

async function measure(folder, {scheme, port}, hosts) {
  const trusted = scheme === 'https' ? `ca_file = "${join(folder, 'certificate.pem')}"\n` : '';
  const addresses = hosts.map((host) => `${host}:${port}`);
  const state = join(folder, String(port));
  const child = await startHeapwatch(state, addresses, () => `interval = "${INTERVAL_S}s"\n${trusted}`, scheme);
  await sleep(WARM_UP_ROUNDS * INTERVAL_S * 1000);
  const before = {...usage(child.pid), polls: polls(await metrics())};
  await sleep(MEASURED_ROUNDS * INTERVAL_S * 1000);
  const after = {...usage(child.pid), polls: polls(await metrics())};
  await stop(child);
  const polled = after.polls - before.polls;
  return {polled, cpu: ((after.cpu - before.cpu) * 1000) / polled, resident: after.resident};
}

async function main() {
  execFileSync('cargo', ['build', '--release', '--bin', 'heapwatch'], {cwd: here('../..'), stdio: ['ignore', 'inherit', 'inherit']});
  const folder = mkdtempSync(join(tmpdir(), 'heapwatch-connections-'));
  try {
    // Every name of a certificate is sent in each handshake, so the targets share a few addresses and differ in nothing else.
    const hosts = Array.from({length: targets}, (_, index) => `127.1.0.${index % 16}`);
    certify(folder, [...new Set(hosts)]);
    // Started by root, nginx reads as another user.
    chmodSync(folder, 0o755);
    const nginx = startNginx(folder);
    await until('nginx answers', async () => (await text(`http://127.1.0.0:${SORTS[0].port}/health/debug`)) !== '');
    console.log(`\n${targets} targets polled every ${INTERVAL_S} s, on ${cpus().length} cores (${cpus()[0].model})\n`);
    console.log('| connections | polls | CPU ms a poll | resident MiB |\n|---|---|---|---|');
    for (const sort of SORTS) {
      const {polled, cpu, resident} = await measure(folder, sort, hosts);
      console.log(`| ${sort.name} | ${polled} | ${cpu.toFixed(3)} | ${resident.toFixed(1)} |`);
    }
    await stop(nginx);
  } finally {
    killAll();
    rmSync(folder, {recursive: true, force: true});
  }
}

await main();
