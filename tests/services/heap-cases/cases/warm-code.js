// Healthy: more and more functions become hot, are compiled, and see objects of new shapes.
'use strict';

const functions = Array.from({ length: 60 }, (_, n) => {
  const body = Array.from({ length: 20 }, (_, k) => `total += (item.p${(n + k) % 30} ?? ${k}) * ${n + 1};`).join('\n');
  return new Function('item', `let total = 0;\n${body}\nreturn total;`);
});

let sum = 0;

exports.step = function compute(i) {
  const hot = Math.min(functions.length, 1 + Math.floor(i / 25));
  for (let n = 0; n < hot; n++) {
    for (let times = 0; times < 40; times++) {
      sum += functions[n]({ [`p${(i + times) % 30}`]: i, at: times });
    }
  }
};
exports.sum = () => sum;
