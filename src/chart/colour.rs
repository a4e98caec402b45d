//! The colours, on white. A style sheet replaces them by their attribute where the ground is dark.

use plotters::style::RGBColor;

/// Readings, in the grey of old garbage.
pub const SAMPLES: RGBColor = RGBColor(0xAE, 0xB6, 0xC1);
/// Floors.
pub const FLOORS: RGBColor = RGBColor(0x25, 0x63, 0xA8);
/// Fit and forecast.
pub const FIT: RGBColor = RGBColor(0xC2, 0x41, 0x0C);
/// The memory limit.
pub const LIMIT: RGBColor = RGBColor(0xB4, 0x23, 0x18);
/// A restart at the memory limit.
pub const KILL: RGBColor = RGBColor(0xB5, 0x23, 0x19);
/// Any other restart.
pub const RESTART: RGBColor = RGBColor(0x6B, 0x72, 0x80);
/// A snapshot.
pub const SNAPSHOT: RGBColor = RGBColor(0x0F, 0x76, 0x6E);
/// A change of the verdict.
pub const VERDICT: RGBColor = RGBColor(0x7C, 0x3A, 0xED);
/// Lines of the grid.
pub const GRID: RGBColor = RGBColor(0xE4, 0xE7, 0xEB);
/// Numbers along the axes.
pub const INK: RGBColor = RGBColor(0x5B, 0x64, 0x70);
