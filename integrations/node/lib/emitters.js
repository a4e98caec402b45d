'use strict';

// Listener counts by event: of `process`, and of emitters that the service names.

// What a health body carries at most; an emitter with an event for each user would be a leak of its own, and is counted.
const MOST_EVENTS = 50;

function emitters(named) {
  // Watching an emitter must not keep it alive.
  const watched = new Map();

  function add(name, emitter) {
    if (typeof name !== 'string' || name === '') throw new TypeError('heapwatch: an emitter needs a name');
    if (name === 'process') throw new TypeError('heapwatch: the listeners of `process` are counted anyway');
    if (typeof emitter?.listenerCount !== 'function' || typeof emitter.eventNames !== 'function') {
      throw new TypeError(`heapwatch: emitter ${JSON.stringify(name)} must have listenerCount and eventNames`);
    }
    watched.set(name, new WeakRef(emitter));
  }

  function read() {
    const counts = { process: count(process) };
    for (const [name, reference] of watched) {
      const emitter = reference.deref();
      if (emitter === undefined) watched.delete(name);
      else counts[name] = count(emitter);
    }
    return counts;
  }

  for (const [name, emitter] of Object.entries(named)) add(name, emitter);
  return { add, read };
}

// Events have few names as a rule: those beyond the bound are told by their number alone.
function count(emitter) {
  const names = emitter.eventNames();
  const counts = {};
  for (const name of names.slice(0, MOST_EVENTS)) counts[String(name)] = emitter.listenerCount(name);
  if (names.length > MOST_EVENTS) counts['(further events)'] = names.length - MOST_EVENTS;
  return counts;
}

module.exports = { emitters };
