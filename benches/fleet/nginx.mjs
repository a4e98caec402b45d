// nginx as thousands of targets: each address 127.1.x.y is one of them.
import {chmodSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';

import {FILES, start, text, until} from './processes.mjs';
import {writeSnapshot} from './snapshot.mjs';

const PORT = 19_100;
export const SNAPSHOT_BYTES = 1e9;

export const address = (index, port = PORT) => `127.${1 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}:${port}`;

/** Starts it in this folder, with the snapshot that every target gives. */
export async function startNginx(folder) {
  const large = join(folder, 'large.heapsnapshot');
  writeSnapshot(large, SNAPSHOT_BYTES);
  // Started by root, nginx reads as another user.
  chmodSync(folder, 0o755);
  chmodSync(large, 0o644);
  mkdirSync(join(folder, 'tmp'));
  const template = readFileSync(new URL('nginx.conf', import.meta.url), 'utf8');
  const connections = String(Math.min(FILES - 100, 65_000));
  writeFileSync(join(folder, 'nginx.conf'), template.replaceAll('ROOT', folder).replaceAll('PORT', String(PORT)).replaceAll('CONNECTIONS', connections));
  const nginx = start('nginx', 'nginx', ['-e', join(folder, 'nginx.log'), '-c', join(folder, 'nginx.conf')]);
  await until('nginx answers', async () => (await text(`http://${address(0)}/health/debug`)) !== '');
  return nginx;
}
