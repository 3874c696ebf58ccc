//! Amazon S3 and everything that speaks its protocol.

use opendal::services::S3;

use super::{RemoteError, RemoteSettings, Scheme, split};
use crate::remote::Remote;
use crate::remote::object_service::{ObjectService, Timeouts};

pub(super) const SCHEME: Scheme = Scheme {
    names: &["s3"],
    title: "S3",
    options: &[
        "access_key_id",
        "acl",
        "allow_anonymous_login",
        "cache_regions",
        "connect_timeout",
        "endpointurl",
        "listobjects",
        "profile",
        "read_timeout",
        "region",
        "secret_access_key",
        "session_token",
        "ssl_verify",
        "use_ssl",
    ],
    open,
};

/// Where a bucket is looked for when nobody says; servers other than Amazon's do not mind.
const REGION: &str = "us-east-1";

fn open(settings: &RemoteSettings) -> Result<Box<dyn Remote>, RemoteError> {
    let (bucket, prefix) = split(&settings.url);
    if bucket.is_empty() {
        return Err(settings.invalid("url", "of the form s3://BUCKET/PREFIX"));
    }
    // Amazon's own buckets and any endpoint alike: the bucket is in the path.
    let mut service = S3::default().bucket(bucket).root(prefix);
    let secure = settings.flag("use_ssl")?.unwrap_or(true);
    if let Some(endpoint) = settings.option("endpointurl") {
        let endpoint = endpoint.trim_end_matches('/');
        service = if endpoint.contains("://") {
            service.endpoint(endpoint)
        } else if secure {
            service.endpoint(&format!("https://{endpoint}"))
        } else {
            service.endpoint(&format!("http://{endpoint}"))
        };
        service = service.region(settings.option("region").unwrap_or(REGION));
    } else if let Some(region) = settings.option("region") {
        service = service.region(region);
    } else {
        service = service.region(REGION);
    }
    let key = settings.option("access_key_id");
    let secret = settings.option("secret_access_key");
    match (key, secret) {
        (Some(key), Some(secret)) => {
            service = service.access_key_id(key).secret_access_key(secret);
            // Nothing of the machine's is asked for then.
            service = service.disable_config_load().disable_ec2_metadata();
        }
        (None, None) => {}
        (Some(_), None) => {
            return Err(settings.invalid("secret_access_key", "there, though `access_key_id` is"));
        }
        (None, Some(_)) => {
            return Err(settings.invalid("access_key_id", "there, though `secret_access_key` is"));
        }
    }
    if let Some(token) = settings.option("session_token") {
        service = service.session_token(token);
    }
    if let Some(profile) = settings.option("profile") {
        service = service.profile(profile);
    }
    if let Some(acl) = settings.option("acl") {
        service = service.default_acl(acl);
    }
    if settings.flag("allow_anonymous_login")? == Some(true) {
        service = service
            .skip_signature()
            .disable_config_load()
            .disable_ec2_metadata();
    }
    if settings.flag("listobjects")? == Some(true) {
        service = service.disable_list_objects_v2();
    }
    Ok(Box::new(ObjectService::open(
        settings,
        service,
        Timeouts::of(settings, "read_timeout")?,
    )?))
}
