//! What the integration tests share.

pub(crate) mod node;
pub(crate) mod polling;
pub(crate) mod v8;
