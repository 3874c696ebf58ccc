//! `.dvc` files: one tracked file or directory, or one import.

use md5::{Digest, Md5};

use crate::json::to_sorted_json;
use crate::output_entry::{EntryPlace, Fields};
use crate::schema::Source;
use crate::yaml::{self, Value};
use crate::{FormatError, ObjectId, OutputEntry};

/// A `.dvc` file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DvcFile {
    pub desc: Option<String>,
    /// The checksum of an import's definition; not that of its data.
    pub md5: Option<String>,
    /// Relative to the `.dvc` file's directory; none means that directory.
    pub wdir: Option<String>,
    /// Whether an import stays at its version until it is updated by name.
    pub frozen: bool,
    pub deps: Vec<OutputEntry>,
    pub outs: Vec<OutputEntry>,
    pub always_changed: bool,
    /// Free for any use: DVC does not look inside.
    pub meta: Option<Value>,
}

const KEYS: &[&str] = &[
    "md5",
    "wdir",
    "deps",
    "outs",
    "locked",
    "frozen",
    "meta",
    "always_changed",
    "desc",
];

impl DvcFile {
    /// Reads a `.dvc` file; `source_name` is what errors call it.
    ///
    /// # Errors
    ///
    /// On what is no YAML, and on anything DVC's closed schema does not have.
    pub fn parse(text: &str, source_name: &str) -> Result<Self, FormatError> {
        let (source, root) = Source::parse(text, source_name)?;
        let mut file = Self::default();
        for entry in source.entries(&root, "a .dvc file")? {
            let (key, node) = (entry.key.as_str(), &entry.value);
            match key {
                "desc" => file.desc = Some(source.string(node, key)?),
                "md5" => file.md5 = source.checksum(node, key)?.map(|text| text.to_lowercase()),
                "wdir" if node.is_null() => {}
                "wdir" => file.wdir = Some(source.string(node, key)?),
                // DVC 0.x called it locked.
                "frozen" | "locked" => file.frozen |= source.boolean(node, key)?,
                "deps" => {
                    let place = EntryPlace::DvcFileDependency;
                    file.deps = OutputEntry::read_list(source, node, key, place)?;
                }
                "outs" => {
                    let place = EntryPlace::DvcFileOutput;
                    file.outs = OutputEntry::read_list(source, node, key, place)?;
                }
                "always_changed" => file.always_changed = source.boolean(node, key)?,
                "meta" => file.meta = (!node.is_null()).then(|| node.to_value()),
                _ => return Err(source.unknown_key(entry, "a .dvc file", KEYS)),
            }
        }
        Ok(file)
    }

    /// The file as DVC writes a new one.
    pub fn to_text(&self) -> String {
        yaml::emit_readable(&self.to_value())
    }

    /// `original` with this file's values: what did not change keeps its place, its comments and
    /// its style.
    ///
    /// Where that is not possible (the text is no `.dvc` file, values are shared by aliases, the
    /// number of outputs differs) the file is written anew.
    pub fn update_text(&self, original: &str) -> String {
        let value = self.to_value();
        yaml::update_text(original, &value).unwrap_or_else(|| yaml::emit_readable(&value))
    }

    /// What `md5` of an import's file is: the MD5 of what defines it, by which DVC sees edits.
    ///
    /// It is made of the file as JSON with sorted keys, without what is only for people and without
    /// what follows from a hash. None where DVC fails too: the file holds a date.
    pub fn definition_checksum(&self) -> Option<String> {
        let Value::Mapping(mut fields) = self.to_value() else {
            return None;
        };
        fields.retain(|key, value| match &**key {
            "md5" => false,
            "wdir" => value.as_str() != Some("."),
            _ => true,
        });
        let json = to_sorted_json(&defining(Value::Mapping(fields)))?;
        let digest: [u8; 16] = Md5::digest(json).into();
        Some(ObjectId::file_from_digest(digest).hex().to_owned())
    }

