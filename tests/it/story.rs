//! The whole story against the built executable: real Node.js services that leak or do not, the daemon that watches
//! them, and the receiver that it tells. Times are shrunk as in the demo; nothing else is.

mod channels;
mod clock;
mod comeback;
mod damage;
mod demo;
mod disk;
mod figures;
mod gate;
mod leak;
mod listed;
mod operators;
mod page;
mod pretender;
mod profiles;
mod restarts;
mod scene;
mod services;
mod signals;
mod silence;
mod switch;
