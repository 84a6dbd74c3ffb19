//! The operating systems by name: what OpsWorks knew, and what is ours beside it [ECS-11] [ECS-121].

/// One Os string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatingSystem {
    /// As Os and DefaultOs take it.
    pub name: &'static str,
    /// Stacks of Chef 12 have it.
    pub chef_12: bool,
    /// Stacks of Chef 11.10 have it.
    pub chef_11: bool,
    /// An ECS Cluster layer takes it [ECS-11, 12].
    pub in_ecs_layers: bool,
    /// OpsWorks did not know it.
    pub is_ours: bool,
    /// Its maker still supports it; `Custom` is for whoever made the image to say, so it counts as supported.
    pub is_supported: bool,
}

const fn known(name: &'static str, chef_12: bool, chef_11: bool, in_ecs_layers: bool) -> OperatingSystem {
    OperatingSystem { name, chef_12, chef_11, in_ecs_layers, is_ours: false, is_supported: false }
}

const fn ours(name: &'static str) -> OperatingSystem {
    OperatingSystem { name, chef_12: true, chef_11: true, in_ecs_layers: true, is_ours: true, is_supported: true }
}

/// All of them. Our choice: ours go with either Chef version, since no Chef runs any more.
pub const ALL: [OperatingSystem; 22] = [
    known("Amazon Linux 2", true, false, true),
    known("Amazon Linux 2018.03", true, true, true),
    known("Amazon Linux 2017.09", true, true, true),
    known("Amazon Linux 2017.03", true, true, true),
    known("Amazon Linux 2016.09", true, true, true),
    known("Amazon Linux 2016.03", true, true, true),
    known("Amazon Linux 2015.09", true, true, true),
    known("Amazon Linux 2015.03", true, true, true),
    known("Amazon Linux 2014.09", false, true, false),
    known("Amazon Linux 2014.03", false, true, false),
    known("Amazon Linux", true, true, false),
    known("Ubuntu 20.04 LTS", true, false, false),
    known("Ubuntu 18.04 LTS", true, false, true),
    known("Ubuntu 16.04 LTS", true, false, true),
    known("Ubuntu 14.04 LTS", true, true, true),
    known("Ubuntu 12.04 LTS", false, true, false),
    known("CentOS Linux 7", true, false, false),
    known("Red Hat Enterprise Linux 7", true, true, false),
    OperatingSystem { is_supported: true, ..known("Custom", true, true, true) },
    ours("Amazon Linux 2023"),
    ours("Ubuntu 22.04 LTS"),
    ours("Ubuntu 24.04 LTS"),
];

/// One by its name.
pub fn by_name(name: &str) -> Option<&'static OperatingSystem> {
    ALL.iter().find(|os| os.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [ECS-121]
    #[test]
    fn ecs_121_what_opsworks_named_is_past_its_support_and_three_are_ours() {
        let ours: Vec<&str> = ALL.iter().filter(|os| os.is_ours).map(|os| os.name).collect();
        assert_eq!(ours, ["Amazon Linux 2023", "Ubuntu 22.04 LTS", "Ubuntu 24.04 LTS"]);
        for os in ALL {
            assert_eq!(os.is_supported, os.is_ours || os.name == "Custom", "{}", os.name);
            assert_eq!(by_name(os.name), Some(&os), "each name once");
        }
        assert_eq!(by_name("Microsoft Windows Server 2019 Base"), None);
    }
}
