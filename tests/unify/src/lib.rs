//! Nothing but dependencies: every crate of the workspace has this one among its dev-dependencies, so that `cargo test -p ONE` asks third-party
//! crates for the same features as `cargo test --workspace`, and none of the large SDK crates is compiled a second time for it.
//!
//! What is deployed does not see it: dev-dependencies count for tests only.
