//! Ids: of experiments, runs, Git commits and contents.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{TrackingError, shorten};

/// A rule that a text breaks, and what would be accepted.
pub(crate) struct Broken {
    pub(crate) reason: &'static str,
    pub(crate) advice: &'static str,
}

impl Broken {
    pub(crate) fn error(self, what: &'static str, value: &str) -> TrackingError {
        let Self { reason, advice } = self;
        TrackingError::Invalid {
            what,
            value: shorten(value),
            reason,
            advice,
        }
    }
}

/// A text type that can only hold what its check lets through, in memory, in JSON and in SQL.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(
            Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::error::TrackingError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                match $check(&text) {
                    Ok(()) => Ok(Self(text)),
                    Err(broken) => Err($crate::id::Broken::error(broken, $what, &text)),
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::error::TrackingError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl rusqlite::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        impl rusqlite::types::FromSql for $name {
            fn column_result(
                value: rusqlite::types::ValueRef<'_>,
            ) -> rusqlite::types::FromSqlResult<Self> {
                value.as_str()?.parse().map_err(rusqlite::types::FromSqlError::other)
            }
        }
    };
}
pub(crate) use checked_text;

checked_text! {
    /// A run: 32 lower-case hexadecimal digits, as MLflow's.
    RunId, "run id", check_run_id
}

checked_text! {
    /// A Git commit: 40 lower-case hexadecimal digits, or 64 in a SHA-256 repository.
    CommitId, "commit", check_commit
}

checked_text! {
    /// A content: the MD5 of a file as 32 lower-case hexadecimal digits, or with `.dir` appended
    /// that of a directory's manifest, as in DVC.
    Digest, "digest", check_digest
}

impl RunId {
    /// A new random id (UUID version 4, without dashes).
    pub fn random() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    /// The id of the run with this number, from a seed: two outputs of `SplitMix64` (Steele, Lea
    /// and Flood, 2014). For tests.
    pub(crate) fn seeded(seed: u64, number: u64) -> Self {
        let mixed = |place: u64| {
            let step = number.wrapping_mul(2).wrapping_add(place).wrapping_add(1);
            let mut state = seed.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            state ^ (state >> 31)
        };
        Self(format!("{:016x}{:016x}", mixed(0), mixed(1)))
    }
}

/// An experiment: a small number, `0` for the one called `Default`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExperimentId(u32);

impl ExperimentId {
    /// The id of the experiment called `Default`.
    pub const DEFAULT: Self = Self(0);
}

impl FromStr for ExperimentId {
    type Err = TrackingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text
            .parse()
            .ok()
            .filter(|number: &u32| number.to_string() == text);
        number.map(Self).ok_or_else(|| {
            Broken {
                reason: "it is not a plain number",
                advice: "give the number that the list of experiments shows",
            }
            .error("experiment id", text)
        })
    }
}

impl TryFrom<String> for ExperimentId {
    type Error = TrackingError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ExperimentId> for String {
    fn from(id: ExperimentId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for ExperimentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl rusqlite::ToSql for ExperimentId {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl rusqlite::types::FromSql for ExperimentId {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        u32::column_result(value).map(Self)
    }
}

fn check_run_id(text: &str) -> Result<(), Broken> {
    if is_hex(text, &[32]) {
        return Ok(());
    }
    Err(Broken {
        reason: "it is not 32 lower-case hexadecimal digits",
        advice: "give the whole run id as the list of runs shows it",
    })
}

fn check_commit(text: &str) -> Result<(), Broken> {
    if is_hex(text, &[40, 64]) {
        return Ok(());
    }
    Err(Broken {
        reason: "it is not 40 or 64 lower-case hexadecimal digits",
        advice: "give the full id that `git rev-parse` prints",
    })
}

fn check_digest(text: &str) -> Result<(), Broken> {
    if is_hex(text.strip_suffix(".dir").unwrap_or(text), &[32]) {
        return Ok(());
    }
    Err(Broken {
        reason: "it is not an MD5 in lower-case hexadecimal digits",
        advice: "give the 32 digits that the lock file shows, with `.dir` for a directory",
    })
}

fn is_hex(text: &str, lengths: &[usize]) -> bool {
    lengths.contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_take_only_their_own_form() {
        let hex = "0123456789abcdef0123456789abcdef";
        assert_eq!(hex.parse::<RunId>().unwrap().as_str(), hex);
        assert!(hex.to_uppercase().parse::<RunId>().is_err());
        assert!(hex[1..].parse::<RunId>().is_err());
        assert!("é".repeat(16).parse::<RunId>().is_err());
        assert!(format!("{hex}.dir").parse::<Digest>().is_ok());
        assert!(format!("{hex}.dir.dir").parse::<Digest>().is_err());
        assert!(format!("{hex}01234567").parse::<CommitId>().is_ok());
        assert!(format!("{hex}{hex}").parse::<CommitId>().is_ok());
        assert!(hex.parse::<CommitId>().is_err());
        assert!("HEAD".parse::<CommitId>().is_err());
    }

    #[test]
    fn experiment_ids_have_one_spelling() {
        assert_eq!("12".parse::<ExperimentId>().unwrap().to_string(), "12");
        for text in ["", "01", "+1", "-1", " 1", "1.0", "4294967296", "default"] {
            assert!(text.parse::<ExperimentId>().is_err(), "{text}");
        }
    }

    #[test]
    fn random_run_ids_are_run_ids() {
        let id = RunId::random();
        assert_eq!(id.as_str().parse::<RunId>().unwrap(), id);
        assert_ne!(id, RunId::random());
    }

    #[test]
    fn a_message_shows_a_short_printable_value() {
        let error = format!("a\u{1b}[31m{}", "x".repeat(10_000))
            .parse::<RunId>()
            .unwrap_err();
        let text = error.to_string();
        assert!(text.len() < 200 && !text.contains('\u{1b}'), "{text}");
        assert!(error.hint().is_some());
    }
}
