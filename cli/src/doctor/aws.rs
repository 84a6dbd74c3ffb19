//! What AWS tells: the services that an installation is made of.

use strata_aws::Base;
use strata_aws::checkup::{AlarmSeen, Checkup, RuleSeen, SubscriptionSeen, TableSeen};
use strata_aws::mode_switch::ModeSwitch;
use strata_domain::mode::Mode;
use strata_ports::{CloudError, ModeScope};

use super::{Check, ON_AWS, iam};
use crate::args::DoctorArgs;

const DOCUMENTS: [&str; 4] = ["Configure", "Setup", "Shutdown", "Update"];
/// The functions that rules send to directly; the others hear by the hint queue or the schedule alone.
const HEARERS: [&str; 3] = ["load-scaling", "security-updates", "teardown"];

/// The checks, in the order of [`ON_AWS`].
pub(super) async fn checks(base: &Base, args: &DoctorArgs) -> Vec<Check> {
    let [caller_name, names @ ..] = ON_AWS;
    let checkup = Checkup::new(base);
    let caller = match checkup.caller().await {
        Ok(caller) => caller,
        Err(error) => {
            let rest = names.map(|name| Check::skip(name, "AWS does not take the credentials"));
            return std::iter::once(failed(caller_name, &error)).chain(rest).collect();
        }
    };
    let settings = base.settings();
    let (installation, region) = (settings.installation.as_str(), settings.region.as_str());
    let topic = args.topic.clone().or_else(|| settings.topic_arn.clone());
    let topic = topic.unwrap_or_else(|| format!("arn:aws:sns:{region}:{}:{installation}-on-call", caller.account));
    vec![
        Check::ok(caller_name, caller.arn.clone()),
        table(&checkup, args.table.as_ref().or(settings.table.as_ref())).await,
        rules(&checkup, &format!("arn:aws:lambda:{region}:{}:function:{installation}", caller.account)).await,
        judged("topic", checkup.subscriptions(&topic).await, |seen| judge_topic(&topic, seen.as_deref())),
        documents(&checkup, installation).await,
        mode_parameter(base, installation).await,
        judged("alarms on Strata", checkup.alarms(&format!("{installation}-self-")).await, |seen| judge_alarms(&seen)),
    ]
}

/// What a service said instead of answering; who may not ask gets the statement that he lacks.
fn failed(name: &str, error: &CloudError) -> Check {
    let lacks = iam::lacking(&error.to_string());
    let mend = lacks.map_or_else(
        || "`aws sts get-caller-identity` tells who calls; --region and --profile choose".to_owned(),
        |statement| format!("the statement that is missing:\n  {statement}"),
    );
    Check::fail(name, error.to_string(), mend)
}

fn judged<T>(name: &str, seen: Result<T, CloudError>, judge: impl FnOnce(T) -> Check) -> Check {
    seen.map_or_else(|error| failed(name, &error), judge)
}

async fn table(checkup: &Checkup, name: Option<&String>) -> Check {
    match name {
        Some(name) => judged("table", checkup.table(name).await, |seen| judge_table(name, seen.as_ref())),
        None => Check::skip("table", "name it with --table or STRATA_TABLE; the CloudFormation output Table has its name"),
    }
}

fn judge_table(name: &str, seen: Option<&TableSeen>) -> Check {
    let fail = |what: &str, mend: &str| Check::fail("table", format!("{name} {what}"), mend);
    let Some(seen) = seen else {
        return fail(
            "does not exist",
            "the CloudFormation output Table has its name; a lost one is set back: docs/break-glass.md, \"The store\"",
        );
    };
    if seen.keys != ["pk S", "sk S"] {
        return fail(&format!("has the keys {}, expected pk S, sk S", seen.keys.join(", ")), "it is another program's table");
    }
    if seen.status != "ACTIVE" {
        return fail(&format!("is {}", seen.status), "wait until DynamoDB is done with it");
    }
    if seen.stream.as_deref() != Some("KEYS_ONLY") {
        let command = format!(
            "without it instance-lifecycle hears of changes by its tick only:\n  aws dynamodb update-table --table-name {name} \
             --stream-specification StreamEnabled=true,StreamViewType=KEYS_ONLY"
        );
        return fail(&format!("has {}, expected a stream of KEYS_ONLY", seen.stream.as_deref().unwrap_or("no stream")), &command);
    }
    if !seen.has_point_in_time_recovery {
        let command = format!(
            "aws dynamodb update-continuous-backups --table-name {name} --point-in-time-recovery-specification \
             PointInTimeRecoveryEnabled=true"
        );
        return fail("has no point-in-time recovery", &command);
    }
    Check::ok("table", format!("{name}: keys, stream and point-in-time recovery are as they should be"))
}

