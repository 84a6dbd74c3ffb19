//! A request to the API's function URL, payload format 2.0.

use aws_lambda_events::lambda_function_urls::LambdaFunctionUrlRequest;
use base64::Engine;
use jiff::Timestamp;

use super::member::wrong;
use crate::{EventError, FunctionUrlCall, Trigger};

const FORM: &str = "function URL request";

pub(super) fn read(text: &str) -> Result<Trigger, EventError> {
    let request: LambdaFunctionUrlRequest = serde_json::from_str(text)
        .map_err(|e| wrong(FORM, "(whole event)", format!("has a problem: {e}, expected payload format 2.0")))?;
    if request.version.as_deref() != Some("2.0") {
        let seen = request.version.map_or("missing".to_owned(), |v| format!("`{}`", super::member::clip(&v)));
        return Err(wrong(FORM, "version", format!("is {seen}, expected `2.0`")));
    }
    let context = request.request_context;
    let iam = context.authorizer.and_then(|a| a.iam);
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    Ok(Trigger::FunctionUrl(Box::new(FunctionUrlCall {
        method: context.http.method.ok_or_else(|| wrong(FORM, "requestContext.http.method", "is missing, expected a string"))?,
        path: request.raw_path.unwrap_or_else(|| "/".to_owned()),
        query: request.raw_query_string.unwrap_or_default(),
        headers,
        body: body(request.body, request.is_base64_encoded)?,
        caller_arn: iam.as_ref().and_then(|i| i.user_arn.clone()),
        caller_account: iam.as_ref().and_then(|i| i.account_id.clone()),
        principal_id: iam.as_ref().and_then(|i| i.caller_id.clone()),
        access_key_id: iam.and_then(|i| i.access_key),
        request_id: context.request_id.unwrap_or_default(),
        source_ip: context.http.source_ip.unwrap_or_default(),
        at: Timestamp::from_millisecond(context.time_epoch)
            .map_err(|_| wrong(FORM, "requestContext.timeEpoch", "is out of range, expected milliseconds since 1970"))?,
    })))
}

fn body(text: Option<String>, is_base64: bool) -> Result<Vec<u8>, EventError> {
    let text = text.unwrap_or_default();
    if !is_base64 {
        return Ok(text.into_bytes());
    }
    base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| wrong(FORM, "body", "is not base64, expected base64"))
}
