//! The listener: who is answered, and how patiently.

mod access;
mod clients;
mod guard;
mod openapi;
mod served;
