//! Disks that are full, on either side of a remote that is not a directory.

use ketch_store::remote::{
    FailureKind, Remote, RemoteError, RemoteSettings, download, open_remote, upload,
};
use ketch_store::{Cache, Durability, Silent, StoreError, hash_bytes};
use ketch_testkit::Mount;

use crate::Sandbox;
use crate::remote::{OPTIONS, bytes};
use crate::remote_http::serve;
use crate::remote_ssh::broken_line;

/// Letters that do not repeat.
fn letters(length: usize) -> String {
    let letter = |byte: u8| char::from(b'a' + byte % 26);
    bytes(length).into_iter().map(letter).collect()
}

/// Every remote that has this object, and a directory for a cache.
fn remotes(sandbox: &Sandbox, content: &str) -> Vec<Box<dyn Remote>> {
    let key = hash_bytes(content.as_bytes()).cache_path();
    let (length, body) = (content.len(), content.to_owned());
    let address = serve(move |_, _| format!("200 OK\r\nContent-Length: {length}\r\n\r\n{body}"));
    let url = format!("http://{address}/store");
    let amazon = RemoteSettings::new("web", "s3://bucket/store")
        .with("endpointurl", &url)
        .with("access_key_id", "k")
        .with("secret_access_key", "s");
    let dav = RemoteSettings::new("web", url.replace("http:", "webdav:"));
    let mut remotes: Vec<Box<dyn Remote>> = [RemoteSettings::new("web", &url), amazon, dav]
        .iter()
        .map(|settings| open_remote(settings).unwrap())
        .collect();
    sandbox.write(&format!("store/{key}"), content);
    remotes.extend(broken_line(sandbox, "exec SERVER", "30"));
    remotes
}

#[test]
fn a_full_cache_keeps_no_half_of_what_comes_from_elsewhere() {
    let sandbox = Sandbox::new();
    let content = letters(3 << 20);
    let id = hash_bytes(content.as_bytes());
    let wanted = std::slice::from_ref(&id);
    for remote in remotes(&sandbox, &content) {
        let place = sandbox.root.join("small");
        let Some(mount) = Mount::small(&place) else {
            return;
        };
        let filler = mount.fill(1 << 20);
        let cache = Cache::open_with(place.join("cache"), Durability::Buffered);
        let error = download(&cache, &*remote, wanted, OPTIONS, &Silent).unwrap_err();
        let hint = error.hint().unwrap();
        assert!(hint.contains("make room"), "{remote:?}: {hint}");
        let shown = format!("{error:?}");
        assert!(
            shown.contains("StorageFull") || shown.contains("No space"),
            "{shown}"
        );
        assert!(!cache.contains(&id), "{remote:?}");
        let folder = cache.object_path(&id);
        let left = folder.parent().unwrap().read_dir_utf8();
        assert_eq!(left.map_or(0, Iterator::count), 0, "{remote:?}");

        fs_err::remove_file(filler).unwrap();
        let report = download(&cache, &*remote, wanted, OPTIONS, &Silent).unwrap();
        assert_eq!(report.objects, 1, "{remote:?}");
        cache.verify(&id).unwrap();
    }
}

#[test]
fn a_full_disk_behind_ssh_is_told_and_holds_no_half() {
    let sandbox = Sandbox::new();
    let place = sandbox.root.join("store");
    let Some(mount) = Mount::small(&place) else {
        return;
    };
    let Some(remote) = broken_line(&sandbox, "exec SERVER", "30") else {
        return;
    };
    let large = sandbox.cache.add_bytes(&bytes(3 << 20)).unwrap();
    let wanted = std::slice::from_ref(&large);
    let filler = mount.fill(1 << 20);
    let error = upload(&sandbox.cache, &*remote, wanted, OPTIONS, &Silent).unwrap_err();
    let StoreError::Remote(RemoteError::Failed { kind, source, .. }) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*kind, FailureKind::Full, "{error:?}");
    assert!(source.to_string().contains("disk is full"), "{source}");
    assert!(error.hint().unwrap().contains("make room on the remote"));
    assert_eq!(remote.size(&large.cache_path()).unwrap(), None);
    let folder = place.join(large.cache_path());
    let left = folder.parent().unwrap().read_dir_utf8().unwrap();
    assert_eq!(left.count(), 0, "a part of it is left");

    fs_err::remove_file(filler).unwrap();
    let report = upload(&sandbox.cache, &*remote, wanted, OPTIONS, &Silent).unwrap();
    assert_eq!(report.objects, 1);
    let mut found = Vec::new();
    remote.read(&large.cache_path(), &mut found).unwrap();
    assert_eq!(hash_bytes(&found), large);

    // Any other failure is not taken for that.
    sandbox.write(
        "store/files/md5/00/x/inside",
        "a folder where an object should be",
    );
    let error = remote
        .write("files/md5/00/x", &mut &b"new"[..], 3)
        .unwrap_err();
    let RemoteError::Failed { kind, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*kind, FailureKind::Permanent, "{error:?}");
}
