//! A directory on a machine that is reached by SSH.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use super::{RemoteError, RemoteSettings, Scheme};
use crate::TemporaryFolder;
use crate::remote::Remote;
use crate::remote::sftp::{Sftp, SftpSettings};

pub(super) const SCHEME: Scheme = Scheme {
    names: &["ssh"],
    title: "SSH",
    options: &[
        "allow_agent",
        "ask_passphrase",
        "ask_password",
        "gss_auth",
        "keyfile",
        // One connection carries everything.
        "max_sessions",
        "passphrase",
        "password",
        "port",
        "timeout",
        // About links of a cache; objects here are always copies.
        "type",
        "user",
    ],
    open,
};

/// The variable for another program than `ssh`, one that takes the same arguments.
const PROGRAM: &str = "KETCH_SSH";

/// For a person to type a password.
const TYPING: Duration = Duration::from_mins(5);

/// Where `ssh` finds them, so that they stand in no list of processes.
const PASSWORD: &str = "KETCH_SSH_PASSWORD";
const PASSPHRASE: &str = "KETCH_SSH_PASSPHRASE";

/// Answers what `ssh` asks; nothing to the question whether a machine is to be trusted.
const ANSWERS: &str = r#"#!/bin/sh
case "$1" in
*assphrase*) [ -n "$KETCH_SSH_PASSPHRASE" ] && printf '%s\n' "$KETCH_SSH_PASSPHRASE" ;;
*assword*) [ -n "$KETCH_SSH_PASSWORD" ] && printf '%s\n' "$KETCH_SSH_PASSWORD" ;;
*) exit 1 ;;
esac
"#;

fn open(settings: &RemoteSettings) -> Result<Box<dyn Remote>, RemoteError> {
    let place = Place::of(settings)?;
    let flag = |key| settings.flag(key).map(|value| value == Some(true));
    let asks = flag("ask_password")? || flag("ask_passphrase")?;
    let secrets: Vec<(&str, String)> = [("password", PASSWORD), ("passphrase", PASSPHRASE)]
        .into_iter()
        .filter_map(|(key, variable)| Some((variable, settings.option(key)?.to_owned())))
        .collect();
    let minute = Duration::from_mins(1);
    let timeout = settings.seconds("timeout")?.unwrap_or(minute);
    let mut arguments = vec!["-x".to_owned(), "-T".to_owned()];
    let mut say = |option: &str| arguments.push(format!("-o{option}"));
    say("ForwardAgent=no");
    say("ClearAllForwardings=yes");
    say("PermitLocalCommand=no");
    say("RemoteCommand=none");
    say(&format!("ConnectTimeout={}", timeout.as_secs().max(1)));
    if secrets.is_empty() && !asks {
        // Never waits for somebody to type.
        say("BatchMode=yes");
    } else {
        say("NumberOfPasswordPrompts=1");
    }
    match settings.flag("gss_auth")? {
        Some(true) => say("GSSAPIAuthentication=yes"),
        Some(false) => say("GSSAPIAuthentication=no"),
        None => {}
    }
    if settings.flag("allow_agent")? == Some(false) {
        say("IdentityAgent=none");
    }
    if let Some(port) = &place.port {
        arguments.extend(["-p".to_owned(), port.clone()]);
    }
    if let Some(user) = &place.user {
        arguments.extend(["-l".to_owned(), user.clone()]);
    }
    if let Some(keyfile) = settings.option("keyfile") {
        let path = settings.environment.expand(keyfile);
        if fs_err::metadata(&path).is_err() {
            return Err(settings.invalid("keyfile", "a file that can be read"));
        }
        arguments.extend(["-i".to_owned(), path]);
    }
    arguments.extend(["-s", "--", &place.host, "sftp"].map(str::to_owned));
    let host = place.shown();
    let program = settings.environment.first(&[PROGRAM]).unwrap_or("ssh");
    let program = program.to_owned();
    Ok(Box::new(Sftp::new(SftpSettings {
        name: settings.name.clone(),
        host,
        root: place.path,
        patience: if asks { TYPING } else { timeout * 2 },
        idle: timeout,
        program: Box::new(move || {
            let mut command = Command::new(&program);
            command.args(&arguments);
            if secrets.is_empty() {
                return Ok((command, None));
            }
            let folder = TemporaryFolder::make()?;
            let script = folder.path().join("answer");
            fs_err::write(&script, ANSWERS)?;
            fs_err::set_permissions(&script, PermissionsExt::from_mode(0o700))?;
            command
                .env_remove(PASSWORD)
                .env_remove(PASSPHRASE)
                .envs(secrets.iter().map(|(name, value)| (name, value)))
                .env("SSH_ASKPASS", script)
                .env("SSH_ASKPASS_REQUIRE", "force");
            Ok::<_, io::Error>((command, Some(folder)))
        }),
    })))
}

