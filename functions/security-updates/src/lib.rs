//! Lambda function security-updates.
