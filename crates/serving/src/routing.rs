//! Which version answers a request.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::model::LoadedModel;

/// In which part a version answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// The version that serves by default.
    Champion,
    /// The candidate of a rollout in progress.
    Canary,
    /// A version that the request named; no evidence for a rollout.
    Pinned,
}

impl Variant {
    /// The word used in headers and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Champion => "champion",
            Self::Canary => "canary",
            Self::Pinned => "pinned",
        }
    }

    /// The variant of a word, if it is one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Champion, Self::Canary, Self::Pinned]
            .into_iter()
            .find(|variant| variant.name() == name)
    }
}

/// A candidate and its share of the traffic.
#[derive(Debug, Clone)]
pub struct Canary {
    /// The candidate.
    pub model: Arc<LoadedModel>,
    /// Percent of the requests, 0 to 100.
    pub weight: u8,
    /// The rollout's identifier; also the salt of the split, so that the same callers are not the
    /// guinea pigs of every release.
    pub rollout: String,
}

/// The intended state of an endpoint: a pure value that is published whole.
#[derive(Debug, Clone, Default)]
pub struct RoutingTable {
    /// The version that serves by default.
    pub champion: Option<Arc<LoadedModel>>,
    /// The candidate of a rollout in progress.
    pub canary: Option<Canary>,
    /// Every loaded version, for requests that name one.
    pub loaded: BTreeMap<u32, Arc<LoadedModel>>,
}

/// A version chosen for one request.
#[derive(Debug, Clone)]
pub struct Route {
    /// The version.
    pub model: Arc<LoadedModel>,
    /// Why this one.
    pub variant: Variant,
    /// The rollout in progress, for champion and canary alike.
    pub rollout: Option<String>,
}

impl RoutingTable {
    /// Chooses the version for a routing key. The choice depends only on the rollout and the key,
    /// and a growing weight only ever adds keys to the canary.
    pub fn route(&self, key: &str) -> Option<Route> {
        let champion = self.champion.as_ref()?;
        if let Some(canary) = &self.canary {
            let rollout = Some(canary.rollout.clone());
            return Some(
                if position(&canary.rollout, key) < f64::from(canary.weight) / 100.0 {
                    Route {
                        model: Arc::clone(&canary.model),
                        variant: Variant::Canary,
                        rollout,
                    }
                } else {
                    Route {
                        model: Arc::clone(champion),
                        variant: Variant::Champion,
                        rollout,
                    }
                },
            );
        }
        Some(Route {
            model: Arc::clone(champion),
            variant: Variant::Champion,
            rollout: None,
        })
    }

    /// The version that a request names.
    pub fn pinned(&self, version: u32) -> Option<Route> {
        self.loaded.get(&version).map(|model| Route {
            model: Arc::clone(model),
            variant: Variant::Pinned,
            rollout: None,
        })
    }
}

/// A place in `[0, 1)` for a key, the same on every machine and in every release: FNV-1a
/// (Fowler, Noll, Vo) over salt and key, then the finaliser of `SplitMix64` (Steele et al. 2014)
/// to spread neighbouring keys.
fn position(salt: &str, key: &str) -> f64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in salt.bytes().chain([0]).chain(key.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::position;

    #[test]
    fn the_split_is_even_and_independent_of_the_rollout() {
        let share = |salt: &str, below: f64| {
            (0..20_000)
                .filter(|day| position(salt, &format!("day-{day:05}")) < below)
                .count()
        };
        for salt in ["rollout-1", "rollout-2"] {
            let tenth = share(salt, 0.1);
            assert!(
                (1_800..2_200).contains(&tenth),
                "{tenth} of 20000 below a tenth"
            );
        }
        let both = (0..20_000)
            .map(|day| format!("day-{day:05}"))
            .filter(|key| position("rollout-1", key) < 0.1 && position("rollout-2", key) < 0.1)
            .count();
        assert!(
            (130..280).contains(&both),
            "{both} keys are in both canaries; 200 expected"
        );
    }

    #[test]
    fn the_place_of_a_key_never_changes() {
        // Pinned so that an upgrade in the middle of a rollout moves nobody.
        // The values are from the same formulas in Python 3.11.
        for (salt, key, place) in PINS {
            assert_eq!(format!("{:.6}", position(salt, key)), place, "{salt} {key}");
        }
    }

    const PINS: [(&str, &str, &str); 3] = [
        ("r", "day-03000", "0.049073"),
        ("rollout-1", "day-03000", "0.012435"),
        ("rollout-1", "é", "0.119413"),
    ];
}
