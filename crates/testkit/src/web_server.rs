//! nginx: a web server that takes uploads, some of them, or none.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use crate::peer;

/// nginx on a port and in a directory of its own, gone when this is dropped.
///
/// `/open` takes files by `PUT`; `/locked` does too, from the user `me` with the password `s3cret`;
/// `/fixed` takes none; `/form` says yes to every `POST` and keeps nothing.
#[derive(Debug)]
pub struct WebServer {
    child: Child,
    directory: tempfile::TempDir,
    port: u16,
}

impl WebServer {
    /// Starts it; nothing if nginx is not among the peers.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    pub fn start() -> Option<Self> {
        let program = peer("nginx/nginx")?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = Utf8Path::from_path(directory.path())
            .expect("a path in UTF-8")
            .to_owned();
        for folder in ["open", "locked", "fixed", "temporary"] {
            fs_err::create_dir(root.join(folder)).expect("a folder");
        }
        fs_err::write(root.join("passwords"), "me:{PLAIN}s3cret\n").expect("passwords");
        // Taken by the server a moment later.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let config = root.join("nginx.conf");
        fs_err::write(&config, configuration(&root, port)).expect("a configuration");
        let log = root.join("log");
        let child = Command::new(program)
            .args(["-e", log.as_str(), "-c", config.as_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx");
        let server = Self {
            child,
            directory,
            port,
        };
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(server);
            }
            sleep(Duration::from_millis(100));
        }
        panic!(
            "no nginx: {}",
            fs_err::read_to_string(log).unwrap_or_default()
        );
    }

    /// The address of a folder.
    pub fn url(&self, folder: &str) -> String {
        format!("http://127.0.0.1:{}/{folder}", self.port)
    }

    /// Where that folder is on the disk.
    ///
    /// # Panics
    ///
    /// Where the machine's temporary directory is not UTF-8.
    pub fn folder(&self, folder: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.directory.path())
            .expect("a path in UTF-8")
            .join(folder)
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(root: &Utf8Path, port: u16) -> String {
    // A root's server works as somebody else, who could not write here.
    let user = match fs_err::metadata(root) {
        Ok(own) if own.uid() == 0 => "user root;",
        _ => "",
    };
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {root}/temporary/{kind};"))
        .join("\n");
    let taking = "dav_methods PUT DELETE; create_full_put_path on;";
    format!(
        "{user}
daemon off;
# One process: it can be killed with nothing left of it.
master_process off;
pid {root}/pid;
error_log {root}/log;
events {{}}
http {{
{temporary}
access_log off;
client_max_body_size 64m;
root {root};
server {{
listen 127.0.0.1:{port};
location /open/ {{ {taking} }}
location /locked/ {{ auth_basic yes; auth_basic_user_file {root}/passwords; {taking} }}
location /fixed/ {{ }}
location /form/ {{ if ($request_method = POST) {{ return 200; }} return 404; }}
}}
}}
"
    )
}
