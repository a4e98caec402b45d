'use strict';

// What record.js can record. Each recording is a list of lives of one service, put under `load` requests a poll for `hours`:
//
//   shows   what a reader learns from it
//   leaks   the signal that leaks, or null; `from` is the hour at which that begins, 0 unless said
//   limit   the memory limit in MiB that a person would configure
//   every   seconds that a poll stands for, 30 unless said
//   load    requests before each poll, a number or a function of the hour
//   lives   { at: the hour at which it starts, script, settings, node: options of Node.js }; the first starts at 0

const DAY = 24;

// Traffic over a day: quiet at 3 in the morning, busy in the afternoon, and never quite the same.
const daily = (least, most) => (hour) => {
  const wave = 0.5 - 0.5 * Math.cos((2 * Math.PI * (hour - 3)) / DAY);
  return Math.round((least + (most - least) * wave) * (0.85 + 0.3 * Math.random()));
};

// Real services hold more at their start than these few lines do.
const service = (script, settings, more = {}) => ({ at: 0, script, settings: { BASE_MB: 40, ...settings }, ...more });
const workload = (name, settings = {}, more = {}) => service('workload.js', { WORKLOAD: name, ...settings }, more);
const leaky = (bytes, more) => service('leaky.js', { LEAK_BYTES: bytes }, more);
const fixed = (bytes, more) => service('fixed.js', { LEAK_BYTES: bytes }, more);

