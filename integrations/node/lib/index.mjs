// The same module for `import`: one copy of the code, and so one profiler, however it is loaded.
import heapwatch from './index.js';

export { heapwatch };
export default heapwatch;
