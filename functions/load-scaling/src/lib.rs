//! Lambda function load-scaling.
