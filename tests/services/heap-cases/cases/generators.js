// Cursors that are opened and never read to their end.
'use strict';

const cursors = new Set();

function* rows(query) {
  const buffer = [`${query} 1`, `${query} 2`, `${query} 3`];
  for (const row of buffer) {
    yield row;
  }
}

exports.step = function select(i) {
  const cursor = rows(`select ${i}`);
  cursor.next();
  cursors.add(cursor);
};
exports.cursors = cursors;
