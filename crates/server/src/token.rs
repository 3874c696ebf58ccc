//! The token that changes need.

use std::io::{Error, ErrorKind, Write as _};

use camino::Utf8Path;
use uuid::Uuid;

use crate::error::ServerError;

/// The token in a file that only its owner can read; made when it is not there.
pub fn read_or_make_token(path: &Utf8Path) -> Result<String, ServerError> {
    let error = |source| ServerError::Token {
        path: path.to_owned(),
        source,
    };
    match fs_err::File::open(path) {
        Ok(file) => {
            let text = std::io::read_to_string(file).map_err(error)?;
            let token = text.trim();
            if token.is_empty() {
                return Err(error(Error::new(
                    ErrorKind::InvalidData,
                    "it is empty; remove it to have a new one made",
                )));
            }
            Ok(token.to_owned())
        }
        Err(source) if source.kind() == ErrorKind::NotFound => {
            let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
            let mut options = fs_err::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            fs_err::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path).map_err(error)?;
            writeln!(file, "{token}").map_err(error)?;
            Ok(token)
        }
        Err(source) => Err(error(source)),
    }
}
