//! Starts each packaged bootstrap once, as Lambda would, with an AWS on loopback in which there is nothing: `start-bootstraps NAME=PATH ...`
#![expect(clippy::print_stdout, reason = "it tells the person who packages what it did")]

use anyhow::{Context, bail};
use strata_local::canned_aws::CannedAws;
use strata_local::runtime_api::{Answer, run};

const TICK: &[u8] = include_bytes!("../../../events/schedule-tick.json");
const CALL: &[u8] = include_bytes!("../../../events/function-url-request.json");

fn main() -> anyhow::Result<()> {
    for argument in std::env::args().skip(1) {
        let (name, path) = argument.split_once('=').with_context(|| format!("{argument}: expected NAME=PATH"))?;
        start(name, path)?;
    }
    Ok(())
}

fn start(name: &str, path: &str) -> anyhow::Result<()> {
    let aws = CannedAws::empty()?;
    let variables = aws.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let event = if name == "api" { CALL } else { TICK };
    let done = run(path, &variables, &[event]).with_context(|| path.to_owned())?;
    match done.answers.as_slice() {
        [Answer::Response(_)] => println!("{name:<20} starts and answers; it made {} calls", aws.take().len()),
        other => bail!("{name} answered {other:?} and wrote {:?}", done.lines),
    }
    Ok(())
}