    fn to_value(&self) -> Value {
        let list = |entries: &[OutputEntry]| {
            let values: Vec<_> = entries.iter().map(OutputEntry::to_dvc_file_value).collect();
            (!values.is_empty()).then_some(values)
        };
        let mut out = Fields::default();
        out.put("desc", self.desc.clone().filter(|desc| !desc.is_empty()));
        out.put("md5", self.md5.clone());
        out.put("wdir", self.wdir.clone());
        out.put("frozen", self.frozen.then_some(true));
        out.put("deps", list(&self.deps));
        out.put("outs", list(&self.outs));
        out.put("always_changed", self.always_changed.then_some(true));
        out.put("meta", self.meta.clone());
        Value::Mapping(out.fields)
    }
}

/// Keys that do not count in the checksum of a definition, at any depth.
const NOT_DEFINING: &[&str] = &[
    "desc", "type", "labels", "meta", "locked", "frozen", "metric", "persist", "isexec", "size",
    "nfiles",
];

fn defining(value: Value) -> Value {
    match value {
        Value::Mapping(fields) => Value::Mapping(
            fields
                .into_iter()
                .filter(|(key, _)| !NOT_DEFINING.contains(&&**key))
                .map(|(key, value)| (key, defining(value)))
                .collect(),
        ),
        Value::Sequence(items) => Value::Sequence(items.into_iter().map(defining).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Imports that DVC 3.67.1 wrote: of a repository, a file, an HTTP server, without download.
    const IMPORTS: [&str; 4] = [
        "md5: 5d7a47ab0638b231b9a088deec631f82\nfrozen: true\ndeps:\n- path: data\n  repo:\n    url: ../src\n    rev_lock: a41ab4125b13340edb55e66bff68f3f1962a03a5\nouts:\n- md5: 8b3662b0d460701f7734cdf533c5aa85.dir\n  size: 4\n  nfiles: 2\n  hash: md5\n  path: d1\n",
        "md5: 9b7b06208c27cea2fe08e71125e7bbfb\nfrozen: true\ndeps:\n- md5: 9ffbf43126e33be52cd2bf7e01d627f9\n  size: 2\n  isexec: true\n  hash: md5\n  path: ../ext/e.csv\nouts:\n- md5: 9ffbf43126e33be52cd2bf7e01d627f9\n  size: 2\n  hash: md5\n  path: e.csv\n",
        "md5: ab3ea150b7719f078c79a7c6bc2cfb07\nfrozen: true\ndeps:\n- checksum: '\"abc-DEF\"'\n  size: 3\n  hash: md5\n  path: http://127.0.0.1:8765/h.txt\nouts:\n- md5: 419019e611c59f11d6f58420a21d01d4\n  size: 3\n  hash: md5\n  path: h.txt\n",
        "md5: a1fd2479d6afc61e874e19f3c0edc921\nfrozen: true\ndeps:\n- path: code\n  repo:\n    url: ../src\n    rev_lock: a41ab4125b13340edb55e66bff68f3f1962a03a5\nouts:\n- hash: md5\n  path: ncode\n",
    ];

    #[test]
    fn the_checksum_of_an_import_is_that_of_dvc() {
        for text in IMPORTS {
            let mut file = DvcFile::parse(text, "x.dvc").unwrap();
            // DVC reads it in lower case, but made the checksum of what the server said.
            if let Some(checksum) = &mut file.deps[0].checksum {
                assert_eq!(checksum, "\"abc-def\"");
                *checksum = "\"abc-DEF\"".to_owned();
            }
            assert_eq!(file.definition_checksum(), file.md5);
            assert_eq!(file.to_text(), text);
            file.desc = Some("words".to_owned());
            file.meta = Some(Value::Int(1));
            assert_eq!(file.definition_checksum(), file.md5);
            file.outs[0].path = "other".to_owned();
            assert_ne!(file.definition_checksum(), file.md5);
        }
    }

    /// Written by DVC 3.67.1.
    const FILES: [&str; 5] = [
        "outs:\n- md5: 46bbbe8aa98cc0714426e948474eaaf4\n  size: 18\n  isexec: true\n  hash: md5\n  path: tool.sh\n",
        "outs:\n- md5: 2f2b7d0e4c3883b61702739a7de08eca.dir\n  size: 46\n  nfiles: 8\n  hash: md5\n  path: data\n",
        "md5: ff32de57484437b26e34fdcedf3b5ecf\nfrozen: true\ndeps:\n- path: d2\n  repo:\n    url: ../r3\n    rev: v1\n    rev_lock: 07026f701a7f42e4dd0d3a1cbee5995492a316a4\n    config: /dev/null\nouts:\n- md5: 1a6f4bbd0b372c1ada6e8df16a6a703c.dir\n  size: 3\n  nfiles: 1\n  hash: md5\n  path: imp_d2\n",
        "md5: 06b9c40c23a6131744eb7eb0815718c0\nfrozen: true\ndeps:\n- etag: 47bce5c74f589f4867dbd57e9ca9f808\n  size: 3\n  hash: md5\n  path: s3://plain/in/a.txt\n  fs_config:\n    endpointurl: http://127.0.0.1:5555\nouts:\n- md5: 47bce5c74f589f4867dbd57e9ca9f808\n  size: 3\n  hash: md5\n  path: i2.txt\n",
        "outs:\n- hash: md5\n  path: d\n  files:\n  - relpath: x\n    md5: c4ca4238a0b923820dcc509a6f75849b\n    size: 1\n    cloud:\n      ver:\n        etag: c4ca4238a0b923820dcc509a6f75849b\n        version_id: 8942fb87-0350-42f3-9a1e-57670627baec\n",
    ];

    #[test]
    fn writes_what_dvc_wrote() {
        for text in FILES {
            let file = DvcFile::parse(text, "x.dvc").unwrap();
            assert_eq!(file.to_text(), text);
            assert_eq!(file.update_text(text), text);
        }
    }

    #[test]
    fn keeps_comments_and_order_on_update() {
        let text = "# the raw data\nouts:\n- path: data   # from the lab\n  md5: 2f2b7d0e4c3883b61702739a7de08eca.dir\n  size: 46\n";
        let mut file = DvcFile::parse(text, "data.dvc").unwrap();
        file.outs[0].md5 = Some(ObjectId::parse("1a6f4bbd0b372c1ada6e8df16a6a703c.dir").unwrap());
        file.outs[0].hash = Some("md5".to_owned());
        file.outs[0].nfiles = Some(2);
        assert_eq!(
            file.update_text(text),
            "# the raw data\nouts:\n- path: data   # from the lab\n  md5: 1a6f4bbd0b372c1ada6e8df16a6a703c.dir\n  size: 46\n  nfiles: 2\n  hash: md5\n"
        );
        assert_eq!(file.update_text("[not a .dvc file"), file.to_text());
    }

    #[test]
    fn quotes_a_hash_that_looks_like_a_number() {
        let digits = "12345678901234567890123456789012";
        let text = format!("outs:\n- md5: '{digits}'\n  size: 1\n  hash: md5\n  path: x\n");
        let file = DvcFile::parse(&text, "x.dvc").unwrap();
        assert_eq!(file.to_text(), text);
        let unquoted = DvcFile::parse(&text.replace('\'', ""), "x.dvc").unwrap();
        assert_eq!(unquoted, file);
    }

    #[test]
    fn refuses_what_dvc_refuses() {
        let error = DvcFile::parse("outs:\n- path: x\n  ketch: 1\n", "x.dvc").unwrap_err();
        assert_eq!(
            error.to_string(),
            "x.dvc:3:3: unknown key `ketch` in an output"
        );
        assert_eq!(error.source_line(), Some("  ketch: 1"));
        let error = DvcFile::parse("outs:\n- pth: x\n", "x.dvc").unwrap_err();
        assert_eq!(error.hint(), Some("did you mean `path`?"));
        for text in [
            "- a",
            "cmd: x",
            "outs: x",
            "outs:\n- size: 3",
            "outs:\n- path: 3",
            "outs:\n- path: x\n  size: -1",
            "outs:\n- path: x\n  md5: abc",
            "frozen: yes",
        ] {
            assert!(DvcFile::parse(text, "x.dvc").is_err(), "{text}");
        }
        assert_eq!(DvcFile::parse("", "x.dvc").unwrap(), DvcFile::default());
    }
}
