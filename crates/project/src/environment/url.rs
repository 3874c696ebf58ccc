//! Addresses without what may be secret in them.

/// The address without user, password, query and the token that Anaconda puts into paths.
pub(super) fn without_secrets(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = url.get(..end).unwrap_or(url);
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (host, path) = rest
        .find('/')
        .map_or((rest, ""), |slash| rest.split_at(slash));
    // `git` in `ssh://git@host` is no secret, and without it nobody gets in.
    let user = host.rsplit_once('@').map(|(user, _)| user);
    let kept = user.filter(|user| *user == "git" && scheme.ends_with("ssh"));
    let bare = host.rsplit_once('@').map_or(host, |(_, bare)| bare);
    let mut parts: Vec<&str> = path.split('/').collect();
    if let Some(token) = parts.iter().position(|part| *part == "t")
        && token + 1 < parts.len()
    {
        parts.drain(token..=token + 1);
    }
    let path = parts.join("/");
    match kept {
        Some(user) => format!("{scheme}://{user}@{bare}{path}"),
        None => format!("{scheme}://{bare}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out() {
        for (url, bare) in [
            (
                "https://ana:hidden@host/x/y.whl?sig=hidden#sha256=1",
                "https://host/x/y.whl",
            ),
            ("https://token@host", "https://host"),
            ("ssh://git@host/a/b.git", "ssh://git@host/a/b.git"),
            (
                "https://host/t/an-hidden/channel/noarch",
                "https://host/channel/noarch",
            ),
            ("file:///home/x", "file:///home/x"),
            ("conda-forge", "conda-forge"),
        ] {
            assert_eq!(without_secrets(url), bare);
        }
    }
}
