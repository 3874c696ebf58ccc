//! A stand-in for Azure Blob Storage that keeps versions, which `Azurite` does not.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::peer::peer;
use crate::seaweed::ask;

/// The account that everybody's `Azurite` has, and this server too.
const AZURE_ACCOUNT: &str = "devstoreaccount1";
/// Its key.
pub const AZURE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// Instead of a signature: the server knows it and does not look into it.
const AZURE_SAS: &str = "sv=2022-11-02&ss=b&srt=sco&sp=rwdlac&sig=c2lnbmVk%3D";

/// What it does is in `azure_versions.py`: signatures are checked; containers whose names begin with
/// `ver` keep versions, those with `plain` none. Gone when this is dropped.
#[derive(Debug)]
pub struct AzureVersions {
    child: Child,
    port: u16,
}

impl AzureVersions {
    /// A server that answers. Nothing where Python is missing.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start() -> Option<Self> {
        let python = peer("python/bin/python")?;
        let mut child = Command::new(python)
            .args(["-c", include_str!("azure_versions.py")])
            .args([AZURE_ACCOUNT, AZURE_KEY, AZURE_SAS])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("python");
        let stdout = child.stdout.take().expect("its output");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("its port");
        let port = line.trim().parse().expect("its port");
        Some(Self { child, port })
    }

    /// `http://HOST:PORT/ACCOUNT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{AZURE_ACCOUNT}", self.port)
    }

    /// How to reach it, as Azure's portal would show it, with this key.
    pub fn connection_string(&self, key: &str) -> String {
        let endpoint = self.endpoint();
        format!(
            "DefaultEndpointsProtocol=http;AccountName={AZURE_ACCOUNT};AccountKey={key};BlobEndpoint={endpoint}"
        )
    }

    /// The same with a shared access signature.
    pub fn signature_string(&self) -> String {
        let endpoint = self.endpoint();
        format!("BlobEndpoint={endpoint};SharedAccessSignature={AZURE_SAS}")
    }

    /// Writes a blob, as somebody else would.
    ///
    /// # Panics
    ///
    /// When the server does not want to.
    pub fn put(&self, container: &str, name: &str, body: &str) {
        let line = format!("POST /-/{container}/{name}");
        assert_eq!(ask(self.port, &line, body), Some(201), "{name}");
    }
}

impl Drop for AzureVersions {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
