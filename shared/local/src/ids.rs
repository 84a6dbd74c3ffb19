//! Fresh ids: seeded for the simulation, random for real use.

use std::sync::{Mutex, PoisonError};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use strata_ports::Ids;
pub use strata_ports::machine::RandomIds;

use crate::rng;

/// Uuids from a seed; streams of different names are independent of each other.
#[derive(Debug)]
pub struct SeededIds {
    rng: Mutex<ChaCha8Rng>,
}

impl SeededIds {
    /// The stream `name` of `seed`. Two of the same seed and name give the same ids: make one and share it.
    pub fn new(seed: u64, name: &str) -> Self {
        Self { rng: Mutex::new(rng::stream(seed, &format!("ids/{name}"))) }
    }
}

impl Ids for SeededIds {
    fn uuid(&self) -> String {
        let mut bytes = [0; 16];
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [IDN-1]
    #[test]
    fn idn_1_ids_are_lower_case_v4_uuids_with_hyphens() {
        for id in [SeededIds::new(1, "api").uuid(), RandomIds.uuid()] {
            let parsed = uuid::Uuid::parse_str(&id).unwrap();
            assert_eq!(parsed.get_version_num(), 4);
            assert_eq!(parsed.get_variant(), uuid::Variant::RFC4122);
            assert_eq!(id, parsed.hyphenated().to_string(), "lower case, with hyphens");
        }
    }

    #[test]
    fn the_same_seed_and_name_give_the_same_ids_and_no_other_does() {
        let draw = |seed, name: &str| {
            let ids = SeededIds::new(seed, name);
            (0..3).map(|_| ids.uuid()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, "api"), draw(1, "api"));
        assert_ne!(draw(1, "api"), draw(2, "api"));
        assert_ne!(draw(1, "api"), draw(1, "ec2"));
        let drawn = draw(1, "api");
        assert!(drawn[0] != drawn[1] && drawn[1] != drawn[2]);
        assert_ne!(RandomIds.uuid(), RandomIds.uuid());
    }
}
