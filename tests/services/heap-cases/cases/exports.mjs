// What an ECMAScript module exports is a variable of no scope.
export const carts = new Map();

class Cart {
  constructor(id) {
    this.id = id;
    this.items = [{ sku: id, count: 1 }];
  }
}

export function step(i) {
  carts.set(`cart-${i}`, new Cart(i));
}
