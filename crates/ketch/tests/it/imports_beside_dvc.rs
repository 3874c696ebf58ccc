//! What DVC 3.67.1 says and does of imports from URLs, with and without versions, while their
//! sources change; and ketch by the name of `dvc`.

use camino::Utf8PathBuf;
use ketch_testkit::{SeaweedFs, peer};
use serde_json::Value;

use crate::personality::{Step, Twin, assert_same_story, link};
use crate::support::project;

use Step::{Commit, Ends, Json, Remove, Same, Write};

/// `ver` keeps versions, `plain` does not.
fn server() -> Option<SeaweedFs> {
    let server = SeaweedFs::start(None)?;
    let versions = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    put(&server, "ver", "");
    put(&server, "ver?versioning", versions);
    put(&server, "plain", "");
    Some(server)
}

fn put(server: &SeaweedFs, path: &str, body: &str) {
    let done = || server.request(server.s3, &format!("PUT /{path}"), body) == Some(200);
    server.wait_until(path, done).expect("it is there");
}

fn put_both(server: &SeaweedFs, path: &str, body: &str) {
    for bucket in ["ver", "plain"] {
        put(server, &format!("{bucket}/in/{path}"), body);
    }
}

fn twin(server: &SeaweedFs, program: Utf8PathBuf) -> Twin {
    let twin = Twin::new(program);
    assert_eq!(twin.run("init -q").code, Some(0));
    let remote = |name: &str| {
        format!(
            "['remote \"{name}\"']\n    url = s3://{name}\n    endpointurl = http://127.0.0.1:{}\n    access_key_id = AK\n    secret_access_key = SK\n",
            server.s3
        )
    };
    let config = remote("ver") + &remote("plain");
    twin.project.write(".dvc/config", config);
    let source = twin.project.path("../source");
    fs_err::create_dir_all(source.join("deep")).expect("a folder");
    twin.project.write("../source/f", "1\n");
    twin.project.write("../source/deep/x", "2\n");
    twin
}

/// All records, by name.
fn records(twin: &Twin) -> Vec<(Utf8PathBuf, String)> {
    let root = twin.project.root();
    let files = root.read_dir_utf8().expect("a folder");
    let mut records: Vec<_> = files
        .map(|entry| entry.expect("an entry").into_path())
        .filter(|path| path.extension() == Some("dvc") && path.is_file())
        .map(|path| {
            let name = Utf8PathBuf::from(path.file_name().expect("a name"));
            let text = twin.project.read(&name);
            (name, text)
        })
        .collect();
    records.sort();
    records
}

const IMPORT: &[Step] = &[
    Ends("import-url remote://plain/in/a.txt file"),
    Ends("import-url remote://plain/in folder"),
    Ends("import-url remote://plain/in/a.txt later_file --no-download"),
    Ends("import-url remote://plain/in later --no-download"),
    Ends("import-url remote://ver/in/a.txt v_file --version-aware"),
    Ends("import-url remote://ver/in v_folder --version-aware"),
    Ends("import-url remote://ver/in/a.txt v_later_file --version-aware --no-download"),
    Ends("import-url remote://ver/in v_later --version-aware --no-download"),
    Ends("import-url ../source/f local_file"),
    Ends("import-url ../source/deep local"),
    Write("here/x", "1\n"),
    Ends("import-url here/x inside"),
    // Of the same place as another one DVC mixes them up.
    Ends("import-url remote://plain/in/s/b.txt never --no-exec"),
    Json("status --json"),
    Json("status --json --no-updates"),
    Same("status -q"),
    Ends("fetch"),
    Json("status --json"),
    Ends("pull"),
    Json("status --json"),
    Ends("remove never.dvc"),
    Commit,
];

