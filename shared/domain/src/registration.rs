//! Registered instances: which EC2 instance may be registered [REG-6], and which may join an ECS Cluster layer [ECS-67].

use serde::{Deserialize, Serialize};

/// An operating system as its host reports it: `Instance.ReportedOs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedOs {
    /// `amazon`, `debian` or `rhel`.
    pub family: String,
    /// `amazon`, `ubuntu`, `centos` or `redhat`.
    pub name: String,
    /// As the host gives it: `2023`, `22.04`, ...
    pub version: String,
}

impl ReportedOs {
    /// Reads a platform's name and version as the SSM agent gives them; `None` for what is no Linux that OpsWorks knew.
    pub fn of_platform(name: &str, version: &str) -> Option<Self> {
        let (family, short) = [
            ("Amazon Linux", "amazon", "amazon"),
            ("Ubuntu", "debian", "ubuntu"),
            ("CentOS", "rhel", "centos"),
            ("Red Hat Enterprise Linux", "rhel", "redhat"),
        ]
        .into_iter()
        .find(|(begin, ..)| name.starts_with(begin))
        .map(|(_, family, short)| (family, short))?;
        Some(Self { family: family.to_owned(), name: short.to_owned(), version: version.to_owned() })
    }

    /// Whether its version is this one or a later one, part by part.
    fn is_at_least(&self, wanted: [u32; 2]) -> bool {
        let mut parts = self.version.split('.').map(|part| part.parse::<u32>().ok());
        match (parts.next().flatten(), parts.next()) {
            (Some(major), None) => [major, 0] >= wanted,
            (Some(major), Some(Some(minor))) => [major, minor] >= wanted,
            (None, _) | (Some(_), Some(None)) => false,
        }
    }
}

/// An EC2 instance, as far as its registration asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// `i-...`.
    pub id: &'a str,
    /// EC2 runs it.
    pub is_running: bool,
    /// EC2's word for its state.
    pub state: &'a str,
    /// Its VPC.
    pub vpc_id: &'a str,
    /// `x86_64`, `i386`, `arm64`.
    pub architecture: &'a str,
    /// A Spot instance.
    pub is_spot: bool,
    /// Its Auto Scaling group.
    pub auto_scaling_group: Option<&'a str>,
    /// The value of its tag `strata:installation`.
    pub installation: Option<&'a str>,
    /// What its SSM agent reports; `None` if that has never called.
    pub platform: Option<(&'a str, &'a str)>,
}

/// Why an instance is not registered or assigned. The text is the ValidationException's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// [REG-6]
    #[error("Instance Identity: the EC2 instance must be running, it is {0}")]
    NotRunning(String),
    /// [REG-6]
    #[error("Instance Identity: the EC2 instance is in the VPC {found}, the stack in {stack}")]
    OtherVpc {
        /// The machine's.
        found: String,
        /// The stack's.
        stack: String,
    },
    /// [REG-6]
    #[error("Instance Identity: the architecture {0} is not supported; use x86_64 or i386")]
    Architecture(String),
    /// [REG-6]
    #[error("Instance Identity: a Spot instance cannot be registered")]
    Spot,
    /// [REG-6]
    #[error("Instance Identity: an instance of the Auto Scaling group \"{0}\" cannot be registered; detach it first")]
    AutoScaling(String),
    /// Our roles' rights end at machines without the tag.
    #[error(
        "Instance Identity: the EC2 instance {host} has not the tag strata:installation={installation}, by which its owner lets Strata command, reboot and stop it; run aws ec2 create-tags --resources {host} --tags Key=strata:installation,Value={installation} and register it again"
    )]
    Untagged {
        /// `i-...`.
        host: String,
        /// The installation's name.
        installation: String,
    },
    /// [REG-6]
    #[error(
        "Instance Identity: the operating system is not known, since the SSM agent of the EC2 instance has not called; start the agent, give the instance a profile that lets it call Systems Manager, and try again"
    )]
    Unheard,
    /// [REG-6]
    #[error(
        "Instance Identity: the operating system {0} is not supported; use Amazon Linux, Ubuntu, CentOS or Red Hat Enterprise Linux"
    )]
    Platform(String),
    /// [ECS-67]
    #[error(
        "Layer Ids: an ECS Cluster layer takes Amazon Linux from 2015.03 and Ubuntu LTS from 14.04, and the instance reports {0}"
    )]
    EcsOs(String),
    /// [ECS-67]
    #[error("Layer Ids: an on-premises instance cannot be a container instance of an ECS Cluster layer; use a custom layer")]
    EcsOnPremises,
}

