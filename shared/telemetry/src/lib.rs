//! What the functions tell about themselves: log lines, metrics, and the decision that a call carries out.
//!
//! Nothing here decides or acts. What was decided is told by [`TellingStore`], which sees the commits that write it: so a line and a count
//! stand for every changed decision that was written, and for none that was not. The fields of the lines are listed in `docs/logging.md`.

mod carrying;
#[cfg(feature = "lines")]
pub mod lines;
mod metrics;
mod telling;

pub use carrying::{carried_out, carrying_out};
pub use metrics::{Meter, Metric, NAMESPACE};
pub use telling::TellingStore;
