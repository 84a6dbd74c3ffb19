//! Seeded randomness in integers only, so that a seed gives the same run on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// A stream of its own for each `name`: what one part of the world draws never shifts what another draws.
pub fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    let hash = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(name.as_bytes()).finalize();
    ChaCha8Rng::from_seed(hash.into())
}

/// Uniform in `0..bound`, without modulo bias; 0 when `bound` is 0.
pub fn below(rng: &mut impl Rng, bound: u64) -> u64 {
    // Lemire's method: the high half of the product is the draw, the few low halves that would favour some draws are drawn again.
    let unfair = bound.wrapping_neg().checked_rem(bound).unwrap_or(0);
    loop {
        let product = u128::from(rng.next_u64()) * u128::from(bound);
        if product as u64 >= unfair {
            return (product >> 64) as u64;
        }
    }
}

/// Uniform in `low..=high`; `low` when `high` is not above it.
pub fn between(rng: &mut impl Rng, low: i64, high: i64) -> i64 {
    if high <= low {
        return low;
    }
    let steps = high.abs_diff(low);
    // Only the full range of i64 has no count of its own in u64; every draw is in it.
    let drawn = match steps.checked_add(1) {
        Some(count) => below(rng, count),
        None => rng.next_u64(),
    };
    low.wrapping_add_unsigned(drawn)
}

/// True in `per_mille` of 1,000 draws.
pub fn chance(rng: &mut impl Rng, per_mille: u32) -> bool {
    below(rng, 1_000) < u64::from(per_mille)
}

/// Milliseconds of a triangular distribution: from `low` to `high`, most often near `mode`; the three are put in order first.
///
/// The weighted smaller and greater of two uniform draws are triangular (Stein and Keblis, 2009), so no square root is needed.
pub fn triangular_ms(rng: &mut impl Rng, low: i64, mode: i64, high: i64) -> i64 {
    let high = high.max(low);
    let mode = mode.clamp(low, high);
    let (u, v) = (rng.next_u32(), rng.next_u32());
    let rise = i128::from(mode) - i128::from(low);
    let fall = i128::from(high) - i128::from(mode);
    let offset = (rise * i128::from(u.max(v)) + fall * i128::from(u.min(v))) / i128::from(u32::MAX);
    low.wrapping_add(offset as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_and_name_and_on_nothing_else() {
        assert_eq!(stream(7, "ec2").next_u64(), stream(7, "ec2").next_u64());
        assert_ne!(stream(7, "ec2").next_u64(), stream(8, "ec2").next_u64());
        assert_ne!(stream(7, "ec2").next_u64(), stream(7, "ecs").next_u64());
    }

    #[test]
    fn a_stream_is_the_same_on_every_machine() {
        let mut rng = stream(42, "pinned");
        let drawn: Vec<u64> = (0..3).map(|_| below(&mut rng, 1_000_000)).collect();
        assert_eq!(drawn, PINNED);
    }

    /// Worked out apart from this code: ChaCha8 under the SHA-256 of the seed and the name.
    const PINNED: [u64; 3] = [202_835, 198_384, 868_103];

    #[test]
    fn below_reaches_every_value_about_equally_often() {
        let mut rng = stream(1, "below");
        let mut seen = [0u32; 7];
        for _ in 0..70_000 {
            seen[below(&mut rng, 7) as usize] += 1;
        }
        assert!(seen.iter().all(|n| (9_600..=10_400).contains(n)), "{seen:?}");
        assert_eq!(below(&mut rng, 0), 0);
        assert_eq!(below(&mut rng, 1), 0);
    }

    #[test]
    fn between_includes_both_ends_and_nothing_beyond() {
        let mut rng = stream(1, "between");
        let drawn: Vec<i64> = (0..1_000).map(|_| between(&mut rng, -2, 2)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&-2), Some(&2)));
        assert_eq!(between(&mut rng, 5, 5), 5);
        assert_eq!(between(&mut rng, 5, 1), 5);
        let _whole_range_does_not_overflow = between(&mut rng, i64::MIN, i64::MAX);
    }

    #[test]
    fn chance_is_per_mille() {
        let mut rng = stream(1, "chance");
        let hits = (0..100_000).filter(|_| chance(&mut rng, 250)).count();
        assert!((24_300..=25_700).contains(&hits), "{hits}");
        assert!((0..1_000).all(|_| !chance(&mut rng, 0)));
        assert!((0..1_000).all(|_| chance(&mut rng, 1_000)));
    }

    #[test]
    fn triangular_stays_inside_and_has_the_mean_of_its_three_corners() {
        let mut rng = stream(1, "triangular");
        let drawn: Vec<i64> = (0..100_000).map(|_| triangular_ms(&mut rng, 1_000, 2_000, 9_000)).collect();
        assert!(drawn.iter().all(|ms| (1_000..=9_000).contains(ms)));
        let mean = drawn.iter().sum::<i64>() / 100_000;
        assert!((3_970..=4_030).contains(&mean), "{mean}");
        let below_mode = drawn.iter().filter(|ms| **ms < 2_000).count();
        assert!((12_000..=13_000).contains(&below_mode), "an eighth lies below the mode: {below_mode}");
        assert_eq!(triangular_ms(&mut rng, 3, 3, 3), 3);
    }
}
