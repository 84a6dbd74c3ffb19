//! Lambda function time-scaling.
