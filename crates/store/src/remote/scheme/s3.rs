//! Amazon S3 and everything that speaks its protocol.

use opendal::services::S3;
use reqsign_aws_v4::{DefaultCredentialProvider, StaticCredentialProvider};
use reqsign_core::ProvideCredentialChain;
use reqsign_core::hash::base64_decode;
use ureq::http::{HeaderName, HeaderValue};

use super::{RemoteError, RemoteSettings, Scheme, split};
use crate::remote::object_service::{GrantTransport, LastCredential, ObjectService, Timeouts};
use crate::remote::{Remote, RemoteEnvironment};

pub(super) const SCHEME: Scheme = Scheme {
    names: &["s3"],
    title: "S3",
    options: &[
        "access_key_id",
        "acl",
        "allow_anonymous_login",
        "cache_regions",
        "configpath",
        "connect_timeout",
        "credentialpath",
        "endpointurl",
        "grant_full_control",
        "grant_read",
        "grant_read_acp",
        "grant_write_acp",
        "listobjects",
        "profile",
        "read_timeout",
        "region",
        "secret_access_key",
        "session_token",
        "sse",
        "sse_customer_algorithm",
        "sse_customer_key",
        "sse_kms_key_id",
        "ssl_verify",
        "use_ssl",
    ],
    open,
};

/// Options that say where Amazon's own files are, and the variables that say the same.
const FILES: [(&str, &str); 2] = [
    ("credentialpath", "AWS_SHARED_CREDENTIALS_FILE"),
    ("configpath", "AWS_CONFIG_FILE"),
];

/// Options that say whom objects are shared with, and the headers that tell.
const GRANTS: [(&str, &str); 4] = [
    ("grant_full_control", "x-amz-grant-full-control"),
    ("grant_read", "x-amz-grant-read"),
    ("grant_read_acp", "x-amz-grant-read-acp"),
    ("grant_write_acp", "x-amz-grant-write-acp"),
];

/// Where a bucket is looked for when nobody says; servers other than Amazon's do not mind.
const REGION: &str = "us-east-1";

fn open(settings: &RemoteSettings) -> Result<Box<dyn Remote>, RemoteError> {
    let (bucket, prefix) = split(&settings.url);
    if bucket.is_empty() {
        return Err(settings.invalid("url", "of the form s3://BUCKET/PREFIX"));
    }
    let mut environment = settings.environment.clone();
    for (option, variable) in FILES {
        if let Some(path) = settings.option(option) {
            environment = environment.with(variable, path);
        }
    }
    let profile = settings
        .option("profile")
        .or_else(|| environment.first(&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]))
        .map(str::to_owned);
    // Amazon's own buckets and any endpoint alike: the bucket is in the path.
    let mut service = S3::default().bucket(bucket).root(prefix);
    // Nothing of the machine's is asked for but what was handed over.
    service = service.disable_config_load().disable_ec2_metadata();
    let region = settings
        .option("region")
        .or_else(|| environment.first(&["AWS_REGION", "AWS_DEFAULT_REGION"]))
        .map(str::to_owned)
        .or_else(|| region_of(&environment, profile.as_deref()));
    let region = region.unwrap_or_else(|| REGION.to_owned());
    service = service.region(&region);
    let secure = settings.flag("use_ssl")?.unwrap_or(true);
    let endpoint = settings
        .option("endpointurl")
        .or_else(|| environment.first(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]));
    if let Some(endpoint) = endpoint {
        let endpoint = endpoint.trim_end_matches('/');
        service = if endpoint.contains("://") {
            service.endpoint(endpoint)
        } else if secure {
            service.endpoint(&format!("https://{endpoint}"))
        } else {
            service.endpoint(&format!("http://{endpoint}"))
        };
    }
    let key = settings.option("access_key_id");
    let secret = settings.option("secret_access_key");
    let chain = ProvideCredentialChain::new();
    let chain = match (key, secret) {
        (Some(key), Some(secret)) => {
            let provider = StaticCredentialProvider::new(key, secret);
            chain.push(match settings.option("session_token") {
                Some(token) => provider.with_session_token(token),
                None => provider,
            })
        }
        (None, None) => {
            let mut provider = DefaultCredentialProvider::builder();
            if let Some(profile) = &profile {
                provider = provider.with_profile(profile);
            }
            if settings.option("profile").is_some() {
                // A profile that was asked for goes before keys that happen to be set.
                provider = provider.no_env();
            }
            chain.push(environment.given_to(provider.build()))
        }
        (Some(_), None) => {
            return Err(settings.invalid("secret_access_key", "there, though `access_key_id` is"));
        }
        (None, Some(_)) => {
            return Err(settings.invalid("access_key_id", "there, though `secret_access_key` is"));
        }
    };
    let credential = LastCredential::default();
    service = service.credential_provider_chain(credential.of(chain));
    let grants = grants(settings)?;
    if let Some(acl) = settings.option("acl") {
        service = service.default_acl(acl);
    }
    service = encrypted(settings, service)?;
    if settings.flag("allow_anonymous_login")? == Some(true) {
        service = service.skip_signature();
    }
    if settings.flag("listobjects")? == Some(true) {
        service = service.disable_list_objects_v2();
    }
    let around = |transport| GrantTransport {
        transport,
        grants,
        region,
        credential,
    };
    let timeouts = Timeouts::of(settings, "read_timeout")?;
    Ok(Box::new(ObjectService::open_through(
        settings, service, timeouts, around,
    )?))
}

