//! What the integration tests share.

pub(crate) mod certificates;
pub(crate) mod faulty;
