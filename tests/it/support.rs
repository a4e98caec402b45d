//! What the integration tests share.

pub(crate) mod certificates;
pub(crate) mod cgroup;
pub(crate) mod daemon;
pub(crate) mod faulty;
pub(crate) mod node;
pub(crate) mod openapi;
pub(crate) mod polling;
pub(crate) mod receiver;
pub(crate) mod v8;
