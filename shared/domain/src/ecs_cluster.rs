//! The ECS Cluster layer's own rules: what a stack, an instance and a cluster must be for it.

use crate::ClusterArn;
use crate::model::LayerType;
use crate::operating_systems::{self, OperatingSystem};

/// Why something does not fit an ECS Cluster layer. The text is the ValidationException's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EcsClusterError {
    /// [ECS-10]
    #[error("Configuration Manager: an ECS Cluster layer needs Chef 11.10 or 12, not {0}")]
    Chef(String),
    /// [ECS-10]
    #[error("Vpc Id: an ECS Cluster layer needs a stack in a VPC")]
    NoVpc,
    /// [ECS-11, 12]
    #[error("Os: \"{os}\" is not supported in an ECS Cluster layer of a Chef {chef} stack")]
    Os {
        /// What was asked for.
        os: String,
        /// The stack's Chef version.
        chef: String,
    },
    /// [ECS-14]
    #[error("Os: the stack's default \"{0}\" is not supported in an ECS Cluster layer, so name a supported Os explicitly")]
    DefaultOs(String),
    /// [ECS-13]
    #[error("Agent Version: \"{0}\" is older than {MINIMUM_AGENT_VERSION}, the first one for ECS Cluster layers")]
    AgentTooOld(String),
    /// [ECS-13]
    #[error("Agent Version: \"{0}\" is not of the form <build>-<yyyymmddhhmmss>")]
    AgentForm(String),
    /// [ECS-20]
    #[error("Attributes: EcsClusterArn must name the cluster that is registered with the stack")]
    OtherCluster,
    /// [ECS-20]
    #[error("Attributes: EcsClusterArn is required for a layer of type ecs-cluster")]
    NoClusterNamed,
    /// [ECS-20]
    #[error("Attributes: no ECS cluster is registered with the stack; call RegisterEcsCluster first")]
    NoneRegistered,
    /// [ECS-21]
    #[error("Type: There is already an ECS Cluster layer in this stack")]
    SecondLayer,
    /// [ECS-22]
    #[error("Ecs Cluster Arn: the stack already has the cluster {0}; a stack takes one cluster")]
    StackHasCluster(ClusterArn),
    /// [ECS-22]
    #[error("Ecs Cluster Arn: the cluster {0} is registered with another stack")]
    ClusterTaken(ClusterArn),
    /// [ECS-60]
    #[error("Custom Security Group Ids: at least one is needed, since the stack does not use the built-in security groups")]
    NoSecurityGroup,
    /// [ECS-62]
    #[error("Ami Id: \"{0}\" is an ECS-optimized AMI, whose ECS agent clashes with the one that Setup installs")]
    EcsOptimized(String),
    /// [ECS-68]
    #[error("Layer Ids: an instance can be in only one built-in layer; add custom layers beside it")]
    TwoBuiltInLayers,
    /// [ECS-94]
    #[error("The layer's ECS cluster is deregistered, so its instances cannot be started")]
    Deregistered,
    /// [ECS-95]
    #[error("Ecs Cluster Arn: the layer still has {0} instances; delete, unassign or deregister them first")]
    HasMembers(usize),
    /// [ECS-103]
    #[error("Ecs Cluster Arn: \"{0}\" is not of the form arn:<partition>:ecs:<region>:<account>:cluster/<name>")]
    ArnForm(String),
    /// [ECS-103]
    #[error("Ecs Cluster Arn: the cluster is in {cluster}, the stack in {stack}")]
    OtherRegion {
        /// The cluster's region.
        cluster: String,
        /// The stack's region.
        stack: String,
    },
}

/// The first agent version that works with ECS Cluster layers [ECS-13].
pub const MINIMUM_AGENT_VERSION: &str = "3425-20150727112318";

/// Whether a stack may have an ECS Cluster layer [ECS-10]; Linux is given, since no stack here is a Windows one.
///
/// # Errors
/// [`EcsClusterError::Chef`] or [`EcsClusterError::NoVpc`].
pub fn check_stack(chef_version: &str, vpc_id: &str) -> Result<(), EcsClusterError> {
    if !matches!(chef_version, "12" | "11.10") {
        return Err(EcsClusterError::Chef(chef_version.to_owned()));
    }
    if vpc_id.is_empty() { Err(EcsClusterError::NoVpc) } else { Ok(()) }
}

/// Whether a member may have this Os in a stack of this Chef version [ECS-11, 12].
pub fn supports_os(os: &str, chef_version: &str) -> bool {
    let is_there = |os: &OperatingSystem| os.in_ecs_layers && if chef_version == "12" { os.chef_12 } else { os.chef_11 };
    operating_systems::by_name(os).is_some_and(is_there)
}

