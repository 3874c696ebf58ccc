//! Azure Blob Storage.

use opendal::services::Azblob;
use reqsign_azure_storage::{
    ClientSecretCredentialProvider, Credential, DefaultCredentialProvider, StaticCredentialProvider,
};
use reqsign_core::ProvideCredentialChain;

use super::{RemoteError, RemoteSettings, Scheme, split};
use crate::remote::Remote;
use crate::remote::object_service::{LastCredential, ObjectService, Timeouts, VersionTransport};

pub(super) const SCHEME: Scheme = Scheme {
    names: &["azure"],
    title: "Azure",
    options: &[
        "account_key",
        "account_name",
        "allow_anonymous_login",
        "client_id",
        "client_secret",
        "connection_string",
        "connection_timeout",
        "exclude_environment_credential",
        "exclude_managed_identity_credential",
        "exclude_shared_token_cache_credential",
        "exclude_visual_studio_code_credential",
        "read_timeout",
        "sas_token",
        "tenant_id",
        "timeout",
    ],
    open,
};

fn open(settings: &RemoteSettings) -> Result<Box<dyn Remote>, RemoteError> {
    let (container, prefix) = split(&settings.url);
    if container.is_empty() || container.contains('@') {
        return Err(settings.invalid("url", "of the form azure://CONTAINER/PREFIX"));
    }
    let environment = &settings.environment;
    let value = |option: &str, variable: &str| {
        settings
            .option(option)
            .or_else(|| environment.first(&[variable]))
    };
    let account = value("account_name", "AZURE_STORAGE_ACCOUNT_NAME");
    // What the remote itself says goes before what the account has.
    let own = ["account_key", "sas_token", "client_secret"];
    let string = settings.option("connection_string").or_else(|| {
        if own.iter().any(|key| settings.option(key).is_some()) {
            return None;
        }
        environment.first(&["AZURE_STORAGE_CONNECTION_STRING"])
    });
    let string = string.map(without_slashes);
    let string = string.as_deref();
    let mut service = match string {
        // The cause is not told: it may repeat a piece of the key.
        Some(string) => Azblob::from_connection_string(string).map_err(|_| {
            settings.invalid(
                "connection_string",
                "a list of `Name=value` with `;` between",
            )
        })?,
        None => Azblob::default(),
    };
    if string.is_none() {
        let account = account.ok_or_else(|| {
            settings.invalid("account_name", "there, nor is there a `connection_string`")
        })?;
        service = service
            .account_name(account)
            .endpoint(&format!("https://{account}.blob.core.windows.net"));
    }
    service = service.container(container).root(prefix);
    let credential = LastCredential::default();
    if settings.flag("allow_anonymous_login")? == Some(true) {
        service = service.skip_signature();
    } else {
        let chain = credential.of(credentials(settings, string, account)?);
        service = service.credential_provider_chain(chain);
    }
    let mut timeouts = Timeouts::of(settings, "read_timeout")?;
    if let Some(connect) = settings.seconds("connection_timeout")? {
        timeouts.connect = connect;
    }
    if settings.option("read_timeout").is_none()
        && let Some(idle) = settings.seconds("timeout")?
    {
        timeouts.idle = idle;
    }
    let around = |transport| VersionTransport {
        transport,
        credential,
    };
    Ok(Box::new(ObjectService::open_through(
        settings, service, timeouts, around,
    )?))
}

/// Endpoints without a `/` at their end, which Azure's portal puts there and which would be sent twice.
fn without_slashes(string: &str) -> String {
    let field = |field: &str| {
        let (name, _) = field.split_once('=').unwrap_or((field, ""));
        if name.trim().ends_with("Endpoint") {
            field.trim_end().trim_end_matches('/').to_owned()
        } else {
            field.to_owned()
        }
    };
    string.split(';').map(field).collect::<Vec<_>>().join(";")
}

