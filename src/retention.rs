//! Which stored captures to delete: policy + inventory + now -> names. Decides only; `store` deletes.

use std::time::Duration;

use crate::units::ByteSize;

/// What may be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Most captures of one target.
    pub per_target: usize,
    /// Oldest age.
    pub max_age: Duration,
    /// Most bytes over all targets.
    pub total: ByteSize,
    /// Disk space that captures must leave free.
    pub min_free: ByteSize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            per_target: 6,
            max_age: Duration::from_hours(720),
            total: ByteSize::mib(20 * 1024),
            min_free: ByteSize::mib(1024),
        }
    }
}