module.exports = {
  'leak-closures': {
    shows: 'the story: each request leaves a listener on `process` whose closure keeps the request, about 50 MB/h',
    leaks: 'heapUsed', limit: 512, hours: 8, load: 20, lives: [leaky(22000)],
  },
  'leak-listeners': {
    shows: 'each request subscribes to an EventEmitter, about 25 MB/h',
    leaks: 'heapUsed', limit: 512, hours: 12, load: 20, lives: [workload('listeners', { LEAK_BYTES: 10500 })],
  },
  'leak-buffers': {
    shows: 'uploads are kept in a Map, about 40 MB/h outside of the heap',
    leaks: 'external', limit: 512, hours: 10, load: 20, lives: [workload('buffers', { LEAK_BYTES: 17500 })],
  },
  'leak-native': {
    shows: 'a TLS context is kept for each call: OpenSSL grows about 20 MB/h, the heap hardly',
    leaks: 'native', limit: 512, hours: 14, load: 12, lives: [workload('contexts')],
  },
  'leak-strings': {
    shows: 'lines of an audit log in an array, about 15 MB/h',
    leaks: 'heapUsed', limit: 512, hours: 18, load: 20, lives: [workload('audit', { LEAK_BYTES: 6500 })],
  },
  'leak-slow-sawtooth': {
    shows: 'about 4 MB/h under teeth of garbage: each request makes and drops many times what it leaks',
    leaks: 'heapUsed', limit: 512, hours: 36, every: 60, load: 12,
    lives: [workload('audit', { LEAK_BYTES: 5500, GARBAGE_BYTES: 200000 })],
  },
  'leak-under-daily-cycle': {
    shows: 'a healthy daily cycle for two days, then 8 MB/h of log lines on top of it',
    leaks: 'heapUsed', from: 50, limit: 512, hours: 96, every: 60, load: daily(4, 24),
    lives: [workload('sessions', { SESSION_BYTES: 10000, LEAK_BYTES: 10000, LEAK_FROM: 50 * 3600 })],
  },
  'leak-deployed-again': {
    shows: 'about 40 MB/h through two deploys that change nothing',
    leaks: 'heapUsed', limit: 512, hours: 14, load: 20,
    lives: [leaky(17500), leaky(17500, { at: 5 }), leaky(17500, { at: 9.5 })],
  },
  'leak-fixed': {
    shows: 'about 50 MB/h for five hours, then a deploy of the fix and 49 h of it',
    leaks: 'heapUsed', limit: 512, hours: 54, every: 60, load: 20, lives: [leaky(44000), fixed(44000, { at: 5 })],
  },
  'leak-crash': {
    shows: 'about 30 MB/h under --max-old-space-size=160: V8 gives up, a supervisor starts the process again',
    leaks: 'heapUsed', limit: 160, hours: 12, load: 20, lives: [leaky(13000, { node: ['--max-old-space-size=160'] })],
  },
  'leak-after-gc': {
    shows: 'about 10 MB/h; the service reports heapUsedAfterGc and majorGcs from perf_hooks',
    leaks: 'heapUsed', limit: 512, hours: 24, load: 20,
    lives: [workload('audit', { LEAK_BYTES: 4500, GARBAGE_BYTES: 40000, REPORT_GC: 1 })],
  },
  'ok-fixed': {
    shows: 'the story after the fix: the same work, nothing kept',
    leaks: null, limit: 512, hours: 24, load: 20, lives: [fixed(22000)],
  },
  'ok-after-gc': {
    shows: 'much garbage, nothing kept; the service reports heapUsedAfterGc and majorGcs',
    leaks: null, limit: 512, hours: 24, load: 20,
    lives: [workload('audit', { LEAK_BYTES: 0, GARBAGE_BYTES: 40000, REPORT_GC: 1 })],
  },
  'ok-cache-by-chance': {
    shows: 'a cache of pages asked for by chance fills to 80 MB, exponentially with a time constant of 100 minutes',
    leaks: null, limit: 512, hours: 24, load: 20, lives: [workload('lru', { CACHE_ENTRIES: 4000, CACHE_ENTRY_BYTES: 20000 })],
  },
  'ok-cache-in-a-line': {
    shows: 'a least-recently-used cache fills in a straight line for 2 h, to its cap of 60 MB',
    leaks: null, limit: 512, hours: 20, load: 20, lives: [service('cache.js', { CACHE_ENTRIES: 4800, CACHE_ENTRY_BYTES: 12500 })],
  },
  'ok-daily-cycle': {
    shows: 'sessions that live two hours follow the traffic of four days',
    leaks: null, limit: 512, hours: 96, every: 60, load: daily(3, 20), lives: [workload('sessions', { SESSION_BYTES: 30000 })],
  },
  'ok-batch': {
    shows: 'every 6 h a report gathers 30 MB for 40 minutes and drops it',
    leaks: null, limit: 512, hours: 48, every: 60, load: 15, lives: [workload('report', { ROW_BYTES: 50000 })],
  },
  'ok-idle': {
    shows: 'nothing but polls and a request a minute: teeth that last for hours',
    leaks: null, limit: 512, hours: 96, every: 60, load: 1, lives: [service('fixed.js', { LEAK_BYTES: 3000, BASE_MB: 0 })],
  },
  'ok-warm-up': {
    shows: 'templates compiled on demand: 40 MB in the first minutes, the last rare ones much later',
    leaks: null, limit: 512, hours: 16, load: 20, lives: [workload('templates', { TEMPLATES: 600 })],
  },
  'ok-feature': {
    shows: 'after 10 h a feature is switched on and loads a table of 40 MB at once',
    leaks: null, limit: 512, hours: 30, load: 15, lives: [workload('feature', { FEATURE_AT: 10 * 3600 })],
  },
  'ok-deploys': {
    shows: 'a cache of 50 MB that is filled anew after each of three deploys',
    leaks: null, limit: 512, hours: 30, load: 20,
    lives: [0, 7, 13, 21].map((at) => workload('lru', { CACHE_ENTRIES: 2500, CACHE_ENTRY_BYTES: 20000 }, { at })),
  },
  'ok-uploads': {
    shows: 'each request fills and drops 300 kB outside of the heap: external memory is a sawtooth of its own',
    leaks: null, limit: 512, hours: 18, load: 10, lives: [workload('uploads')],
  },
};
