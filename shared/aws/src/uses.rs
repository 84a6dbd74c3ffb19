//! Which IAM actions each port method needs: beside every adapter stands its table, its contract test holds it against the calls that were
//! seen, and the template's roles are held against the tables.

/// Under whose role a call goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The function's own.
    Function,
    /// The stack's service role.
    Stack,
}

/// What one port method needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uses {
    /// The method, for example `run_instance`.
    pub method: &'static str,
    /// Under whose role.
    pub role: Role,
    /// IAM actions, sorted, for example `ec2:RunInstances`: those that its calls are named after. Dependent rights (`ec2:CreateTags`,
    /// `iam:PassRole`) are listed in [`crate::uses::DEPENDENT`].
    pub actions: &'static [&'static str],
}

/// A right that AWS asks for besides the one that the call is named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependent {
    /// The action that is called.
    pub of: &'static str,
    /// What is asked for too.
    pub also: &'static str,
    /// Where AWS says so.
    pub source: &'static str,
}

/// Rights that no call is named after.
pub const DEPENDENT: &[Dependent] = &[
    Dependent {
        of: "s3:GetObject",
        also: "s3:ListBucket",
        source: "S3 API, \"GetObject\": without it an object that is not there is answered with AccessDenied instead of NoSuchKey",
    },
    Dependent {
        of: "ec2:AllocateAddress",
        also: "ec2:CreateTags",
        source: "EC2 User Guide, \"Grant permission to tag Amazon EC2 resources during creation\"",
    },
    Dependent {
        of: "ec2:CreateVolume",
        also: "ec2:CreateTags",
        source: "EC2 User Guide, \"Grant permission to tag Amazon EC2 resources during creation\"",
    },
    Dependent {
        of: "ec2:RunInstances",
        also: "ec2:CreateTags",
        source: "EC2 User Guide, \"Grant permission to tag Amazon EC2 resources during creation\"",
    },
    Dependent {
        of: "ec2:CreateSecurityGroup",
        also: "ec2:CreateTags",
        source: "EC2 User Guide, \"Grant permission to tag Amazon EC2 resources during creation\"",
    },
    Dependent {
        of: "ec2:CreateLaunchTemplate",
        also: "ec2:CreateTags",
        source: "EC2 User Guide, \"Grant permission to tag Amazon EC2 resources during creation\"",
    },
    Dependent {
        of: "ec2:RunInstances",
        also: "iam:PassRole",
        source: "IAM User Guide, \"Grant a user permissions to pass a role to an AWS service\": a launch with an instance profile passes its role",
    },
];
