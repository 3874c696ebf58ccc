//! Data of other repositories whose default remote is chunked: their `ketch.toml` says so.

use camino::Utf8Path;
use ketch_project::{
    GetOptions, OnExisting, Origin, RemoteChoice, SourceListOptions, SourceSpec, TransferSelection,
    fetch, get, import, list_source,
};
use ketch_store::Silent;

use crate::import::options;
use crate::sandbox::Sandbox;
use crate::transfer::{forget, push_all, with_data};

/// A project whose data is on a chunked remote alone, and its address as a URL, so that it is
/// cloned, and as a directory.
fn source() -> (Sandbox, [String; 2]) {
    let source = with_data(30);
    source.write("ketch.toml", "[remote.ST]\nlayout = \"chunked\"\n");
    let store = source.outside().join("store");
    source.write(
        ".dvc/config",
        format!("[core]\n    remote = st\n['remote \"st\"']\n    url = {store}\n"),
    );
    source.commit("chunked");
    assert_eq!(push_all(&source.open()).objects(), 33);
    assert!(store.join("chunked/packs").is_dir() && !store.join("files").exists());
    forget(&source);
    let addresses = [format!("file://{}", source.root), source.root.to_string()];
    (source, addresses)
}

fn get_options(sandbox: &Sandbox, url: &str, path: &str, out: &str) -> GetOptions {
    GetOptions {
        source: SourceSpec::new(url, None),
        path: path.to_owned(),
        out: Some(out.into()),
        directory: sandbox.root.clone(),
        existing: OnExisting::Refuse,
        transfer: RemoteChoice::default(),
        scratch: sandbox.root.join(".dvc/tmp"),
    }
}

#[test]
fn data_on_a_chunked_remote_is_got() {
    let (source, addresses) = source();
    let sandbox = Sandbox::new();
    for (place, url) in addresses.iter().enumerate() {
        let out = format!("all{place}");
        let report = get(&get_options(&sandbox, url, "data", &out), &Silent).unwrap();
        assert_eq!(report.files, Some(31));
        assert_eq!(sandbox.read(&format!("{out}/3/13")), "content 13");
        // Of a directory only a part.
        let out = format!("one{place}");
        let _ = get(&get_options(&sandbox, url, "data/3/13", &out), &Silent).unwrap();
        assert_eq!(sandbox.read(&out), "content 13");
        let listed = list_source(&SourceListOptions {
            source: SourceSpec::new(url.as_str(), None),
            path: "data/3".to_owned(),
            directory: sandbox.root.clone(),
            levels: None,
            origin: Origin::Data,
            transfer: RemoteChoice::default(),
            scratch: sandbox.root.join(".dvc/tmp"),
        });
        assert_eq!(listed.unwrap().len(), 6);
    }
    assert!(!source.root.join(".dvc/cache/files").exists());
}

#[test]
fn data_on_a_chunked_remote_is_imported_and_fetched_again() {
    let (_source, addresses) = source();
    let sandbox = Sandbox::new();
    for (place, url) in addresses.iter().enumerate() {
        let out = format!("all{place}");
        let wanted = options(&sandbox, Utf8Path::new(url), "data", &out);
        let _ = import(&sandbox.open(), &wanted, &Silent).unwrap();
        assert_eq!(sandbox.read(&format!("{out}/3/13")), "content 13");
        sandbox.remove(".dvc/cache");
        let fetched = fetch(&sandbox.open(), &TransferSelection::default(), &Silent).unwrap();
        assert!(fetched.objects() >= 31, "{fetched:?}");
        assert!(sandbox.root.join(".dvc/cache/files").is_dir());
    }
}
