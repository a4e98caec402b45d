'use strict';

// What a caller may set, with its defaults. A mistake throws a TypeError that says what, and what would be right.

const { digest } = require('./token');

const PATHS = { health: '/health/debug', snapshot: '/admin/heap-snapshot', profile: '/admin/heap-profile' };

// Shorter ones can be guessed; 16 characters of base64 are 96 bits.
const SHORTEST_TOKEN = 16;

// V8's own default is 32 KiB, chosen for a developer's machine. At 512 KiB a service that allocates 100 MB a second takes
// 200 samples a second, and a leak of 50 MB an hour still leaves about 50 of them in half an hour.
const SAMPLING_INTERVAL = 512 * 1024;

// Extra bytes that a snapshot takes for each byte of heapUsed, measured on Node.js 18 to 26 with many small objects.
const SNAPSHOT_COST = 12;

const KNOWN = ['token', 'paths', 'protectHealth', 'profile', 'samplingInterval', 'snapshotCost', 'emitters'];

function checked(options = {}) {
  if (options === null || typeof options !== 'object') refuse('options', options, 'must be an object');
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name)) refuse(name, options[name], `is no option; there are ${KNOWN.join(', ')}`);
  }
  const tokens = checkedTokens(options.token);
  const protectHealth = options.protectHealth ?? false;
  if (typeof protectHealth !== 'boolean') refuse('protectHealth', protectHealth, 'must be true or false');
  if (protectHealth && tokens.length === 0) refuse('protectHealth', protectHealth, 'needs a token to ask for');
  const samplingInterval = checkedNumber('samplingInterval', options.samplingInterval ?? SAMPLING_INTERVAL, 1024);
  return {
    tokens,
    protectHealth,
    paths: checkedPaths(options.paths),
    // Without a token nobody could fetch it, so it is not paid for either.
    profile: checkedProfile(options.profile, tokens) ? { samplingInterval } : undefined,
    snapshotCost: checkedNumber('snapshotCost', options.snapshotCost ?? SNAPSHOT_COST, 0),
    emitters: options.emitters ?? {},
  };
}

// Several tokens allow one to be replaced by the next without a gap.
function checkedTokens(token) {
  // `undefined` is how an unset environment variable arrives: the admin routes are off then.
  if (token === undefined) return [];
  const tokens = Array.isArray(token) ? token : [token];
  for (const one of tokens) {
    // The value itself is a secret, even a wrong one.
    if (typeof one !== 'string') throw new TypeError('heapwatch: token must be a string, or an array of strings');
    if (one.length < SHORTEST_TOKEN) {
      throw new TypeError(`heapwatch: token has ${one.length} characters, and needs ${SHORTEST_TOKEN} or more (for example from \`openssl rand -hex 32\`)`);
    }
    // What a header cannot carry, nobody could present.
    if (!/^[\x21-\x7e]+$/.test(one)) throw new TypeError('heapwatch: token must be of printable ASCII characters without spaces');
  }
  return tokens.map(digest);
}

function checkedProfile(profile, tokens) {
  if (profile !== undefined && typeof profile !== 'boolean') refuse('profile', profile, 'must be true or false');
  return (profile ?? true) && tokens.length > 0;
}

function checkedPaths(paths = {}) {
  const all = { ...PATHS, ...paths };
  for (const [name, path] of Object.entries(all)) {
    if (!(name in PATHS)) refuse(`paths.${name}`, path, `is no route; there are ${Object.keys(PATHS).join(', ')}`);
    if (path === false) continue;
    if (typeof path !== 'string' || !/^\/[^?#\s]*$/.test(path)) {
      refuse(`paths.${name}`, path, `must be a path such as "${PATHS[name]}", or false for no such route`);
    }
  }
  const used = Object.values(all).filter(Boolean);
  if (new Set(used).size < used.length) refuse('paths', paths, 'must not give two routes the same path');
  return all;
}

function checkedNumber(name, number, least) {
  if (typeof number !== 'number' || !Number.isFinite(number) || number < least) {
    refuse(name, number, `must be a number, ${least} or more`);
  }
  return number;
}

function refuse(name, value, problem) {
  let shown;
  try {
    shown = JSON.stringify(value);
  } catch {
    shown = typeof value;
  }
  throw new TypeError(`heapwatch: ${name} = ${shown} ${problem}`);
}

module.exports = { checked, PATHS };
