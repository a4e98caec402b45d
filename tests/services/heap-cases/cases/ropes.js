// Texts put together of pieces, each of which lives on in the whole.
'use strict';

const history = [];

exports.step = function render(i) {
  let page = `<html><head><title>Order number ${i}</title></head>`;
  for (let row = 0; row < 4; row++) {
    page += `<tr><td>${row}</td><td>position ${i + row}</td></tr>`;
  }
  history.push(page);
};
exports.history = history;
