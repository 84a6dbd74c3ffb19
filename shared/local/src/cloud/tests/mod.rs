//! Each behaviour of the simulated cloud on a small world.

mod cloudwatch;
mod ec2;
mod ecs;
mod ssm;
mod whole;
