import heapwatch = require('heapwatch');
import { EventEmitter } from 'node:events';
import { createServer } from 'node:http';

const options: heapwatch.Options = { token: process.env.HEAPWATCH_TOKEN, paths: { snapshot: false }, emitters: { queue: new EventEmitter() } };
const debug: heapwatch.Handler = heapwatch(options);
createServer((req, res) => {
  const handled: boolean = debug(req, res);
  if (!handled) res.end();
});
debug.emitter('late', new EventEmitter());
debug.listen(0).close();
debug.close();

// @ts-expect-error: a token is text.
heapwatch({ token: 7 });
// @ts-expect-error: there is no such option.
heapwatch({ tokens: 'x' });