/// Who, where, and on which port.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    user: Option<String>,
    host: String,
    port: Option<String>,
    /// With a `/` in front.
    path: String,
}

impl Place {
    fn of(settings: &RemoteSettings) -> Result<Self, RemoteError> {
        let invalid = || settings.invalid("url", "of the form ssh://[USER@]HOST[:PORT]/PATH");
        let (_, rest) = settings.url.split_once("://").ok_or_else(invalid)?;
        let (authority, path) = rest.split_once('/').ok_or_else(invalid)?;
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let (host, port) = match host.rsplit_once(':') {
            // An address of the sixth version has colons of its own, and brackets around.
            Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
            _ => (host, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_host = |ch: char| ch.is_alphanumeric() || matches!(ch, '.' | '-' | '_' | ':' | '%');
        if host.is_empty() || host.starts_with('-') || !host.chars().all(is_host) {
            return Err(invalid());
        }
        let user = settings.option("user").or(user);
        // It is put into commands of the user's own configuration.
        let is_user =
            |ch: char| ch.is_alphanumeric() || matches!(ch, '.' | '-' | '_' | '@' | '+' | '\\');
        if user.is_some_and(|user| !user.chars().all(is_user) || user.is_empty()) {
            return Err(
                settings.invalid("user", "a name: letters, digits, `.`, `-`, `_`, `+` or `@`")
            );
        }
        let port = settings.option("port").or(port);
        if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
            return Err(settings.invalid("port", "a number from 1 to 65535"));
        }
        Ok(Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port: port.map(str::to_owned),
            path: format!("/{path}"),
        })
    }

    /// As `ssh` takes it.
    fn shown(&self) -> String {
        let mut shown = match &self.port {
            Some(port) => format!("-p {port} "),
            None => String::new(),
        };
        if let Some(user) = &self.user {
            shown = format!("{shown}{user}@");
        }
        shown + &self.host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read() {
        let place = |url: &str| Place::of(&RemoteSettings::new("r", url));
        let full = place("ssh://me@host:2222/data/x").unwrap();
        assert_eq!(full.shown(), "-p 2222 me@host");
        assert_eq!(full.path, "/data/x");
        assert_eq!(place("ssh://host/").unwrap().shown(), "host");
        let sixth = place("ssh://[::1]:22/x").unwrap();
        assert_eq!(
            (sixth.host.as_str(), sixth.port.as_deref()),
            ("::1", Some("22"))
        );
        assert_eq!(place("ssh://[fe80::1%25]/x").unwrap().port, None);
        let options = RemoteSettings::new("r", "ssh://a@host:1/x")
            .with("user", "b")
            .with("port", "2");
        assert_eq!(Place::of(&options).unwrap().shown(), "-p 2 b@host");
    }

    #[test]
    fn a_place_that_would_be_an_option_or_a_command_is_refused() {
        for url in [
            "ssh://host",
            "ssh:///x",
            "ssh://-oProxyCommand=touch/x",
            "ssh://a b/x",
            "ssh://$(x)/x",
            "ssh://`x`@host/x",
            "ssh://@host/x",
            "ssh://a;b@host/x",
            "ssh://host:0/x",
            "ssh://host:70000/x",
            "ssh://host:x/x",
        ] {
            let error = open(&RemoteSettings::new("r", url)).unwrap_err();
            assert!(error.to_string().contains("is not"), "{url}: {error}");
        }
    }
}
