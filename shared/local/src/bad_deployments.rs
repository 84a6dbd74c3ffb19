//! What every function must do when it was deployed wrongly: say what is wrong in one line, fail the invocation, so that its event comes
//! again, and change nothing. One suite for all binaries.

use serde_json::Value;

use crate::canned_aws::{Asked, CannedAws, refusal};
use crate::loopback::Reply;
use crate::runtime_api::{Answer, run};

/// Variables that no function can do without.
const ALWAYS: [&str; 4] = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "STRATA_TABLE"];

/// What DynamoDB answers when the deployment is not right: status, code and text, and the words that must reach the log.
const REFUSALS: [(&str, u16, &str, &str, &str); 4] = [
    (
        "a table that is not there, or is in another region",
        400,
        "ResourceNotFoundException",
        "Requested resource not found",
        "there is no DynamoDB table strata in us-east-1",
    ),
    (
        "a role without the right",
        400,
        "AccessDeniedException",
        "User: role is not authorized to perform: dynamodb:Query",
        "is not authorized to perform: dynamodb:Query",
    ),
    (
        "a throttled start",
        400,
        "ThrottlingException",
        "Rate of requests exceeds the allowed throughput",
        "ThrottlingException: Rate of requests exceeds the allowed throughput",
    ),
    (
        "another region's signature",
        403,
        "InvalidSignatureException",
        "Credential should be scoped to a valid region",
        "Credential should be scoped to a valid region",
    ),
];

/// A function as it was deployed.
pub struct Deployed<'a> {
    /// Its binary.
    pub binary: &'a str,
    /// An event of its own that makes it look into the table.
    pub event: &'a [u8],
    /// Variables that it cannot do without, beside those that no function can.
    pub needs: &'a [&'a str],
}

impl Deployed<'_> {
    /// The whole suite.
    ///
    /// # Panics
    /// When the function does otherwise.
    pub fn check(&self) {
        for name in ALWAYS.iter().chain(self.needs) {
            self.check_missing(name);
        }
        for (what, status, code, message, words) in REFUSALS {
            self.check_refused(what, move |asked| refusal(asked, status, code, message), words);
        }
    }

    fn check_missing(&self, name: &str) {
        let aws = CannedAws::empty().expect("a loopback port");
        let (answer, errors) = self.invoked(&aws, Some(name));
        let message = failure(&answer).unwrap_or_else(|| panic!("without {name} it answered {answer:?}"));
        assert!(message.starts_with(&format!("the environment variable {name} is not set; expected ")), "{message}");
        assert_eq!(errors, [message], "one line says so");
        assert!(aws.take().is_empty(), "without {name} it called AWS");
    }

    fn check_refused(&self, what: &str, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static, words: &str) {
        let of_table = move |asked: &Asked| (asked.service == "dynamodb").then(|| answer(asked));
        let aws = CannedAws::answering(of_table).expect("a loopback port");
        let (answer, errors) = self.invoked(&aws, None);
        assert!(failure(&answer).is_some(), "{what}: it answered {answer:?}");
        assert_eq!(errors.len(), 1, "{what}: {errors:?}");
        assert!(errors[0].contains(words), "{what}: {:?} does not say {words}", errors[0]);
        // Whatever it tried to write, the table has refused; beyond the table it has changed nothing.
        let acts: Vec<Asked> = aws.take().into_iter().filter(|call| call.service != "dynamodb" && !call.is_read()).collect();
        assert!(acts.is_empty(), "{what}: {acts:?}");
    }

    /// Its answer to the event, and the messages of its error lines.
    fn invoked(&self, aws: &CannedAws, without: Option<&str>) -> (Answer, Vec<String>) {
        let variables = aws.variables();
        let there: Vec<(&str, &str)> =
            variables.iter().filter(|(name, _)| Some(name.as_str()) != without).map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let mut run = run(self.binary, &there, &[self.event]).expect("the function answers");
        let is_error = |line: &&Value| line["level"] == "ERROR";
        let errors = run.lines.iter().filter(is_error).map(|line| line["error.message"].as_str().unwrap_or_default().to_owned());
        let errors = errors.collect();
        for secret in ["wJalrXUtnFEMI", "session-token-of-the-role", "secret-of-the-stack"] {
            assert!(run.lines.iter().all(|line| !line.to_string().contains(secret)), "a secret is logged");
        }
        (run.answers.remove(0), errors)
    }
}

/// Why the invocation failed: in Lambda's form, or for a function URL in HTTP's.
fn failure(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Error(error) => error["errorMessage"].as_str().map(str::to_owned),
        Answer::Response(response) => {
            response["statusCode"].as_u64().filter(|status| *status >= 500).map(|_| response["body"].to_string())
        }
    }
}