/// The Os of a new member: the one named, or the stack's default [ECS-11, 12, 14].
///
/// # Errors
/// [`EcsClusterError::Os`] for a named one, [`EcsClusterError::DefaultOs`] for an inherited one that is not supported.
pub fn member_os<'a>(named: Option<&'a str>, stack_default: &'a str, chef_version: &str) -> Result<&'a str, EcsClusterError> {
    let os = named.unwrap_or(stack_default);
    match (supports_os(os, chef_version), named) {
        (true, _) => Ok(os),
        (false, Some(_)) => Err(EcsClusterError::Os { os: os.to_owned(), chef: chef_version.to_owned() }),
        (false, None) => Err(EcsClusterError::DefaultOs(os.to_owned())),
    }
}

/// Reads `<build>-<yyyymmddhhmmss>` as two numbers; `None` for any other form.
pub fn parse_agent_version(text: &str) -> Option<(u64, u64)> {
    let (build, time) = text.split_once('-')?;
    let digits = |t: &str| !t.is_empty() && t.len() <= 14 && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(build) || !digits(time) || time.len() != 14 {
        return None;
    }
    Some((build.parse().ok()?, time.parse().ok()?))
}

/// Whether an agent version will do for a member: build first, then time, as numbers [ECS-13]. `INHERIT` and `LATEST` pass.
///
/// # Errors
/// [`EcsClusterError::AgentForm`] or [`EcsClusterError::AgentTooOld`].
pub fn check_agent_version(version: &str) -> Result<(), EcsClusterError> {
    if matches!(version, "INHERIT" | "LATEST") {
        return Ok(());
    }
    let found = parse_agent_version(version).ok_or_else(|| EcsClusterError::AgentForm(version.to_owned()))?;
    if Some(found) < parse_agent_version(MINIMUM_AGENT_VERSION) {
        return Err(EcsClusterError::AgentTooOld(version.to_owned()));
    }
    Ok(())
}

/// The cluster of a new layer: the one that its attribute names, if it is the stack's registered one [ECS-20].
///
/// # Errors
/// [`EcsClusterError::NoClusterNamed`], [`EcsClusterError::NoneRegistered`] or [`EcsClusterError::OtherCluster`].
pub fn layer_cluster<'a>(named: Option<&str>, registered: Option<&'a ClusterArn>) -> Result<&'a ClusterArn, EcsClusterError> {
    let named = named.ok_or(EcsClusterError::NoClusterNamed)?;
    let registered = registered.ok_or(EcsClusterError::NoneRegistered)?;
    if registered.as_str() == named { Ok(registered) } else { Err(EcsClusterError::OtherCluster) }
}

/// Whether a layer has the security group that it needs [ECS-60].
///
/// # Errors
/// [`EcsClusterError::NoSecurityGroup`].
pub fn check_security_groups(use_opsworks_security_groups: bool, custom: &[String]) -> Result<(), EcsClusterError> {
    if use_opsworks_security_groups || !custom.is_empty() { Ok(()) } else { Err(EcsClusterError::NoSecurityGroup) }
}

/// Whether an image is an ECS-optimized one of Amazon's [ECS-62]; a private copy cannot be recognised.
///
/// # Errors
/// [`EcsClusterError::EcsOptimized`].
pub fn check_image(owner_alias: Option<&str>, name: &str) -> Result<(), EcsClusterError> {
    let is_optimized = (name.starts_with("amzn-ami-") && name.ends_with("-amazon-ecs-optimized"))
        || ["amzn2-ami-ecs-", "al2023-ami-ecs-", "bottlerocket-aws-ecs-"].iter().any(|prefix| name.starts_with(prefix));
    if owner_alias == Some("amazon") && is_optimized { Err(EcsClusterError::EcsOptimized(name.to_owned())) } else { Ok(()) }
}

/// Whether an instance may be in all these layers at once: at most one built-in one, any number of custom ones [ECS-68].
///
/// # Errors
/// [`EcsClusterError::TwoBuiltInLayers`].
pub fn check_layer_types(types: impl IntoIterator<Item = LayerType>) -> Result<(), EcsClusterError> {
    let built_in = types.into_iter().filter(|t| *t != LayerType::Custom).count();
    if built_in > 1 { Err(EcsClusterError::TwoBuiltInLayers) } else { Ok(()) }
}

