//! The ports on one machine: embedded store, simulated cloud, virtual clock, faults.
