//! Subnet and zone of stacks and instances [STK-4] [INST-56]: one subnet is in one zone, and one given derives the other.

use crate::api::ApiConfig;
use crate::api::error::ApiError;

/// A subnet and its zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) subnet_id: String,
    pub(super) zone: String,
}

/// The members' names for messages: `DefaultSubnetId` of a stack, `SubnetId` of an instance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Members {
    pub(super) subnet: &'static str,
    pub(super) zone: &'static str,
}

/// Where something goes that names this subnet and this zone, either, or neither; `fallback` is the stack's default for instances.
///
/// Of a VPC that is not the default one nothing is known here, so a subnet other than the stack's own needs its zone named.
///
/// # Errors
/// ValidationException.
pub(super) fn place(
    config: &ApiConfig,
    vpc_id: &str,
    members: Members,
    (subnet, zone): (Option<&str>, Option<&str>),
    fallback: Option<Place>,
) -> Result<Place, ApiError> {
    let known: Vec<Place> = if vpc_id == config.vpc_id {
        config.subnets.iter().map(|s| Place { subnet_id: s.id.clone(), zone: s.zone.clone() }).collect()
    } else {
        fallback.iter().cloned().collect()
    };
    match (subnet, zone) {
        (Some(subnet), zone) => of_subnet(&known, vpc_id == config.vpc_id, members, subnet, zone),
        (None, Some(zone)) => fallback
            .into_iter()
            .chain(known)
            .find(|place| place.zone == zone)
            .ok_or_else(|| ApiError::field(members.zone, format!("there is no subnet of the VPC {vpc_id} in \"{zone}\""))),
        (None, None) => fallback
            .or_else(|| known.into_iter().next())
            .ok_or_else(|| ApiError::field(members.subnet, format!("is required for the VPC {vpc_id}"))),
    }
}

fn of_subnet(known: &[Place], is_complete: bool, members: Members, subnet: &str, zone: Option<&str>) -> Result<Place, ApiError> {
    match (known.iter().find(|place| place.subnet_id == subnet), zone) {
        (Some(place), Some(zone)) if place.zone != zone => {
            Err(ApiError::field(members.zone, format!("the subnet {subnet} is in {}, not in {zone}", place.zone)))
        }
        (Some(place), _) => Ok(place.clone()),
        (None, Some(zone)) if !is_complete => Ok(Place { subnet_id: subnet.to_owned(), zone: zone.to_owned() }),
        (None, None) if !is_complete => Err(ApiError::field(members.zone, format!("is required with the subnet {subnet}"))),
        (None, _) => Err(ApiError::field(members.subnet, format!("\"{subnet}\" is not a subnet of the stack's VPC"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Subnet;

    const INSTANCE: Members = Members { subnet: "SubnetId", zone: "AvailabilityZone" };

    /// [INST-56] [STK-4]
    #[test]
    fn inst_56_subnet_and_zone_derive_each_other_and_must_agree() {
        let subnet = |id: &str, zone: &str| Subnet { id: id.into(), zone: zone.into() };
        let config = ApiConfig {
            region: "r".into(),
            account: "1".into(),
            controllers_role_arn: String::new(),
            vpc_id: "vpc-default".into(),
            subnets: vec![subnet("s-a", "r-a"), subnet("s-b", "r-b")],
        };
        let found = |vpc: &str, given, fallback: Option<(&str, &str)>| {
            let fallback = fallback.map(|(s, z)| Place { subnet_id: s.into(), zone: z.into() });
            place(&config, vpc, INSTANCE, given, fallback).map(|p| p.subnet_id + "/" + &p.zone).map_err(|_| ())
        };
        for (vpc, given, fallback, expected) in [
            ("vpc-default", (None, None), None, Ok("s-a/r-a")),
            ("vpc-default", (None, None), Some(("s-b", "r-b")), Ok("s-b/r-b")),
            ("vpc-default", (Some("s-b"), None), None, Ok("s-b/r-b")),
            ("vpc-default", (None, Some("r-b")), Some(("s-a", "r-a")), Ok("s-b/r-b")),
            ("vpc-default", (Some("s-b"), Some("r-b")), None, Ok("s-b/r-b")),
            ("vpc-default", (Some("s-b"), Some("r-a")), None, Err(())),
            ("vpc-default", (Some("s-x"), None), None, Err(())),
            ("vpc-default", (None, Some("r-c")), None, Err(())),
            ("vpc-own", (None, None), None, Err(())),
            ("vpc-own", (None, None), Some(("o-a", "r-a")), Ok("o-a/r-a")),
            ("vpc-own", (Some("o-b"), Some("r-b")), Some(("o-a", "r-a")), Ok("o-b/r-b")),
            ("vpc-own", (Some("o-b"), None), Some(("o-a", "r-a")), Err(())),
        ] {
            assert_eq!(found(vpc, given, fallback).as_deref(), expected.as_deref(), "{vpc} {given:?} {fallback:?}");
        }
    }
}
