import heapwatch, { heapwatch as named } from 'heapwatch';
import { createServer } from 'node:http';

const debug = heapwatch({ token: ['one-of-two-tokens', 'the-other-of-two'], protectHealth: true, samplingInterval: 65536 });
createServer((req, res) => void (debug(req, res) || res.end()));
named({ snapshotCost: 12, profile: false }).close();
// @ts-expect-error: this is a number of bytes.
named({ samplingInterval: '64 KiB' });
