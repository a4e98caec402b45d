'use strict';

// How late the event loop's timers are: the delay that every request of the service feels.

const { monitorEventLoopDelay, performance } = require('node:perf_hooks');

// A timer of this period measures; its own period is part of what the histogram records.
const RESOLUTION_MS = 20;

// Older delays are forgotten, so that the figures tell of now and not of the start.
const WINDOW_MS = 5 * 60 * 1000;

function eventLoop() {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  let since = performance.now();

  const delay = (percentile) => round(Math.max(0, histogram.percentile(percentile) / 1e6 - RESOLUTION_MS));

  function read() {
    const window = performance.now() - since;
    const figures = { p50Ms: delay(50), p99Ms: delay(99), windowMs: Math.round(window) };
    if (window > WINDOW_MS) {
      histogram.reset();
      since = performance.now();
    }
    return figures;
  }

  return { read, close: () => histogram.disable() };
}

// To hundredths.
const round = (number) => (Number.isFinite(number) ? Math.round(number * 100) / 100 : 0);

module.exports = { eventLoop };