/// Whether members of a layer may be started: an ECS Cluster layer needs its cluster [ECS-94].
///
/// # Errors
/// [`EcsClusterError::Deregistered`].
pub fn check_start(layer_type: LayerType, cluster: Option<&ClusterArn>) -> Result<(), EcsClusterError> {
    match (layer_type, cluster) {
        (LayerType::EcsCluster, None) => Err(EcsClusterError::Deregistered),
        (LayerType::EcsCluster, Some(_)) | (LayerType::Custom, _) => Ok(()),
    }
}

/// Whether a cluster may be deregistered: only when its layer, if there is one, has no members [ECS-95].
///
/// # Errors
/// [`EcsClusterError::HasMembers`].
pub fn check_deregister(members: usize) -> Result<(), EcsClusterError> {
    if members == 0 { Ok(()) } else { Err(EcsClusterError::HasMembers(members)) }
}

/// The region of an ECS cluster's ARN [ECS-103].
///
/// # Errors
/// [`EcsClusterError::ArnForm`].
pub fn region_of(arn: &str) -> Result<&str, EcsClusterError> {
    let bad = || EcsClusterError::ArnForm(arn.to_owned());
    let mut parts = arn.splitn(6, ':');
    let mut next = || parts.next().ok_or_else(bad);
    let (prefix, partition, service, region, account, resource) = (next()?, next()?, next()?, next()?, next()?, next()?);
    let name = resource.strip_prefix("cluster/").ok_or_else(bad)?;
    let is_name = (1..=255).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    if prefix != "arn" || service != "ecs" || partition.is_empty() || region.is_empty() || !is_account || !is_name {
        return Err(bad());
    }
    Ok(region)
}

