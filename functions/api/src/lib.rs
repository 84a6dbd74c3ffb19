//! Lambda function api.
