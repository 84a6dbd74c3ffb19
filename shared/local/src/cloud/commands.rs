//! The Commands port.

use async_trait::async_trait;
use strata_domain::{Ec2InstanceId, SsmCommandId};
use strata_ports::{CloudError, CommandRequest, CommandResult, Commands, Ping, StackScope};

use super::{Latency, SimCloud};

/// Results of one page of ListCommandInvocations and DescribeInstanceInformation.
const PER_PAGE: usize = 50;

#[async_trait]
impl Commands for SimCloud {
    async fn send(&self, _scope: &StackScope, request: &CommandRequest) -> Result<SsmCommandId, CloudError> {
        self.call(Latency::Write, |s| s.send_command(request)).await
    }

    async fn results(&self, _scope: &StackScope, ids: &[SsmCommandId]) -> Result<Vec<CommandResult>, CloudError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.call(Latency::Read, |s| {
            s.admit("ssm:ListCommandInvocations", ids.len().div_ceil(PER_PAGE))?;
            Ok(s.command_results(ids))
        })
        .await
    }

    async fn pings(&self, _scope: &StackScope, hosts: &[Ec2InstanceId]) -> Result<Vec<Ping>, CloudError> {
        if hosts.is_empty() {
            return Ok(Vec::new());
        }
        self.call(Latency::Read, |s| {
            s.admit("ssm:DescribeInstanceInformation", hosts.len().div_ceil(PER_PAGE))?;
            let ping_ms = s.config.ssm.ping_ms;
            let ping = |id: &Ec2InstanceId| {
                let host = s.ec2.hosts.get(s.ec2.by_id.get(id)?)?;
                Some(Ping { host: id.clone(), last_ping: host.last_ping(s.now, ping_ms)? })
            };
            Ok(hosts.iter().filter_map(ping).collect())
        })
        .await
    }
}