/// Whether a cluster is in the stack's region [ECS-103].
///
/// # Errors
/// [`EcsClusterError::OtherRegion`].
pub fn check_region(cluster: &str, stack: &str) -> Result<(), EcsClusterError> {
    if cluster == stack {
        Ok(())
    } else {
        Err(EcsClusterError::OtherRegion { cluster: cluster.to_owned(), stack: stack.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [ECS-10]
    #[test]
    fn ecs_10_chef_11_10_or_12_in_a_vpc() {
        assert_eq!(check_stack("12", "vpc-1"), Ok(()));
        assert_eq!(check_stack("11.10", "vpc-1"), Ok(()));
        assert!(matches!(check_stack("11.4", "vpc-1"), Err(EcsClusterError::Chef(_))));
        assert_eq!(check_stack("12", ""), Err(EcsClusterError::NoVpc));
    }

    /// [ECS-11] [ECS-12]
    #[test]
    fn ecs_11_the_operating_systems_by_chef_version() {
        for (os, chef_12, chef_11) in [
            ("Amazon Linux 2", true, false),
            ("Amazon Linux 2018.03", true, true),
            ("Amazon Linux 2015.03", true, true),
            ("Ubuntu 18.04 LTS", true, false),
            ("Ubuntu 16.04 LTS", true, false),
            ("Ubuntu 14.04 LTS", true, true),
            ("Custom", true, true),
            ("CentOS Linux 7", false, false),
            ("Red Hat Enterprise Linux 7", false, false),
            ("Ubuntu 12.04 LTS", false, false),
            ("Amazon Linux 2014.09", false, false),
            ("Amazon Linux", false, false),
            ("Microsoft Windows Server 2019 Base", false, false),
        ] {
            assert_eq!(supports_os(os, "12"), chef_12, "{os} on 12");
            assert_eq!(supports_os(os, "11.10"), chef_11, "{os} on 11.10");
        }
    }

    /// [ECS-14]
    #[test]
    fn ecs_14_an_unsupported_default_must_be_overridden() {
        assert_eq!(member_os(Some("Ubuntu 14.04 LTS"), "CentOS Linux 7", "12"), Ok("Ubuntu 14.04 LTS"));
        assert_eq!(member_os(None, "CentOS Linux 7", "12"), Err(EcsClusterError::DefaultOs("CentOS Linux 7".into())));
        assert_eq!(member_os(None, "Amazon Linux 2", "12"), Ok("Amazon Linux 2"));
        assert!(matches!(member_os(Some("CentOS Linux 7"), "Amazon Linux 2", "12"), Err(EcsClusterError::Os { .. })));
    }

    /// [ECS-13]
    #[test]
    fn ecs_13_agent_versions_compare_as_numbers() {
        for passes in
            ["INHERIT", "LATEST", "3425-20150727112318", "3425-20150727112319", "4004-20151201152533", "10000-20150101000000"]
        {
            assert_eq!(check_agent_version(passes), Ok(()), "{passes}");
        }
        for old in ["3425-20150727112317", "345-20160101000000", "999-20990101000000"] {
            assert_eq!(check_agent_version(old), Err(EcsClusterError::AgentTooOld(old.into())), "{old}");
        }
        for form in ["4004", "4004-2015", "x-20151201152533", "4004-2015120115253x", ""] {
            assert_eq!(check_agent_version(form), Err(EcsClusterError::AgentForm(form.into())), "{form}");
        }
    }

    /// [ECS-20]
    #[test]
    fn ecs_20_the_layer_names_the_registered_cluster() {
        let arn = ClusterArn::from("arn:aws:ecs:eu-west-1:123456789012:cluster/a");
        assert_eq!(layer_cluster(Some(arn.as_str()), Some(&arn)), Ok(&arn));
        assert_eq!(layer_cluster(Some("arn:other"), Some(&arn)), Err(EcsClusterError::OtherCluster));
        assert_eq!(layer_cluster(Some(arn.as_str()), None), Err(EcsClusterError::NoneRegistered));
        assert_eq!(layer_cluster(None, Some(&arn)), Err(EcsClusterError::NoClusterNamed));
    }

    /// [ECS-60]
    #[test]
    fn ecs_60_without_built_in_groups_a_custom_one_is_needed() {
        assert_eq!(check_security_groups(true, &[]), Ok(()));
        assert_eq!(check_security_groups(false, &["sg-1".into()]), Ok(()));
        assert_eq!(check_security_groups(false, &[]), Err(EcsClusterError::NoSecurityGroup));
    }

    /// [ECS-62]
    #[test]
    fn ecs_62_amazons_ecs_optimized_images_are_refused_by_name() {
        for name in [
            "amzn-ami-2018.03.a-amazon-ecs-optimized",
            "amzn2-ami-ecs-hvm-2.0",
            "al2023-ami-ecs-hvm-x",
            "bottlerocket-aws-ecs-2-x",
        ] {
            assert!(check_image(Some("amazon"), name).is_err(), "{name}");
            assert!(check_image(None, name).is_ok(), "{name}");
        }
        assert!(check_image(Some("amazon"), "al2023-ami-2023.5").is_ok());
    }

    /// [ECS-68]
    #[test]
    fn ecs_68_one_built_in_layer_and_any_number_of_custom_ones() {
        use LayerType::*;
        assert_eq!(check_layer_types([EcsCluster, Custom, Custom]), Ok(()));
        assert_eq!(check_layer_types([Custom, Custom]), Ok(()));
        assert_eq!(check_layer_types([EcsCluster, Custom, EcsCluster]), Err(EcsClusterError::TwoBuiltInLayers));
    }

    /// [ECS-94]
    #[test]
    fn ecs_94_no_start_without_the_cluster() {
        let arn = ClusterArn::from("arn");
        assert_eq!(check_start(LayerType::EcsCluster, Some(&arn)), Ok(()));
        assert_eq!(check_start(LayerType::EcsCluster, None), Err(EcsClusterError::Deregistered));
        assert_eq!(check_start(LayerType::Custom, None), Ok(()));
    }

    /// [ECS-95]
    #[test]
    fn ecs_95_no_deregistration_over_members() {
        assert_eq!(check_deregister(0), Ok(()));
        assert_eq!(check_deregister(1), Err(EcsClusterError::HasMembers(1)));
    }

    /// [ECS-103], the ARN's shape and region.
    #[test]
    fn ecs_103_the_arn_has_a_shape_and_the_stacks_region() {
        assert_eq!(region_of("arn:aws:ecs:eu-west-1:123456789012:cluster/my-cluster_1"), Ok("eu-west-1"));
        assert_eq!(region_of("arn:aws-cn:ecs:cn-north-1:123456789012:cluster/a"), Ok("cn-north-1"));
        for bad in [
            "cluster/a",
            "arn:aws:ec2:eu-west-1:123456789012:cluster/a",
            "arn:aws:ecs:eu-west-1:12345678901:cluster/a",
            "arn:aws:ecs:eu-west-1:123456789012:service/a",
            "arn:aws:ecs:eu-west-1:123456789012:cluster/",
            "arn:aws:ecs::123456789012:cluster/a",
            "arn:aws:ecs:eu-west-1:123456789012:cluster/a b",
            "",
        ] {
            assert_eq!(region_of(bad), Err(EcsClusterError::ArnForm(bad.into())), "{bad}");
        }
        assert_eq!(check_region("eu-west-1", "eu-west-1"), Ok(()));
        assert!(matches!(check_region("eu-west-1", "us-east-1"), Err(EcsClusterError::OtherRegion { .. })));
    }
}