/// Who signs: what the connection string says before anything else.
fn credentials(
    settings: &RemoteSettings,
    string: Option<&str>,
    account: Option<&str>,
) -> Result<ProvideCredentialChain<Credential>, RemoteError> {
    let chain = ProvideCredentialChain::new();
    if let Some(provider) = string.and_then(in_connection_string) {
        return Ok(chain.push(provider));
    }
    let environment = &settings.environment;
    if let Some(key) = settings.option("account_key") {
        let account = account
            .ok_or_else(|| settings.invalid("account_name", "there, though `account_key` is"))?;
        let is_digit = |ch: char| ch.is_ascii_alphanumeric() || matches!(ch, '+' | '/');
        if key.len() % 4 != 0 || !key.trim_end_matches('=').chars().all(is_digit) {
            return Err(settings.invalid("account_key", "in base64, as Azure shows it"));
        }
        let provider = StaticCredentialProvider::new_shared_key(account, key);
        return Ok(chain.push(provider));
    }
    if let Some(token) = settings.option("sas_token") {
        let provider = StaticCredentialProvider::new_sas_token(token.trim_start_matches('?'));
        return Ok(chain.push(provider));
    }
    let own = ["tenant_id", "client_id", "client_secret"].map(|key| settings.option(key));
    if let [Some(tenant), Some(client), Some(secret)] = own {
        let provider = ClientSecretCredentialProvider::new()
            .with_tenant_id(tenant)
            .with_client_id(client)
            .with_client_secret(secret);
        return Ok(chain.push(environment.given_to(provider)));
    }
    // The names that an account key goes by differ; the signer knows one of them.
    let mut environment = environment.clone();
    if let Some(account) = account {
        environment = environment.with("AZURE_STORAGE_ACCOUNT_NAME", account);
    }
    let mut default = DefaultCredentialProvider::builder();
    if settings.flag("exclude_environment_credential")? == Some(true) {
        default = default.no_env().no_client_secret().no_client_certificate();
    }
    if settings.flag("exclude_managed_identity_credential")? == Some(true) {
        default = default.no_imds();
    }
    Ok(chain.push(environment.given_to(default.build())))
}

/// The account and key that everybody's `Azurite` has, the server of Azure's for development:
/// <https://learn.microsoft.com/azure/storage/common/storage-connect-azurite>.
const DEVELOPMENT: (&str, &str) = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
);

fn in_connection_string(string: &str) -> Option<StaticCredentialProvider> {
    let value = |wanted: &str| {
        let mut fields = string.split(';').filter_map(|field| field.split_once('='));
        fields.find_map(|(name, value)| (name.trim() == wanted).then_some(value.trim()))
    };
    if let Some(token) = value("SharedAccessSignature") {
        return Some(StaticCredentialProvider::new_sas_token(
            token.trim_start_matches('?'),
        ));
    }
    let in_endpoint = || {
        let (_, host) = value("BlobEndpoint")?.split_once("://")?;
        Some(host.split_once('.')?.0)
    };
    let mut account = value("AccountName").or_else(in_endpoint);
    let mut key = value("AccountKey");
    if value("UseDevelopmentStorage") == Some("true") {
        account = account.or(Some(DEVELOPMENT.0));
        key = key.or(Some(DEVELOPMENT.1));
    }
    Some(StaticCredentialProvider::new_shared_key(account?, key?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_endpoints_lose_their_slashes() {
        let string = "BlobEndpoint=https://a.blob.core.windows.net/;AccountKey=x/;SharedAccessSignature=a=b/";
        let expected =
            "BlobEndpoint=https://a.blob.core.windows.net;AccountKey=x/;SharedAccessSignature=a=b/";
        assert_eq!(without_slashes(string), expected);
    }

    #[test]
    fn what_is_missing_is_named_and_no_secret_is_told() {
        let error = |settings: RemoteSettings| open(&settings).unwrap_err().to_string();
        let bare = || RemoteSettings::new("r", "azure://box/x");
        assert!(error(bare()).contains("account_name"));
        assert!(error(RemoteSettings::new("r", "azure:///x")).contains("`url`"));
        let string = error(bare().with("connection_string", "s3cret"));
        assert!(
            string.contains("`connection_string`") && !string.contains("s3cret"),
            "{string}"
        );
        let key = error(
            bare()
                .with("account_name", "a")
                .with("account_key", "not base64, s3cret"),
        );
        assert!(!key.contains("s3cret"), "{key}");
        open(&bare().with("account_name", "a").with("sas_token", "?sv=1")).unwrap();
    }
}
