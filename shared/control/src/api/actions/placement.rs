//! Subnet and zone of stacks and instances [STK-4] [INST-56]: one subnet is in one zone, and one given derives the other.

use strata_domain::model::Stack;
use strata_ports::{SubnetView, VpcView};

use crate::api::error::ApiError;

/// A subnet and its zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) subnet_id: String,
    pub(super) zone: String,
}

impl Place {
    fn of(subnet: &SubnetView) -> Self {
        Self { subnet_id: subnet.id.clone(), zone: subnet.zone.clone() }
    }

    /// A stack's default place.
    pub(super) fn default_of(stack: &Stack) -> Option<Self> {
        let default = stack.default_subnet_id.clone().zip(stack.default_availability_zone.clone());
        default.map(|(subnet_id, zone)| Self { subnet_id, zone })
    }
}

/// The members' names for messages: `DefaultSubnetId` of a stack, `SubnetId` of an instance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Members {
    pub(super) subnet: &'static str,
    pub(super) zone: &'static str,
}

/// Where something goes that names this subnet and this zone, either, or neither; `fallback` is the stack's default for instances.
///
/// Only of the default VPC is there one subnet per zone to be derived; in any other the subnet is named, or it is the fallback's.
///
/// # Errors
/// ValidationException.
pub(super) fn place(
    vpc: &VpcView,
    members: Members,
    (subnet, zone): (Option<&str>, Option<&str>),
    fallback: Option<Place>,
) -> Result<Place, ApiError> {
    if let Some(subnet) = subnet {
        return of_subnet(vpc, members, subnet, zone);
    }
    let derived = vpc.subnets.iter().filter(|_| vpc.is_default).map(Place::of);
    let found = fallback.into_iter().chain(derived).find(|place| zone.is_none_or(|zone| place.zone == zone));
    found.ok_or_else(|| match (vpc.is_default, zone) {
        (true, Some(zone)) => ApiError::field(members.zone, format!("the VPC {} has no default subnet in \"{zone}\"", vpc.id)),
        (true, None) => ApiError::field(members.subnet, format!("the VPC {} has no subnets", vpc.id)),
        (false, _) => ApiError::field(members.subnet, format!("is required in the VPC {}, which is not the default one", vpc.id)),
    })
}

fn of_subnet(vpc: &VpcView, members: Members, subnet: &str, zone: Option<&str>) -> Result<Place, ApiError> {
    let foreign = || ApiError::field(members.subnet, format!("\"{subnet}\" is not a subnet of the stack's VPC {}", vpc.id));
    let found = vpc.subnets.iter().find(|known| known.id == subnet).ok_or_else(foreign)?;
    match zone {
        Some(zone) if zone != found.zone => {
            Err(ApiError::field(members.zone, format!("the subnet {subnet} is in {}, not in {zone}", found.zone)))
        }
        Some(_) | None => Ok(Place::of(found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTANCE: Members = Members { subnet: "SubnetId", zone: "AvailabilityZone" };

    /// [INST-56] [STK-4]
    #[test]
    fn inst_56_subnet_and_zone_derive_each_other_and_must_agree() {
        let subnet = |id: &str, zone: &str| SubnetView { id: id.into(), zone: zone.into() };
        let vpc = |is_default| VpcView {
            id: "vpc".into(),
            is_default,
            subnets: vec![subnet("s-a", "r-a"), subnet("s-b", "r-b"), subnet("s-b2", "r-b")],
        };
        let found = |is_default, given, fallback: Option<(&str, &str)>| {
            let fallback = fallback.map(|(s, z)| Place { subnet_id: s.into(), zone: z.into() });
            let place = place(&vpc(is_default), INSTANCE, given, fallback);
            place.map(|p| p.subnet_id + "/" + &p.zone).map_err(|e| e.to_string().split(':').next().unwrap().to_owned())
        };
        let (default, other) = (true, false);
        for (vpc, given, fallback, expected) in [
            (default, (None, None), None, Ok("s-a/r-a")),
            (default, (None, None), Some(("s-b", "r-b")), Ok("s-b/r-b")),
            (default, (Some("s-b"), None), None, Ok("s-b/r-b")),
            (default, (None, Some("r-b")), Some(("s-a", "r-a")), Ok("s-b/r-b")),
            (default, (None, Some("r-b")), Some(("s-b2", "r-b")), Ok("s-b2/r-b")),
            (default, (Some("s-b"), Some("r-b")), None, Ok("s-b/r-b")),
            (default, (Some("s-b"), Some("r-a")), None, Err("Availability Zone")),
            (default, (Some("s-x"), None), None, Err("Subnet Id")),
            (default, (None, Some("r-c")), None, Err("Availability Zone")),
            (other, (None, None), None, Err("Subnet Id")),
            (other, (None, Some("r-b")), None, Err("Subnet Id")),
            (other, (None, None), Some(("s-a", "r-a")), Ok("s-a/r-a")),
            (other, (None, Some("r-a")), Some(("s-a", "r-a")), Ok("s-a/r-a")),
            (other, (None, Some("r-b")), Some(("s-a", "r-a")), Err("Subnet Id")),
            (other, (Some("s-b2"), None), Some(("s-a", "r-a")), Ok("s-b2/r-b")),
            (other, (Some("s-b2"), Some("r-a")), Some(("s-a", "r-a")), Err("Availability Zone")),
        ] {
            assert_eq!(found(vpc, given, fallback), expected.map(str::to_owned).map_err(str::to_owned), "{given:?} {fallback:?}");
        }
    }
}
