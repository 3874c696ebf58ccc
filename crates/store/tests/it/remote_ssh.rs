//! Against OpenSSH's server: a real one on a port of its own, and its SFTP part by itself where the
//! line between has to break.

use std::process::Command;

use camino::Utf8PathBuf;
use ketch_dvc::ObjectId;
use ketch_store::remote::{
    ConnectionTrouble, Remote, RemoteEnvironment, RemoteError, RemoteSettings, download,
    open_remote, upload,
};
use ketch_store::{Silent, StoreError, hash_bytes};
use ketch_testkit::peer;

use crate::Sandbox;
use crate::remote::{OPTIONS, bytes, conformance, removal, round_trip};
use crate::remote_clouds::{Running, free_port};

/// A server that lets one key in, and a client that knows the server and nothing of the machine's.
struct Server {
    /// Gone first.
    running: Running,
    sandbox: Sandbox,
    port: u16,
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn script(sandbox: &Sandbox, name: &str, text: &str) -> Utf8PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = sandbox.write(name, format!("#!/bin/sh\n{text}\n"));
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn with_program(settings: RemoteSettings, program: &Utf8PathBuf) -> RemoteSettings {
    let variable = ("KETCH_SSH".to_owned(), program.to_string());
    settings.with_environment(RemoteEnvironment::from_iter([variable]))
}

impl Server {
    fn start() -> Option<Self> {
        let program = peer("ssh/sshd")?;
        let sandbox = Sandbox::new();
        let root = &sandbox.root;
        let key = |name: &str, passphrase: &str| {
            let path = root.join(name);
            let words = ["-q", "-t", "ed25519", "-N", passphrase, "-f"];
            run("ssh-keygen", &[&words[..], &[path.as_str()]].concat());
            fs_err::read_to_string(root.join(format!("{name}.pub"))).unwrap()
        };
        let host = key("host_key", "");
        let allowed = [key("key", ""), key("locked", "open sesame")].concat();
        key("stranger", "");
        sandbox.write("authorized_keys", allowed);
        let port = free_port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {root}/host_key\n\
             AuthorizedKeysFile {root}/authorized_keys\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\n\
             Subsystem sftp internal-sftp\n"
        );
        let config = sandbox.write("sshd_config", config);
        sandbox.write("known_hosts", format!("[127.0.0.1]:{port} {host}"));
        sandbox.write(
            "ssh_config",
            format!("UserKnownHostsFile {root}/known_hosts\nGlobalKnownHostsFile none\nIdentitiesOnly yes\nIdentityAgent none\n"),
        );
        sandbox.write("no_identity", "");
        script(
            &sandbox,
            "ssh",
            &format!("exec ssh -F {root}/ssh_config \"$@\""),
        );
        // As root it locks its other half in there.
        let _ = fs_err::create_dir_all("/run/sshd");
        let mut command = Command::new(program);
        command.args(["-D", "-e", "-f", config.as_str()]);
        let running = Running::start(&mut command, &sandbox);
        let server = Self {
            running,
            sandbox,
            port,
        };
        let remote = open_remote(&server.settings("key")).unwrap();
        server
            .running
            .wait_until("SSH", || remote.size("x").is_ok());
        Some(server)
    }

    fn settings(&self, key: &str) -> RemoteSettings {
        let user = run("id", &["-un"]);
        let url = format!(
            "ssh://{user}@127.0.0.1:{}{}/store",
            self.port, self.sandbox.root
        );
        let settings = RemoteSettings::new("far", url)
            .with("keyfile", self.sandbox.root.join(key).as_str())
            .with("timeout", "20");
        with_program(settings, &self.sandbox.root.join("ssh"))
    }
}

