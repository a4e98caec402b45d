import { EventEmitter } from 'node:events';
import { IncomingMessage, Server, ServerResponse } from 'node:http';

declare namespace heapwatch {
  interface Options {
    /**
     * Bearer token of the snapshot and profile routes, 16 characters or more; several while one replaces another.
     * Without a token those routes are off.
     */
    token?: string | readonly string[] | undefined;
    /** Where the routes are; `false` for none. */
    paths?: {
      /** `/health/debug` by default. */
      health?: string | false;
      /** `/admin/heap-snapshot` by default. */
      snapshot?: string | false;
      /** `/admin/heap-profile` by default. */
      profile?: string | false;
    };
    /** Whether the health route asks for the token too; `false` by default. */
    protectHealth?: boolean;
    /** Whether allocations are sampled for heap profiles; `true` by default, and only with a token. */
    profile?: boolean;
    /** Bytes between two sampled allocations, on average; 524,288 by default. */
    samplingInterval?: number;
    /** Bytes of room to demand for each byte of heapUsed before a snapshot; 12 by default, 0 to demand none. */
    snapshotCost?: number;
    /** Emitters whose listeners are counted, by name. They are not kept alive. */
    emitters?: Record<string, EventEmitter>;
  }

  interface Handler {
    /** Answers the routes and returns true; returns false, and calls `next`, for every other request. */
    (req: IncomingMessage, res: ServerResponse, next?: (problem?: unknown) => void): boolean;
    /** A plugin for Fastify's `register`. */
    fastify(instance: any, options: unknown, done: (problem?: Error) => void): void;
    /** A middleware for Koa's `use`. */
    koa(context: any, next: () => Promise<unknown>): Promise<void>;
    /** Serves the routes alone on a port of their own, on 127.0.0.1 unless told otherwise; keeps no process alive. */
    listen(port?: number, host?: string): Server;
    /** Counts the listeners of one more emitter. */
    emitter(name: string, emitter: EventEmitter): void;
    /** Stops sampling and measuring. */
    close(): void;
  }
}

/** Makes the handler of `/health/debug`, `/admin/heap-snapshot` and `/admin/heap-profile`. Throws a TypeError on wrong options. */
declare function heapwatch(options?: heapwatch.Options): heapwatch.Handler;

declare namespace heapwatch {
  export { heapwatch, heapwatch as default };
}

export = heapwatch;
