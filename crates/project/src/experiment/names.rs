//! Names for experiments that were given none: an adjective and a noun, easy to say and to type.

const ADJECTIVES: &[&str] = &[
    "amber", "bold", "brave", "brisk", "calm", "clear", "coral", "crisp", "deep", "dusty", "early",
    "fair", "fleet", "fond", "free", "fresh", "frosty", "gentle", "glad", "golden", "grand",
    "green", "happy", "humble", "ivory", "jolly", "keen", "kind", "late", "light", "lively",
    "lucky", "lunar", "mellow", "merry", "mild", "misty", "neat", "nimble", "noble", "olive",
    "patient", "plain", "polar", "proud", "quick", "quiet", "rapid", "rosy", "round", "royal",
    "rustic", "shy", "silver", "smooth", "snowy", "solar", "spry", "steady", "still", "sunny",
    "swift", "tidy", "vivid", "warm", "wise",
];

const NOUNS: &[&str] = &[
    "acorn", "anchor", "aspen", "badger", "bay", "beacon", "birch", "brook", "canyon", "cedar",
    "cliff", "cloud", "comet", "coral", "crane", "delta", "dune", "eagle", "elm", "falcon", "fern",
    "finch", "fjord", "forest", "fox", "glade", "grove", "harbor", "hare", "hawk", "heron", "hill",
    "island", "lagoon", "lake", "larch", "lark", "maple", "marten", "meadow", "moss", "oak",
    "otter", "owl", "pebble", "pine", "plover", "pond", "quail", "raven", "reef", "ridge", "river",
    "robin", "sparrow", "spruce", "star", "stone", "summit", "thicket", "tide", "trout", "valley",
    "walnut", "willow", "wren",
];

/// Names in an order that the seed decides, the first few thousand of them different; numbers are
/// added in the end, so that there is always another.
pub(super) fn names(seed: u64) -> impl Iterator<Item = String> {
    let pairs = (ADJECTIVES.len() * NOUNS.len()) as u64;
    // A step that shares no factor with the number of pairs visits every pair once.
    let step = (pairs * 5 / 8..pairs)
        .find(|step| greatest_common_divisor(*step, pairs) == 1)
        .unwrap_or(1);
    let first = seed % pairs;
    (0_u64..).filter_map(move |turn| {
        let pair = usize::try_from((first + turn % pairs * step) % pairs).ok()?;
        let adjective = ADJECTIVES.get(pair / NOUNS.len())?;
        let noun = NOUNS.get(pair % NOUNS.len())?;
        Some(match turn / pairs {
            0 => format!("{adjective}-{noun}"),
            round => format!("{adjective}-{noun}-{}", round + 1),
        })
    })
}

fn greatest_common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 {
        one
    } else {
        greatest_common_divisor(other, one % other)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_pair_comes_once_before_numbers_do() {
        let pairs = ADJECTIVES.len() * NOUNS.len();
        let found: HashSet<String> = names(u64::MAX).take(pairs + 10).collect();
        assert_eq!(found.len(), pairs + 10);
        assert_eq!(found.iter().filter(|name| name.ends_with("-2")).count(), 10);
    }

    #[test]
    fn words_are_listed_once() {
        for words in [ADJECTIVES, NOUNS] {
            assert_eq!(words.iter().collect::<HashSet<_>>().len(), words.len());
        }
    }
}