/// Whom objects are shared with, as headers.
fn grants(settings: &RemoteSettings) -> Result<Vec<(HeaderName, HeaderValue)>, RemoteError> {
    let mut grants = Vec::new();
    for (option, header) in GRANTS {
        let Some(who) = settings.option(option) else {
            continue;
        };
        if settings.option("acl").is_some() {
            return Err(settings.invalid(option, "needed beside `acl`: the one says all of it"));
        }
        let who = HeaderValue::from_str(who)
            .map_err(|_| settings.invalid(option, "a list such as `id=ID, uri=URI`"))?;
        grants.push((HeaderName::from_static(header), who));
    }
    Ok(grants)
}

/// By whose key the server encrypts what it keeps. A customer's own key is in base 64, as with DVC.
fn encrypted(settings: &RemoteSettings, mut service: S3) -> Result<S3, RemoteError> {
    if let Some(kind) = settings.option("sse") {
        service = service.server_side_encryption(kind);
    }
    let managed = settings.option("sse_kms_key_id");
    if let Some(key) = managed {
        service = service.server_side_encryption_aws_kms_key_id(key);
    }
    let Some(key) = settings.option("sse_customer_key") else {
        return Ok(service);
    };
    if managed.is_some() {
        return Err(settings.invalid("sse_customer_key", "needed beside `sse_kms_key_id`"));
    }
    let key =
        base64_decode(key).map_err(|_| settings.invalid("sse_customer_key", "a key in base 64"))?;
    let algorithm = settings
        .option("sse_customer_algorithm")
        .unwrap_or("AES256");
    Ok(service.server_side_encryption_with_customer_key(algorithm, &key))
}

/// The `region` of a profile in Amazon's configuration file, if there is one that says.
fn region_of(environment: &RemoteEnvironment, profile: Option<&str>) -> Option<String> {
    let path = match environment.first(&["AWS_CONFIG_FILE"]) {
        Some(path) => environment.expand(path),
        None => format!("{}/.aws/config", environment.first(&["HOME"])?),
    };
    region_in(&fs_err::read_to_string(path).ok()?, profile)
}

pub(crate) fn region_in(text: &str, profile: Option<&str>) -> Option<String> {
    let wanted = match profile {
        None | Some("default") => "default".to_owned(),
        Some(profile) => format!("profile {profile}"),
    };
    let mut inside = false;
    for line in text.lines() {
        if let Some(section) = line.trim().strip_prefix('[') {
            inside = section.split(']').next().map(str::trim) == Some(&wanted);
        } else if inside
            // What is indented belongs to the key above it.
            && !line.starts_with([' ', '\t'])
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == "region"
        {
            return Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_of_a_profile_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        let text = "[default]\nregion = eu-west-1\n\n[profile work]\ns3 =\n  region = no\nregion=eu-north-1\n[profile none]\n";
        fs_err::write(&file, text).unwrap();
        let environment =
            RemoteEnvironment::default().with("AWS_CONFIG_FILE", file.to_str().unwrap());
        let region = |profile| region_of(&environment, profile);
        assert_eq!(region(None).as_deref(), Some("eu-west-1"));
        assert_eq!(region(Some("work")).as_deref(), Some("eu-north-1"));
        assert_eq!(region(Some("none")), None);
        assert_eq!(region_of(&RemoteEnvironment::default(), None), None);
    }
}