const CHANGED: &[Step] = &[
    Write("../source/f", "11\n"),
    Write("../source/deep/y", "3\n"),
    Write("here/x", "11\n"),
    Json("status --json"),
    Json("status --json --no-updates"),
    Json("status --json v_file.dvc v_folder"),
    Json("status --json local.dvc"),
    Same("status v_folder.dvc"),
    Same("status -q"),
    Same("status -q file.dvc"),
    Same("status -q v_file.dvc"),
    Ends(
        "unfreeze file.dvc folder.dvc later_file.dvc later.dvc v_file.dvc v_folder.dvc local_file.dvc local.dvc inside.dvc",
    ),
    Json("status --json"),
    Json("status --json --no-updates"),
    Same("status inside.dvc"),
    Ends(
        "freeze file.dvc folder.dvc later_file.dvc later.dvc v_file.dvc v_folder.dvc local_file.dvc local.dvc inside.dvc",
    ),
    // The versions of then, in a cache that has nothing.
    Remove(".dvc/cache"),
    Remove("v_file"),
    Remove("v_folder"),
    Remove("v_later"),
    Remove("v_later_file"),
    Ends("pull v_file.dvc v_folder.dvc v_later.dvc v_later_file.dvc"),
    // The others DVC puts into the work tree, and not into the cache.
    Json("status --json v_later.dvc v_later_file.dvc"),
];

const UPDATED: &[Step] = &[
    Ends(
        "update --no-download v_file.dvc v_folder.dvc v_later.dvc v_later_file.dvc file.dvc folder.dvc later.dvc",
    ),
    Json("status --json v_later.dvc v_later_file.dvc"),
];

const PULLED: &[Step] = &[
    Ends("pull v_file.dvc v_folder.dvc v_later.dvc v_later_file.dvc later.dvc"),
    Json("status --json v_later.dvc v_later_file.dvc later.dvc"),
];

const FINISHED: &[Step] = &[
    Ends(
        "update v_file.dvc v_folder.dvc v_later.dvc v_later_file.dvc file.dvc folder.dvc later.dvc later_file.dvc local.dvc local_file.dvc inside.dvc",
    ),
    Json("status --json"),
    Same("status -q"),
];

#[test]
fn imports_from_urls_are_seen_and_brought_as_by_dvc() {
    let Some(dvc) = peer("dvc/bin/dvc") else {
        return;
    };
    let Some(server) = server() else {
        return;
    };
    put_both(&server, "a.txt", "one");
    put_both(&server, "s/b.txt", "two");
    let folder = project();
    let twins = [twin(&server, link(&folder.root())), twin(&server, dvc)];
    let [ours, theirs] = &twins;
    let tell = |story: &[Step]| assert_same_story(ours, theirs, story);
    let same = |story: &[Step]| {
        tell(story);
        assert_eq!(records(ours), records(theirs));
    };
    // Where nothing is downloaded DVC leaves a checksum of what was recorded before, and then calls
    // that changed.
    let same_but_checksums = |story: &[Step]| {
        tell(story);
        let [ours, theirs] = [ours, theirs].map(|twin| {
            let mut records = records(twin);
            for (_, text) in &mut records {
                let lines = text.lines().filter(|line| !line.starts_with("md5: "));
                *text = lines.collect::<Vec<_>>().join("\n");
            }
            records
        });
        assert_eq!(ours, theirs);
    };
    let both = |path: &str, text: Option<&str>| {
        for twin in &twins {
            let found = fs_err::read_to_string(twin.project.path(path)).ok();
            assert_eq!(found.as_deref(), text, "{path}");
        }
    };
    same(IMPORT);
    both("v_later/a.txt", Some("one"));
    both("later/a.txt", Some("one"));

    put_both(&server, "a.txt", "ONE");
    put_both(&server, "c.txt", "three");
    same(CHANGED);
    for path in ["v_file", "v_folder/a.txt", "v_later/a.txt", "v_later_file"] {
        both(path, Some("one"));
    }
    both("v_folder/c.txt", None);

    same_but_checksums(UPDATED);
    let renewed = ["v_file", "v_folder/a.txt", "v_later/a.txt", "v_later_file"];
    for path in renewed {
        both(path, None);
    }
    same_but_checksums(PULLED);
    for path in renewed {
        both(path, Some("ONE"));
    }
    both("v_later/c.txt", Some("three"));
    same(FINISHED);
    both("v_folder/s/b.txt", Some("two"));

    // In its own words, and where DVC gives up: nothing is there any more.
    for path in ["ver/in/a.txt", "plain/in/a.txt"] {
        let gone = server.request(server.s3, &format!("DELETE /{path}"), "");
        assert_eq!(gone, Some(204), "{path}");
    }
    let answer = ours.run("unfreeze file.dvc");
    assert_eq!(answer.code, Some(0), "{}", answer.errors);
    let answer = ours.run("status --json file.dvc v_file.dvc");
    let told: Value = serde_json::from_str(&answer.output).expect("JSON");
    let expected = serde_json::json!({
        "file.dvc": [{"changed deps": {"remote://plain/in/a.txt": "deleted"}}],
        "v_file.dvc": [{"changed deps": {"remote://ver/in/a.txt": "deleted"}}],
    });
    assert_eq!(told, expected, "{}", answer.errors);
    let told = ours.project.ketch(["status", "v_file.dvc", "v_folder.dvc"]);
    assert_eq!(
        told.success().stdout,
        "v_file.dvc\n  source missing: remote://ver/in/a.txt\nv_folder.dvc\n  source modified: remote://ver/in\n"
    );
    // A source that does not answer keeps nobody from the rest.
    drop(server);
    let told = ours.project.ketch(["status", "v_file.dvc", "local.dvc"]);
    let told = told.success();
    assert!(
        told.stderr
            .contains("where `v_file.dvc` comes from was not looked at"),
        "{told}"
    );
    assert!(told.stdout.contains("up to date"), "{told}");
}

