// State that is replaced and not changed: the container is a new one each time.
'use strict';

let state = { events: [] };

exports.step = function reduce(i) {
  state = { ...state, events: [...state.events.slice(-100000), { type: 'added', payload: `payload ${i}` }] };
};
exports.state = () => state;
