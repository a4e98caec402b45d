// State deep inside an application object that modules pass around.
'use strict';

class Application {
  constructor() {
    this.locals = { services: { mailer: { sent: new Set() } } };
  }
}

const app = new Application();

class Mail {
  constructor(to) {
    this.to = to;
    this.headers = new Map([['to', to]]);
  }
}

exports.step = function send(i) {
  app.locals.services.mailer.sent.add(new Mail(`user-${i}@example.com`));
};
exports.app = app;
