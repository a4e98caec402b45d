//! Growth of a series: floors of blocks, a robust line through them, and the shapes that tell a leak from a tooth,
//! a step, a cache or a cycle. Plain numbers in, plain numbers out; nothing here knows of targets or options.

pub mod blocks;
mod column;
pub mod falls;
pub mod fit;
pub mod shape;
pub mod troughs;

pub use blocks::Blocks;
pub use falls::Falls;
pub use fit::{Fit, theil_sen};
