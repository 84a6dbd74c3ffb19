//! A page as SNS takes it: subject, a text for people, a short one for telephones, JSON for machines, attributes for filters.

use serde_json::{Value, json};

use super::text::{ascii, cut, one_line};
use super::{PageKind, PageStatus};
use crate::decision::Page;

/// SNS takes a subject of less than a hundred characters.
pub const LONGEST_SUBJECT: usize = 99;
/// What one SMS holds in bytes; SNS would take 1,600 and send, and bill, several.
pub const LONGEST_SMS: usize = 140;
/// SNS takes so much in one message, attributes included.
pub const LARGEST: usize = 256 * 1024;
/// SNS hands at most so many attributes on to a queue that takes raw messages.
pub const MOST_ATTRIBUTES: usize = 10;
/// Characters of an attribute's value and of a name.
const LONGEST_NAME: usize = 128;
/// Characters of what happened, why, what was done, and what to run: all forms together then stay below [`LARGEST`].
const LONGEST_SENTENCE: usize = 1_000;

/// Whose pages they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The installation's name.
    pub installation: &'a str,
    /// AWS account.
    pub account: &'a str,
    /// AWS region.
    pub region: &'a str,
}

/// What is published.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Less than a hundred printable ASCII characters.
    pub subject: String,
    /// For people.
    pub text: String,
    /// For telephones: one SMS.
    pub sms: String,
    /// For machines, see [`super::alarm()`].
    pub alarm: Value,
    /// For filter policies: names and values, none of them empty, sorted by name.
    pub attributes: Vec<(&'static str, String)>,
}

impl Message {
    /// The forms of a page. Never fails: what is too long is cut, what SNS does not take is replaced.
    pub fn of(page: &Page, origin: &Origin<'_>) -> Self {
        let fields = Fields::of(page);
        Self {
            subject: cut(&ascii(&headline(page, &fields)), LONGEST_SUBJECT),
            text: text(page, &fields, origin),
            sms: cut(&ascii(&format!("Strata {}. {}", headline(page, &fields), fields.next)), LONGEST_SMS),
            alarm: super::alarm(page, origin),
            attributes: attributes(page, &fields, origin),
        }
    }

    /// The message body for `MessageStructure` `json`: which protocol gets which form. Functions, queues and HTTP endpoints (chat and pager
    /// integrations among them) get the alarm; everybody else, and protocols that are yet to come, the text.
    pub fn by_protocol(&self) -> String {
        let alarm = self.alarm.to_string();
        json!({
            "default": self.text,
            "email": self.text,
            "email-json": alarm,
            "firehose": alarm,
            "http": alarm,
            "https": alarm,
            "lambda": alarm,
            "sms": self.sms,
            "sqs": alarm,
        })
        .to_string()
    }

    /// What SNS counts against [`LARGEST`].
    pub fn bytes(&self) -> usize {
        let attributes: usize = self.attributes.iter().map(|(name, value)| name.len() + "String".len() + value.len()).sum();
        self.by_protocol().len() + attributes
    }
}

/// Where a person reads on.
pub fn runbook(kind: PageKind) -> String {
    format!("docs/pages.md#{kind}")
}

/// The page's words, on one line each and cut.
pub(super) struct Fields {
    pub(super) stack: String,
    pub(super) layer: Option<String>,
    pub(super) host: Option<String>,
    pub(super) what: String,
    pub(super) why: String,
    pub(super) did: String,
    pub(super) next: String,
}

impl Fields {
    pub(super) fn of(page: &Page) -> Self {
        let name = |text: &str| cut(&one_line(text), LONGEST_NAME);
        let sentence = |text: &str| cut(&one_line(text), LONGEST_SENTENCE);
        Self {
            stack: name(&page.stack),
            layer: page.layer.as_deref().map(name),
            host: page.host.as_deref().map(name),
            what: sentence(&page.what),
            why: sentence(&page.why),
            did: sentence(&page.did),
            next: sentence(&page.next),
        }
    }

    /// `stack/layer/host`, as far as there are any.
    pub(super) fn place(&self) -> String {
        let parts = [Some(&self.stack), self.layer.as_ref(), self.host.as_ref()];
        parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join("/")
    }
}

/// `critical: shop/ecs-cluster/web3: web3 has failed and is not healed`; a resolved page says so first.
fn headline(page: &Page, fields: &Fields) -> String {
    let head = match PageStatus::of(page) {
        PageStatus::Resolved => "resolved",
        PageStatus::Open | PageStatus::Notice => page.severity.as_str(),
    };
    format!("{head}: {}: {}", fields.place(), fields.what)
}

fn text(page: &Page, fields: &Fields, origin: &Origin<'_>) -> String {
    let Origin { installation, account, region } = origin;
    let head = match PageStatus::of(page) {
        PageStatus::Open => page.severity.as_str().to_uppercase(),
        PageStatus::Resolved => "RESOLVED".to_owned(),
        PageStatus::Notice => "FOR THE RECORD".to_owned(),
    };
    let at = page.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let rows = [
        ("where", format!("{} ({installation} in {region}, account {account})", fields.place())),
        ("why", fields.why.clone()),
        ("did", fields.did.clone()),
        ("next", fields.next.clone()),
        ("runbook", runbook(page.kind)),
        ("when", at),
        ("incident", page.incident.clone()),
        ("decision", page.decision.to_string()),
    ];
    let rows: String =
        rows.iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name:9} {text}\n")).collect();
    format!("{head}: {}\n\n{rows}", fields.what)
}

/// SNS takes no empty value, and a filter policy compares the whole of one.
fn attributes(page: &Page, fields: &Fields, origin: &Origin<'_>) -> Vec<(&'static str, String)> {
    let all = [
        ("host", fields.host.clone()),
        ("installation", Some(origin.installation.to_owned())),
        ("kind", Some(page.kind.to_string())),
        ("layer", fields.layer.clone()),
        ("severity", Some(page.severity.as_str().to_owned())),
        ("stack", Some(fields.stack.clone())),
        ("status", Some(PageStatus::of(page).as_str().to_owned())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value.filter(|v| !v.is_empty())?))).collect()
}