/// Why there is no connection, and what is said to do.
fn refused(settings: &RemoteSettings) -> (ConnectionTrouble, String) {
    let error = open_remote(settings).unwrap().size("x").unwrap_err();
    let RemoteError::Connection { trouble, words, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(!words.is_empty(), "{error:?}");
    (*trouble, error.hint().unwrap())
}

#[test]
fn ssh_keeps_the_contract() {
    let Some(server) = Server::start() else {
        return;
    };
    let remote = open_remote(&server.settings("key")).unwrap();
    conformance(&*remote);
    removal(&*remote);
    round_trip(&*remote, 400);
    let object = hash_bytes(b"").cache_path();
    assert_eq!(server.sandbox.read(&format!("store/{object}")), "");

    // A key that is locked, and what opens it.
    let locked = server.settings("locked");
    let opened = locked.clone().with("passphrase", "open sesame");
    assert_eq!(open_remote(&opened).unwrap().size("x").unwrap(), None);
    for settings in [
        locked.clone().with("passphrase", "wrong"),
        locked,
        server.settings("stranger"),
    ] {
        let (trouble, hint) = refused(&settings);
        assert_eq!(trouble, ConnectionTrouble::LoginRefused, "{settings:?}");
        assert!(
            hint.contains("keyfile") && hint.contains("`ssh -p"),
            "{hint}"
        );
    }
    open_remote(&server.settings("nowhere")).unwrap_err();

    // Whom to trust is not ours to say, whether or not there is a secret to answer with.
    let known = server.sandbox.read("known_hosts");
    fs_err::remove_file(server.sandbox.root.join("known_hosts")).unwrap();
    for settings in [server.settings("key"), opened] {
        let (trouble, hint) = refused(&settings);
        assert_eq!(trouble, ConnectionTrouble::HostKeyUnknown);
        assert!(hint.contains("accept"), "{hint}");
        assert!(!server.sandbox.root.join("known_hosts").exists());
    }
    let other = server.sandbox.read("stranger.pub");
    let (name, _) = known.split_once(' ').unwrap();
    server
        .sandbox
        .write("known_hosts", format!("{name} {other}"));
    let (trouble, _) = refused(&server.settings("key"));
    assert_eq!(trouble, ConnectionTrouble::HostKeyChanged);

    // Nobody there; nothing to start.
    let elsewhere = server
        .settings("key")
        .with("port", &free_port().to_string());
    let error = open_remote(&elsewhere).unwrap().size("x").unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert!(error.to_string().contains("refused"), "{error}");
    let nothing = with_program(server.settings("key"), &"/nowhere/ssh".into());
    assert_eq!(refused(&nothing).0, ConnectionTrouble::NoProgram);
}

/// Lets in who knows the password; says its port.
const PASSWORD_SERVER: &str = r#"
import asyncio, asyncssh, sys
class Server(asyncssh.SSHServer):
    def password_auth_supported(self): return True
    def validate_password(self, username, password): return (username, password) == ("me", "s3cret ' word")
async def main():
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.create_server(Server, "127.0.0.1", 0, server_host_keys=[key], sftp_factory=True)
    port = server.get_port()
    print(f"[127.0.0.1]:{port} " + key.export_public_key().decode(), file=open("known_hosts", "w"))
    print(port, file=open("port", "w"), flush=True)
    await server.wait_closed()
asyncio.run(main())
"#;

#[test]
fn a_password_is_told_to_who_asks_for_it() {
    // DVC brings the library along that this server is made of.
    let Some(python) = peer("dvc/bin/python") else {
        return;
    };
    let sandbox = Sandbox::new();
    let root = &sandbox.root;
    let mut command = Command::new(python);
    command.args(["-c", PASSWORD_SERVER]).current_dir(root);
    let running = Running::start(&mut command, &sandbox);
    running.wait_until("server", || {
        root.join("port").exists() && !sandbox.read("port").is_empty()
    });
    let port = sandbox.read("port");
    sandbox.write(
        "ssh_config",
        format!("UserKnownHostsFile {root}/known_hosts\nGlobalKnownHostsFile none\nIdentityFile none\nIdentityAgent none\n"),
    );
    let program = script(
        &sandbox,
        "ssh",
        &format!("exec ssh -F {root}/ssh_config \"$@\""),
    );
    let url = format!("ssh://me@127.0.0.1:{}{root}/store", port.trim());
    let settings = |password: &str| {
        let settings = RemoteSettings::new("far", &url).with("password", password);
        with_program(settings.with("timeout", "30"), &program)
    };
    let remote = open_remote(&settings("s3cret ' word")).unwrap();
    // Another server than OpenSSH's.
    conformance(&*remote);
    let (trouble, _) = refused(&settings("wrong"));
    assert_eq!(trouble, ConnectionTrouble::LoginRefused);
    let shown = format!("{:?}", settings("wrong"));
    assert!(!shown.contains("wrong"), "{shown}");
}

/// A remote whose line is the shell's: `SERVER` stands for OpenSSH's SFTP server, `TRY` for the
/// number of the connection. `timeout` is in seconds.
pub(crate) fn broken_line(sandbox: &Sandbox, text: &str, timeout: &str) -> Option<Box<dyn Remote>> {
    let server = peer("ssh/sftp-server")?;
    let counter = sandbox.write("connections", "");
    // The shell must not hold the line open for longer than what is in it.
    let text = text
        .replace("CUT", "exec 3<&0; SERVER <&3 |")
        .replace("END", "exec >&-; wait")
        .replace("SERVER", server.as_str());
    let text = format!("echo >>{counter}; TRY=$(wc -l <{counter})\n{text}");
    let program = script(sandbox, "line", &text);
    let url = format!("ssh://nobody.invalid{}/store", sandbox.root);
    let settings = RemoteSettings::new("far", url).with("timeout", timeout);
    Some(open_remote(&with_program(settings, &program)).unwrap())
}

fn connections(sandbox: &Sandbox) -> usize {
    sandbox.read("connections").lines().count()
}

#[test]
fn a_part_of_a_file_is_all_that_comes() {
    let sandbox = Sandbox::new();
    let content = bytes(20 << 20);
    sandbox.write("store/large", &content);
    let text = format!("SERVER | tee {}/received", sandbox.root);
    let Some(remote) = broken_line(&sandbox, &text, "30") else {
        return;
    };
    let (offset, length) = (17 << 20, 100_000);
    let mut found = Vec::new();
    let size = remote.read_range("large", offset as u64, length as u64, &mut found);
    assert_eq!(size.unwrap(), length as u64);
    assert!(found == content[offset..offset + length]);
    drop(remote);
    let received = sandbox.root.join("received").metadata().unwrap().len();
    assert!(received < 2 * length as u64, "{received}");
}

/// What a cache says after fetching one object over such a line; whether it is there.
fn fetch(text: &str) -> Option<(Result<usize, StoreError>, bool, usize)> {
    let sandbox = Sandbox::new();
    let content = [&b"zzzz"[..], &bytes(100_000)].concat();
    let id: ObjectId = hash_bytes(&content);
    sandbox.write(&format!("store/{}", id.cache_path()), &content);
    // A line that hangs should not hold up the test; one that does not is waited for.
    let timeout = if text.contains("sleep") { "1.5" } else { "30" };
    let remote = broken_line(&sandbox, text, timeout)?;
    let wanted = std::slice::from_ref(&id);
    let result = download(&sandbox.cache, &*remote, wanted, OPTIONS, &Silent);
    let path = sandbox.cache.object_path(&id);
    if path.exists() {
        sandbox.cache.verify(&id).unwrap();
    } else if let Ok(mut folder) = fs_err::read_dir(path.parent().unwrap()) {
        assert!(folder.next().is_none(), "{text}: something is left");
    }
    let result = result.map(|report| report.objects);
    Some((result, path.exists(), connections(&sandbox)))
}

#[test]
fn a_line_that_breaks_is_made_again() {
    for text in [
        "[ $TRY -gt 1 ] && exec SERVER; CUT dd bs=1 count=50000 & END",
        "[ $TRY -gt 1 ] && exec SERVER; CUT dd bs=1 count=300 & END",
        "[ $TRY -gt 1 ] && exec SERVER; SERVER | { dd bs=1 count=50000; exec sleep 20; }",
        "[ $TRY -gt 1 ] && exec SERVER; exit 255",
        "[ $TRY -gt 1 ] && exec SERVER; exec sleep 20",
        "[ $TRY -gt 2 ] && exec SERVER; CUT dd bs=1 count=50000 & END",
    ] {
        let Some((result, there, _)) = fetch(text) else {
            return;
        };
        assert_eq!(result.unwrap(), 1, "{text}");
        assert!(there, "{text}");
    }
}

#[test]
fn what_a_line_gets_wrong_is_never_kept() {
    for (text, what, lines) in [
        ("CUT dd bs=1 count=50000 & END", "broke", 3..=3),
        (
            "SERVER | { dd bs=1 count=50000; exec sleep 20; }",
            "in time",
            3..=3,
        ),
        ("exec sleep 20", "in time", 3..=3),
        (
            "echo Connection refused >&2; exit 255",
            "Connection refused",
            3..=3,
        ),
        // Not asked a second time.
        (
            "echo Welcome to this machine; exec SERVER",
            "not SFTP",
            1..=1,
        ),
        (
            "echo 'me@h: Permission denied (publickey).' >&2; exit 255",
            "Permission denied",
            1..=1,
        ),
        // The bytes are others than they were: the hash tells.
        ("SERVER | stdbuf -o0 tr z y", "damaged", 1..=1),
    ] {
        let Some((result, there, made)) = fetch(text) else {
            return;
        };
        let error = result.unwrap_err();
        let mut words = error.to_string();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        while let Some(next) = cause {
            words = format!("{words}: {next}");
            cause = next.source();
        }
        assert!(words.contains(what), "{text}: {words}");
        assert!(error.hint().is_some(), "{text}: {words}");
        assert!(!there, "{text}");
        assert!(lines.contains(&made), "{text}: {made} connections");
    }
}

#[test]
fn an_upload_that_is_cut_off_leaves_no_object() {
    let sandbox = Sandbox::new();
    let content = bytes(3 << 20);
    let id = sandbox.cache.add_bytes(&content).unwrap();
    // What is sent is cut off; on the third line nothing is.
    let text = "[ $TRY -gt 2 ] && exec SERVER; dd bs=1 count=200000 | SERVER";
    let Some(remote) = broken_line(&sandbox, text, "30") else {
        return;
    };
    let wanted = std::slice::from_ref(&id);
    let once = ketch_store::remote::TransferOptions {
        retry: ketch_store::remote::Retry {
            attempts: 1,
            ..OPTIONS.retry
        },
        ..OPTIONS
    };
    let error = upload(&sandbox.cache, &*remote, wanted, once, &Silent).unwrap_err();
    assert!(error.hint().is_some(), "{error}");
    let object = sandbox.root.join("store").join(id.cache_path());
    assert!(!object.exists());
    let report = upload(&sandbox.cache, &*remote, wanted, OPTIONS, &Silent).unwrap();
    assert_eq!(report.objects, 1);
    assert!(fs_err::read(&object).unwrap() == content);
    // What is half done is nobody's object.
    let mut listed = Vec::new();
    remote
        .list("files", &mut |key, _| listed.push(key.to_owned()))
        .unwrap();
    assert_eq!(listed, [id.cache_path()]);
}
