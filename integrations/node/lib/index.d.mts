import heapwatch = require('./index.js');

export { heapwatch };
export default heapwatch;
