'use strict';

// V8's sampling heap profiler: on from the start, at a low rate; answers at once which stacks made what is alive now.
//
// Of about every `samplingInterval` bytes that are allocated one object is remembered with its stack, and forgotten when it
// is collected. Taking a profile makes V8 collect garbage first, so what it shows is alive.

// Often enough that what a service logs is not held for long; it costs microseconds.
const CONSOLE_SWEEP_MS = 1000;

// One profiler to a heap: V8 has no second, and a second handler shares the first.
let shared;

function heapProfiler({ samplingInterval }) {
  try {
    shared ??= start(samplingInterval);
  } catch (problem) {
    // A service starts without evidence of a leak rather than not at all.
    return { take: (done) => done(new Error(`this Node.js cannot sample its heap: ${problem.message}`)), close() {} };
  }
  const mine = shared;
  mine.users += 1;
  let isClosed = false;
  return {
    take: (done) => take(mine, done),
    close() {
      if (isClosed) return;
      isClosed = true;
      mine.users -= 1;
      if (mine.users === 0) stop(mine);
    },
  };
}

function start(samplingInterval) {
  // Here, because a Node.js built without the inspector has no such module.
  const { Session } = require('node:inspector');
  const session = new Session();
  session.connect();
  session.post('HeapProfiler.enable');
  session.post('HeapProfiler.startSampling', { samplingInterval });
  // With a session connected V8 keeps the arguments of the last 1,000 `console` calls for it; nobody will ask for them.
  const sweep = setInterval(() => session.post('Runtime.discardConsoleEntries'), CONSOLE_SWEEP_MS);
  sweep.unref();
  return { session, samplingInterval, sweep, users: 0 };
}

// Calls back with the profile as the text of a `.heapprofile` file.
function take({ session, samplingInterval }, done) {
  session.post('HeapProfiler.getSamplingProfile', (problem, answer) => {
    if (problem === null) {
      done(null, JSON.stringify(answer.profile));
      return;
    }
    // Somebody with DevTools took a profile of their own, and stopped the one profiler at its end.
    session.post('HeapProfiler.startSampling', { samplingInterval });
    done(new Error(`V8 gave no profile and samples anew from now on: ${problem.message}`));
  });
}

function stop({ session, sweep }) {
  shared = undefined;
  clearInterval(sweep);
  session.post('HeapProfiler.stopSampling');
  session.disconnect();
}

module.exports = { heapProfiler };
