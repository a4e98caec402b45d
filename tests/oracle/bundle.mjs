// Bundles DevTools' heap snapshot worker out of the pinned npm package: node bundle.mjs
// The result is left in node_modules/.cache, so that it goes with the package that it was made from.
import {existsSync} from 'node:fs';
import {fileURLToPath} from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export const bundle = here('node_modules/.cache/devtools-heap.mjs');

export async function build() {
  if (existsSync(bundle)) {
    return;
  }
  const esbuild = await import('esbuild');
  // A generated file that the package does not ship.
  const locales = {
    name: 'locales',
    setup({onResolve, onLoad}) {
      onResolve({filter: /\/locales\.js$/}, () => ({path: 'locales', namespace: 'stub'}));
      onLoad({filter: /.*/, namespace: 'stub'}, () => ({
        contents: 'export const LOCALES = ["en-US"]; export const BUNDLED_LOCALES = ["en-US"];' +
            'export const DEFAULT_LOCALE = "en-US"; export const REMOTE_FETCH_PATTERN = "";' +
            'export const LOCAL_FETCH_PATTERN = "";',
      }));
    },
  };
  await esbuild.build({
    stdin: {
      contents: 'export * from "./HeapSnapshotLoader.js"; export {SecondaryInitManager} from "./HeapSnapshot.js";',
      resolveDir: here('node_modules/chrome-devtools-frontend/front_end/entrypoints/heap_snapshot_worker'),
    },
    bundle: true,
    format: 'esm',
    platform: 'node',
    resolveExtensions: ['.ts', '.js'],
    outfile: bundle,
    plugins: [locales],
    logLevel: 'error',
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await build();
}
