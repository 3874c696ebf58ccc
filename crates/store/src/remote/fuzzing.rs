//! Harnesses: what must hold of any text where a remote's settings should be.

pub use super::sftp::fuzzing::sftp;

use super::{RemoteSettings, open_remote, scheme};

/// Settings that nobody but the server may see.
const SECRETS: &[&str] = &[
    "password",
    "passphrase",
    "secret_access_key",
    "session_token",
    "account_key",
    "connection_string",
    "sas_token",
    "client_secret",
];

/// The URL of a remote, and its settings in the lines below it: `key = value`.
///
/// Nothing is asked of a server. Whatever is wrong is told without telling a secret.
pub fn remote_settings(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let url = lines.next().unwrap_or_default();
    if !url.contains("://") || url.starts_with("file:") {
        return;
    }
    let mut settings = RemoteSettings::new("r", url);
    let mut secrets = Vec::new();
    for (key, value) in lines.filter_map(|line| line.split_once(" = ")) {
        settings = settings.with(key, value);
        if SECRETS.contains(&key) && value.len() > 12 {
            secrets.push(value);
        }
    }
    let told = match open_remote(&settings) {
        Ok(remote) => format!("{remote:?}"),
        Err(error) => {
            let hint = error.hint().unwrap_or_default();
            format!("{error} {error:?} {hint}")
        }
    };
    for secret in secrets {
        assert!(!told.contains(secret), "{told} tells {secret}");
    }
}

/// Amazon's configuration file.
pub fn aws_config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for profile in [None, Some("default"), Some("work")] {
        let region = scheme::region_in(&text, profile);
        assert!(region.is_none_or(|region| text.contains(&region)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ketch_testkit::{run_within_limits, seeds, with_damage};

    #[test]
    fn the_seeds_are_what_they_are_called() {
        for (name, seed) in seeds("remote_settings") {
            let text = String::from_utf8(seed).unwrap();
            let (url, lines) = text.split_once('\n').unwrap();
            let pairs = lines.lines().map(|line| line.split_once(" = ").unwrap());
            let settings = pairs.fold(RemoteSettings::new("r", url), |settings, (key, value)| {
                settings.with(key, value)
            });
            open_remote(&settings).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        for (_, seed) in seeds("aws_config") {
            let text = String::from_utf8(seed).unwrap();
            assert!(scheme::region_in(&text, Some("work")).is_some());
        }
    }

    #[test]
    #[ignore = "started by the test below"]
    fn damage() {
        with_damage(&seeds("remote_settings"), 2000, remote_settings);
        with_damage(&seeds("aws_config"), 5000, aws_config);
    }

    #[test]
    fn damaged_settings_are_read_or_refused() {
        run_within_limits("remote::fuzzing::tests::damage");
    }
}