/// The version that a record names.
fn version_in(record: &str) -> &str {
    let after = record.split_once("version_id: ").expect("a version").1;
    after.lines().next().expect("a line")
}

#[test]
fn versions_that_urls_name_are_pushed_as_by_dvc() {
    let Some(dvc) = peer("dvc/bin/dvc") else {
        return;
    };
    let Some(server) = server() else {
        return;
    };
    let folder = project();
    let twins = [twin(&server, link(&folder.root())), twin(&server, dvc)];
    let run = |line: &str| {
        for twin in &twins {
            let mut command = twin.command(line);
            command
                // (What is sent on, DVC reads without the settings of the import.)
                .env(
                    "AWS_ENDPOINT_URL",
                    format!("http://127.0.0.1:{}", server.s3),
                )
                .env("AWS_ACCESS_KEY_ID", "AK")
                .env("AWS_SECRET_ACCESS_KEY", "SK");
            let answer = twin.answer(command);
            assert_eq!(answer.code, Some(0), "{line}: {}", answer.errors);
        }
        [&twins[0], &twins[1]].map(records)
    };
    let both = |line: &str| {
        let [ours, theirs] = run(line);
        assert_eq!(ours, theirs, "{line}");
        ours
    };
    // DVC leaves the old version in the URL, beside the new one that it records, and fails with
    // that the next time; or at once, where nothing is downloaded.
    let both_but_urls = |line: &str| {
        let [ours, theirs] = run(line).map(|mut records| {
            for (_, text) in &mut records {
                let kept =
                    |line: &&str| !line.starts_with("md5: ") && !line.contains("?versionId=");
                *text = text.lines().filter(kept).collect::<Vec<_>>().join("\n");
            }
            records
        });
        assert_eq!(ours, theirs, "{line}");
    };
    both("remote add -d st ../store");
    put(&server, "ver/in/a.txt", "one");
    let known = both("import-url remote://ver/in/a.txt known --version-aware");
    let first = version_in(&known[0].1).to_owned();
    let import = |how: &str| {
        both(&format!(
            "import-url s3://ver/in/a.txt?versionId={first} {how} --fs-config endpointurl=http://127.0.0.1:{}",
            server.s3
        ))
    };
    import("sent --to-remote");
    import("named");
    import("later --no-download");
    import("noted --no-exec");
    put(&server, "ver/in/a.txt", "two");
    both("update known.dvc");
    both(&format!("update --rev {first} known.dvc"));
    both_but_urls("update named.dvc");
}
