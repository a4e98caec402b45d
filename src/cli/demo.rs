//! `heapwatch demo`: the whole story on one machine in about a minute.

pub mod service;
