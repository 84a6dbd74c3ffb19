//! `strata`: the laptop world, and the tools of on-call.
