//! template.yaml, held against what the code needs and what linters do not notice.
//!
//! [`document`] reads it, [`resolve`] works its functions out for given parameters, [`iam`] evaluates its policies, [`pattern`] its event patterns. The tests stand in
//! [`roles`] (each role has what is called, no more and no less), [`foreign`] (what is not Strata's cannot be harmed) and [`shape`].

mod document;
mod foreign;
mod iam;
mod pattern;
mod resolve;
mod roles;
mod shape;
mod tables;