/// `function`: the functions' ARN up to `-<function>`.
async fn rules(checkup: &Checkup, function: &str) -> Check {
    let mut seen = Vec::new();
    for hearer in HEARERS {
        match checkup.rules_of(&format!("{function}-{hearer}:live")).await {
            Ok(rules) => seen.push((hearer, rules)),
            Err(error) => return failed("rules", &error),
        }
    }
    judge_rules(&seen)
}

fn judge_rules(seen: &[(&str, Vec<RuleSeen>)]) -> Check {
    let deaf: Vec<&str> = seen.iter().filter(|(_, rules)| rules.is_empty()).map(|(hearer, _)| *hearer).collect();
    let off: Vec<&str> = seen.iter().flat_map(|(_, rules)| rules).filter(|r| !r.is_enabled).map(|r| r.name.as_str()).collect();
    match (deaf.as_slice(), off.as_slice()) {
        ([], []) => Check::ok("rules", format!("{} rules are enabled", seen.iter().map(|(_, rules)| rules.len()).sum::<usize>())),
        ([], off) => {
            let commands: Vec<String> = off.iter().map(|name| format!("aws events enable-rule --name {name}")).collect();
            Check::fail("rules", format!("{} is disabled", off.join(", ")), commands.join("\n"))
        }
        (deaf, _) => Check::fail(
            "rules",
            format!("no rule sends to {}", deaf.join(", ")),
            "deploy the template once more; Strata goes on by its ticks meanwhile. An installation of another name: --installation",
        ),
    }
}

fn judge_topic(topic: &str, seen: Option<&[SubscriptionSeen]>) -> Check {
    let subscribe = format!(
        "nobody is woken until somebody subscribes, and confirms:\n  aws sns subscribe --topic-arn {topic} --protocol email \
         --notification-endpoint on-call@example.com"
    );
    match seen {
        None => {
            Check::fail("topic", format!("{topic} does not exist"), "name the one that the output OnCallTopic names: --topic ARN")
        }
        Some(seen) if seen.iter().any(|s| s.is_confirmed) => {
            let protocols: Vec<&str> = seen.iter().filter(|s| s.is_confirmed).map(|s| s.protocol.as_str()).collect();
            Check::ok("topic", format!("{} subscribed: {}", protocols.len(), protocols.join(", ")))
        }
        Some([]) => Check::fail("topic", format!("{topic} has no subscription"), subscribe),
        Some(_) => Check::fail("topic", format!("no subscription of {topic} is confirmed"), subscribe),
    }
}

async fn documents(checkup: &Checkup, installation: &str) -> Check {
    let mut absent = Vec::new();
    for document in DOCUMENTS {
        let name = format!("{installation}-{document}");
        match checkup.has_document(&name).await {
            Ok(true) => {}
            Ok(false) => absent.push(name),
            Err(error) => return failed("documents", &error),
        }
    }
    if absent.is_empty() {
        return Check::ok("documents", "Setup, Shutdown, Update and Configure are there");
    }
    let mend = "deploy the template once more, which makes them; without them no host comes up";
    Check::fail("documents", format!("{} is not there", absent.join(", ")), mend)
}

async fn mode_parameter(base: &Base, installation: &str) -> Check {
    judged("mode parameter", ModeSwitch::new(base).read(&ModeScope::Installation).await, |text| {
        let name = ModeScope::Installation.parameter(installation);
        let put = |mode: &str| format!("aws ssm put-parameter --name {name} --type String --overwrite --value {mode}");
        match text.as_deref().map(|text| (text, Mode::parse(text))) {
            Some((_, Some(mode))) => Check::ok("mode parameter", format!("{name} is {}", mode.as_str())),
            Some((text, None)) => {
                let found = format!("{name} is {text:?}, expected active, observe or frozen; nothing is stopped or patched");
                Check::fail("mode parameter", found, put("observe"))
            }
            None => Check::fail("mode parameter", format!("{name} does not exist, which counts as active"), put("active")),
        }
    })
}