/// Whether an EC2 instance may be registered with a stack in this VPC [REG-6], and what it runs. The region is its identity document's to
/// say. Of the types only the architecture is judged. `installation`: the name that its tag must give, where our rights depend on it.
///
/// # Errors
/// The first reason against it.
pub fn check_candidate(
    host: &Candidate<'_>,
    stack_vpc: &str,
    installation: Option<&str>,
) -> Result<ReportedOs, RegistrationError> {
    if !host.is_running {
        return Err(RegistrationError::NotRunning(host.state.to_owned()));
    }
    if host.vpc_id != stack_vpc {
        return Err(RegistrationError::OtherVpc { found: host.vpc_id.to_owned(), stack: stack_vpc.to_owned() });
    }
    if !matches!(host.architecture, "x86_64" | "i386") {
        return Err(RegistrationError::Architecture(host.architecture.to_owned()));
    }
    if host.is_spot {
        return Err(RegistrationError::Spot);
    }
    if let Some(group) = host.auto_scaling_group {
        return Err(RegistrationError::AutoScaling(group.to_owned()));
    }
    if let Some(installation) = installation.filter(|name| host.installation != Some(name)) {
        return Err(RegistrationError::Untagged { host: host.id.to_owned(), installation: installation.to_owned() });
    }
    let (name, version) = host.platform.ok_or(RegistrationError::Unheard)?;
    ReportedOs::of_platform(name, version).ok_or_else(|| RegistrationError::Platform(format!("{name} {version}")))
}

/// Whether a registered EC2 instance may join an ECS Cluster layer, by what it reports; its Os shows `Custom` [ECS-67].
///
/// # Errors
/// [`RegistrationError::EcsOs`].
pub fn check_ecs_os(reported: &ReportedOs) -> Result<(), RegistrationError> {
    let is_supported = match reported.name.as_str() {
        // `2` is Amazon Linux 2, which came after the dated releases.
        "amazon" => reported.version == "2" || reported.is_at_least([2015, 3]),
        "ubuntu" => reported.is_at_least([14, 4]),
        _ => false,
    };
    if is_supported { Ok(()) } else { Err(RegistrationError::EcsOs(format!("{} {}", reported.name, reported.version))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate() -> Candidate<'static> {
        Candidate {
            id: "i-1",
            is_running: true,
            state: "running",
            vpc_id: "vpc-1",
            architecture: "x86_64",
            is_spot: false,
            auto_scaling_group: None,
            installation: None,
            platform: Some(("Amazon Linux", "2023")),
        }
    }

    /// [REG-6]
    #[test]
    fn reg_6_what_an_ec2_instance_must_be_to_be_registered() {
        let check = |host: Candidate<'_>| check_candidate(&host, "vpc-1", None);
        assert_eq!(check(candidate()).unwrap().name, "amazon");
        assert!(check(Candidate { architecture: "i386", ..candidate() }).is_ok());
        use RegistrationError as E;
        for (host, expected) in [
            (Candidate { is_running: false, state: "stopped", ..candidate() }, E::NotRunning("stopped".into())),
            (Candidate { vpc_id: "vpc-2", ..candidate() }, E::OtherVpc { found: "vpc-2".into(), stack: "vpc-1".into() }),
            (Candidate { architecture: "arm64", ..candidate() }, E::Architecture("arm64".into())),
            (Candidate { is_spot: true, ..candidate() }, E::Spot),
            (Candidate { auto_scaling_group: Some("asg"), ..candidate() }, E::AutoScaling("asg".into())),
            (Candidate { platform: None, ..candidate() }, E::Unheard),
            (Candidate { platform: Some(("Windows", "2019")), ..candidate() }, E::Platform("Windows 2019".into())),
        ] {
            assert_eq!(check(host), Err(expected));
        }
    }

    #[test]
    fn a_machine_that_its_owner_has_not_tagged_is_not_registered_where_rights_depend_on_the_tag() {
        let check = |installation, wanted| check_candidate(&Candidate { installation, ..candidate() }, "vpc-1", wanted);
        assert!(check(None, None).is_ok() && check(Some("strata"), Some("strata")).is_ok());
        for other in [None, Some("other"), Some("")] {
            let told = check(other, Some("strata")).unwrap_err().to_string();
            assert!(told.contains("create-tags --resources i-1 --tags Key=strata:installation,Value=strata"), "{told}");
        }
    }

    /// [ECS-67]
    #[test]
    fn ecs_67_amazon_linux_from_2015_03_and_ubuntu_from_14_04() {
        for (name, version, is_fine) in [
            ("Amazon Linux AMI", "2014.09", false),
            ("Amazon Linux AMI", "2015.03", true),
            ("Amazon Linux AMI", "2018.03", true),
            ("Amazon Linux", "2", true),
            ("Amazon Linux", "2023", true),
            ("Amazon Linux", "1", false),
            ("Amazon Linux", "rolling", false),
            ("Ubuntu", "12.04", false),
            ("Ubuntu", "14.04", true),
            ("Ubuntu", "24.04", true),
            ("CentOS Linux", "7.9.2009", false),
            ("Red Hat Enterprise Linux Server", "7.9", false),
        ] {
            let reported = ReportedOs::of_platform(name, version).unwrap();
            assert_eq!(check_ecs_os(&reported).is_ok(), is_fine, "{name} {version}");
        }
        assert_eq!(ReportedOs::of_platform("SLES", "15"), None);
    }
}
