//! Google Cloud Storage.

use opendal::services::Gcs;
use reqsign_core::ProvideCredentialChain;
use reqsign_google::{DefaultCredentialProvider, FileCredentialProvider};

use super::{RemoteError, RemoteSettings, Scheme, split};
use crate::remote::Remote;
use crate::remote::object_service::{GenerationTransport, ObjectService, Timeouts};

pub(super) const SCHEME: Scheme = Scheme {
    names: &["gs"],
    title: "Google Cloud Storage",
    options: &[
        "allow_anonymous_login",
        "credentialpath",
        "endpointurl",
        // Objects are found by their bucket alone.
        "projectname",
    ],
    open,
};

/// The right to read and write objects.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";

fn open(settings: &RemoteSettings) -> Result<Box<dyn Remote>, RemoteError> {
    let (bucket, prefix) = split(&settings.url);
    if bucket.is_empty() {
        return Err(settings.invalid("url", "of the form gs://BUCKET/PREFIX"));
    }
    // The environment is ours to give: `given_to` below.
    let mut service = Gcs::default()
        .bucket(bucket)
        .root(prefix)
        .scope(SCOPE)
        .disable_config_load()
        .disable_vm_metadata();
    let environment = &settings.environment;
    let endpoint = settings
        .option("endpointurl")
        .or_else(|| environment.first(&["STORAGE_EMULATOR_HOST"]));
    if let Some(endpoint) = endpoint {
        let endpoint = endpoint.trim_end_matches('/');
        service = if endpoint.contains("://") {
            service.endpoint(endpoint)
        } else {
            service.endpoint(&format!("https://{endpoint}"))
        };
    }
    let anonymous = settings.flag("allow_anonymous_login")? == Some(true);
    if anonymous {
        service = service.skip_signature();
    } else if let Some(path) = settings.option("credentialpath") {
        let path = environment.expand(path);
        check_key_file(settings, &path)?;
        let provider = FileCredentialProvider::new(path).with_scope(SCOPE);
        let chain = ProvideCredentialChain::new().push(environment.given_to(provider));
        service = service.credential_provider_chain(chain);
    } else {
        let environment = environment.with("GOOGLE_SCOPE", SCOPE);
        let provider = environment.given_to(DefaultCredentialProvider::new());
        service = service.credential_provider_chain(ProvideCredentialChain::new().push(provider));
    }
    Ok(Box::new(ObjectService::open_through(
        settings,
        service,
        Timeouts::of(settings, "read_timeout")?,
        GenerationTransport,
    )?))
}

/// Said now, by the option's name, and not as a refusal of the first request.
fn check_key_file(settings: &RemoteSettings, path: &str) -> Result<(), RemoteError> {
    let parsed = fs_err::read(path)
        .ok()
        .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    match parsed {
        Some(value) if value.get("type").is_some() => Ok(()),
        Some(_) => Err(settings.invalid("credentialpath", "a key file: it has no `type`")),
        None => Err(settings.invalid("credentialpath", "a key file in JSON that can be read")),
    }
}