fn judge_alarms(seen: &[AlarmSeen]) -> Check {
    const NAME: &str = "alarms on Strata";
    if seen.is_empty() {
        let mend = "deploy the template once more, which makes them; an installation of another name: --installation";
        return Check::fail(NAME, "there are none, so nobody hears when Strata itself fails", mend);
    }
    let fired: Vec<&AlarmSeen> = seen.iter().filter(|alarm| alarm.state == "ALARM").collect();
    if fired.is_empty() {
        return Check::ok(NAME, format!("{} alarms, none in ALARM: ticks come, no dead letters, no errors", seen.len()));
    }
    let names: Vec<&str> = fired.iter().map(|alarm| alarm.name.as_str()).collect();
    let reasons: Vec<String> = fired.iter().map(|alarm| format!("{}: {}", alarm.name, alarm.reason)).collect();
    Check::fail(NAME, format!("in ALARM: {}", names.join(", ")), reasons.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    fn good() -> TableSeen {
        TableSeen {
            status: "ACTIVE".to_owned(),
            keys: vec!["pk S".to_owned(), "sk S".to_owned()],
            stream: Some("KEYS_ONLY".to_owned()),
            has_point_in_time_recovery: true,
        }
    }

    #[test]
    fn a_table_that_lacks_something_is_a_fault_with_the_command_that_mends_it() {
        assert_eq!(judge_table("t", Some(&good())).outcome, Outcome::Ok);
        for (seen, says) in [
            (None, "does not exist"),
            (Some(TableSeen { keys: vec!["id N".to_owned()], ..good() }), "has the keys id N"),
            (Some(TableSeen { status: "UPDATING".to_owned(), ..good() }), "is UPDATING"),
            (Some(TableSeen { stream: None, ..good() }), "has no stream"),
            (Some(TableSeen { stream: Some("NEW_IMAGE".to_owned()), ..good() }), "has NEW_IMAGE"),
            (Some(TableSeen { has_point_in_time_recovery: false, ..good() }), "no point-in-time recovery"),
        ] {
            let check = judge_table("t", seen.as_ref());
            assert!(check.outcome == Outcome::Fail && check.found.contains(says) && check.mend.is_some(), "{check:?}");
        }
    }

    #[test]
    fn a_function_without_a_rule_and_a_disabled_rule_are_faults() {
        let rule = |name: &str, is_enabled| RuleSeen { name: name.to_owned(), is_enabled };
        assert_eq!(judge_rules(&[("a", vec![rule("x", true)]), ("b", vec![rule("y", true)])]).outcome, Outcome::Ok);
        assert!(judge_rules(&[("a", vec![]), ("b", vec![rule("y", true)])]).found.contains("no rule sends to a"));
        let off = judge_rules(&[("a", vec![rule("x", true), rule("y", false)])]);
        assert_eq!(off.mend.as_deref(), Some("aws events enable-rule --name y"));
    }

    #[test]
    fn a_topic_that_nobody_has_confirmed_wakes_nobody() {
        let of = |is_confirmed| SubscriptionSeen { protocol: "email".to_owned(), is_confirmed };
        for (seen, expected) in [
            (None, Outcome::Fail),
            (Some(vec![]), Outcome::Fail),
            (Some(vec![of(false)]), Outcome::Fail),
            (Some(vec![of(false), of(true)]), Outcome::Ok),
        ] {
            assert_eq!(judge_topic("arn", seen.as_deref()).outcome, expected, "{seen:?}");
        }
    }

    #[test]
    fn alarms_on_strata_have_to_be_there_and_quiet() {
        let of = |state: &str| AlarmSeen { name: format!("a-{state}"), state: state.to_owned(), reason: "why".to_owned() };
        assert_eq!(judge_alarms(&[]).outcome, Outcome::Fail);
        assert_eq!(judge_alarms(&[of("OK"), of("INSUFFICIENT_DATA")]).outcome, Outcome::Ok);
        assert_eq!(judge_alarms(&[of("OK"), of("ALARM")]).mend.as_deref(), Some("a-ALARM: why"));
    }
}
