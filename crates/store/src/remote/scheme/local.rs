//! A directory: of this machine, or mounted.

use std::io::{self, Read, Seek, SeekFrom, Write};

use camino::Utf8PathBuf;

use super::{RemoteError, RemoteSettings, Scheme};
use crate::atomic::{temporary_beside, temporary_object};
use crate::remote::stream::copy;
use crate::remote::{Capabilities, ObjectFacts, Remote, below};

pub(super) const SCHEME: Scheme = Scheme {
    names: &["file", "local"],
    title: "local",
    // About links and groups of a cache; objects here are always copies.
    options: &["type", "shared", "slow_link_warning", "protected"],
    open,
};

#[derive(Debug)]
struct Local {
    name: String,
    root: Utf8PathBuf,
}

fn open(settings: &RemoteSettings) -> Result<Box<dyn Remote>, RemoteError> {
    let root = match settings.url.split_once("://") {
        Some((_, path)) => path,
        None => &settings.url,
    };
    if root.is_empty() || root.starts_with('~') || !root.starts_with('/') {
        return Err(settings.invalid("url", "an absolute path"));
    }
    Ok(Box::new(Local {
        name: settings.name.clone(),
        root: shortest(root.into()),
    }))
}

/// The same place with fewer folders on the way, for the system to walk at every call: addresses
/// relative to the settings start with `/project/.dvc/../..`. What is not there yet stays as it is.
fn shortest(root: Utf8PathBuf) -> Utf8PathBuf {
    let resolved = root.ancestors().find_map(|there| {
        let real = there.canonicalize_utf8().ok()?;
        let rest = root.strip_prefix(there).ok()?;
        let is_plain = !rest.components().any(|part| part.as_str() == "..");
        is_plain.then(|| real.join(rest))
    });
    resolved.unwrap_or(root)
}

impl Local {
    fn failed(&self, action: &'static str, key: &str, error: io::Error) -> RemoteError {
        RemoteError::io(&self.name, action, key, error)
    }
}

impl Remote for Local {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            list: true,
            cheap_lookup: true,
            jobs: std::thread::available_parallelism().map_or(2, |cores| cores.get().min(16)),
        }
    }

    fn size(&self, key: &str) -> Result<Option<u64>, RemoteError> {
        match std::fs::symlink_metadata(self.root.join(key)) {
            Ok(metadata) if metadata.is_dir() => Ok(None),
            Ok(metadata) if metadata.is_symlink() => Ok(fs_err::metadata(self.root.join(key))
                .ok()
                .map(|metadata| metadata.len())),
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(self.failed("look up", key, error)),
        }
    }

    fn facts(&self, key: &str) -> Result<Option<ObjectFacts>, RemoteError> {
        let Some(size) = self.size(key)? else {
            return Ok(None);
        };
        let metadata = fs_err::metadata(self.root.join(key)).ok();
        Ok(Some(ObjectFacts {
            size,
            modified_at: metadata.and_then(|metadata| metadata.modified().ok()),
            ..ObjectFacts::default()
        }))
    }

    fn list(&self, folder: &str, found: &mut dyn FnMut(&str, u64)) -> Result<(), RemoteError> {
        let mut folders = vec![folder.trim_end_matches('/').to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = match fs_err::read_dir(self.root.join(&folder)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(self.failed("list", &folder, error)),
            };
            for entry in entries {
                let entry = entry.map_err(|error| self.failed("list", &folder, error))?;
                let name = entry.file_name();
                // Every key of ours is UTF-8, and a name that is not is nobody's object.
                let Some(name) = name.to_str() else { continue };
                let key = below(&folder, name);
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                if metadata.is_dir() {
                    folders.push(key);
                } else if !name.starts_with(crate::atomic::TEMPORARY_PREFIX) {
                    found(&key, metadata.len());
                }
            }
        }
        Ok(())
    }

    fn read(&self, key: &str, sink: &mut dyn Write) -> Result<u64, RemoteError> {
        let failed = |error| self.failed("read", key, error);
        let file = fs_err::File::open(self.root.join(key)).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        // Nobody needs to look whether it ends there: whoever asks for bytes knows their hash.
        copy(&mut file.take(size), sink, size).map_err(failed)
    }

    fn read_range(
        &self,
        key: &str,
        offset: u64,
        length: u64,
        sink: &mut dyn Write,
    ) -> Result<u64, RemoteError> {
        let failed = |error| self.failed("read", key, error);
        let mut file = fs_err::File::open(self.root.join(key)).map_err(failed)?;
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        copy(&mut file.take(length), sink, length).map_err(failed)
    }

    fn write(&self, key: &str, source: &mut dyn Read, size: u64) -> Result<(), RemoteError> {
        let failed = |error| self.failed("write", key, error);
        let path = self.root.join(key);
        // DVC overwrites results of the run cache, and keeps objects from being written to.
        let mut file = if key.starts_with("runs/") {
            temporary_beside(&path)
        } else {
            temporary_object(&path)
        }
        .map_err(failed)?;
        copy(source, &mut file, size).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<(), RemoteError> {
        match fs_err::remove_file(self.root.join(key)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.failed("delete", key, error))
            }
            _ => Ok(()),
        }
    }

    fn settle(&self) -> Result<(), RemoteError> {
        #[cfg(target_os = "linux")]
        if let Ok(root) = fs_err::File::open(&self.root) {
            rustix::fs::syncfs(&root)
                .map_err(|errno| self.failed("write", "", io::Error::from(errno)))?;
        }
        Ok(())
    }
}
