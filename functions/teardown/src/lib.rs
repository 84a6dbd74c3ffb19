//! Lambda function teardown.
