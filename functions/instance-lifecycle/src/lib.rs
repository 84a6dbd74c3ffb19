//! Lambda function instance-lifecycle.
