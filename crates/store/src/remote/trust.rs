//! Certificates: whom we trust, and how we show who we are.

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, parse_pem};

use super::{RemoteError, RemoteSettings};

/// Who a server must prove to be, and who proves to be the one that asks.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    pub(super) roots: RootCerts,
    pub(super) verify: bool,
    pub(super) client: Option<ClientCert>,
}

impl Trust {
    /// DVC's `ssl_verify` (true, false, or a file of certificates to trust), and `cert_path` with
    /// `key_path`, which may be one file. The files are in PEM.
    pub(crate) fn of(settings: &RemoteSettings) -> Result<Self, RemoteError> {
        // The machine's certificates: a company's own among them.
        let mut roots = RootCerts::PlatformVerifier;
        let verify = settings.flag("ssl_verify");
        if verify.is_err() {
            let found = certificates(settings, "ssl_verify")?;
            roots = RootCerts::new_with_certs(&found);
        }
        let mut client = None;
        if settings.option("cert_path").is_some() {
            let chain = certificates(settings, "cert_path")?;
            let key = match settings.option("key_path") {
                Some(_) => "key_path",
                None => "cert_path",
            };
            let key = private_key(settings, key)?;
            client = Some(ClientCert::new_with_certs(&chain, key));
        }
        Ok(Self {
            roots,
            verify: verify.ok().flatten().unwrap_or(true),
            client,
        })
    }
}

fn certificates(
    settings: &RemoteSettings,
    key: &'static str,
) -> Result<Vec<Certificate<'static>>, RemoteError> {
    let pem = pem(settings, key)?;
    let found: Result<Vec<_>, _> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
        .collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(settings.invalid(key, "a file of certificates in PEM")),
    }
}

fn private_key(
    settings: &RemoteSettings,
    key: &'static str,
) -> Result<PrivateKey<'static>, RemoteError> {
    PrivateKey::from_pem(&pem(settings, key)?)
        .map_err(|_| settings.invalid(key, "a file with a private key, not encrypted, in PEM"))
}

fn pem(settings: &RemoteSettings, key: &'static str) -> Result<Vec<u8>, RemoteError> {
    let path = settings.option(key).unwrap_or_default();
    fs_err::read(path).map_err(|source| RemoteError::OptionFile {
        remote: settings.name.clone(),
        key,
        source,
    })
}
