'use strict';

// The body of GET /health/debug: bytes, not rounded, in the names that Node.js gives them.

const cluster = require('node:cluster');
const { performance } = require('node:perf_hooks');
const v8 = require('node:v8');
const { isMainThread, threadId } = require('node:worker_threads');
const { readOwnCgroup } = require('./cgroup');

function health({ collections, emitters, eventLoop, requests }) {
  const heap = v8.getHeapStatistics();
  return {
    ...identity(),
    requests,
    memoryUsage: process.memoryUsage(),
    heapSizeLimit: heap.heap_size_limit,
    ...collections.read(),
    mallocedMemory: heap.malloced_memory,
    nativeContexts: heap.number_of_native_contexts,
    detachedContexts: heap.number_of_detached_contexts,
    ...limits(),
    eventLoopDelay: eventLoop.read(),
    handles: countByKind(process.getActiveResourcesInfo?.() ?? []),
    listeners: emitters.read(),
  };
}

// Threads share the process's time origin; a thread that is started anew loads this module anew.
const loaded = isMainThread ? 0 : performance.now();
const startTime = new Date(performance.timeOrigin + loaded).toISOString();

// Which process, and which heap of it: every worker thread has a heap of its own, under one pid and one rss.
function identity() {
  return {
    pid: process.pid,
    ...(cluster.isWorker && { clusterWorker: cluster.worker.id }),
    ...(!isMainThread && { thread: threadId }),
    node: process.version,
    startTime,
    uptime: (performance.now() - loaded) / 1000,
  };
}

function limits() {
  const found = readOwnCgroup();
  if (found === undefined) return {};
  const { version, limit, current, droppable } = found;
  return { cgroup: { version, memoryLimit: limit, memoryCurrent: current, droppableCache: droppable } };
}

function countByKind(kinds) {
  const counts = {};
  for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

module.exports = { health };
