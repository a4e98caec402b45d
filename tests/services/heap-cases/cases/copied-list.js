// A list that is copied with each observer, so that the one that grew is never in both snapshots; observers have lists
// of their own.
'use strict';

const settings = { observers: [] };

exports.step = function watch(i) {
  const seen = [`start ${i}`];
  settings.observers = [
    ...settings.observers,
    function onChange(change) {
      seen.push(change);
    },
  ];
};
exports.settings = settings;
