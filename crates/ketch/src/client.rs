//! How commands reach the server of a project that `ketch up` runs.

use std::time::Duration;

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::Project;
use serde::Serialize;
use serde_json::Value;
use ureq::{Agent, http::StatusCode};

use crate::exit::CommandError;
use crate::up;

/// A gate scores two models on some hundred rows; a loop that retrains answers only afterwards.
const TIMEOUT: Duration = Duration::from_mins(10);

/// Which server.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// The server's address; that of this project's `ketch up` by default
    #[arg(long = "server", value_name = "URL")]
    url: Option<String>,
}

/// A server, and the right to change something on it.
pub(crate) struct Client {
    agent: Agent,
    url: String,
    token: String,
}

impl Client {
    /// The server of this project, or the one that was asked for.
    pub(crate) fn of(project: &Project, server: &ServerArgs) -> Result<Self, CommandError> {
        let state = project.state_dir()?;
        let url = match &server.url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => match up::read_address(&state)? {
                Some(address) => format!("http://{address}"),
                None => return Err(not_running()),
            },
        };
        let config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            // A proxy has no business between a program and its own machine.
            .proxy(None);
        Ok(Self {
            agent: config.build().new_agent(),
            url,
            token: token(up::token_path(&state))?,
        })
    }

    /// The page for people.
    pub(crate) fn page(&self) -> &str {
        &self.url
    }

    /// Tells the loop of a model to do something.
    pub(crate) fn control(
        &self,
        model: &str,
        action: &str,
        request: &impl Serialize,
    ) -> Result<Value, CommandError> {
        let body = serde_json::to_string(request)
            .map_err(|error| CommandError::system(error.to_string()))?;
        let path = format!(
            "{}/api/control/models/{}/{action}",
            self.url,
            encoded(model)
        );
        let answer = self
            .agent
            .post(path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .send(body);
        let mut answer = answer.map_err(|error| self.unreachable(&error))?;
        let text = answer
            .body_mut()
            .read_to_string()
            .map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let value: Value = serde_json::from_str(&text).map_err(|_| {
            CommandError::user(format!(
                "{} answers {status}, but not as ketch does",
                self.url
            ))
            .hint("is this the address of a ketch server?")
        })?;
        if status.is_success() {
            return Ok(value);
        }
        Err(refused(status, &value))
    }

    fn unreachable(&self, error: &ureq::Error) -> CommandError {
        match error {
            ureq::Error::Io(source) if source.kind() == std::io::ErrorKind::ConnectionRefused => {
                not_running()
            }
            error => CommandError::system(error.to_string())
                .context(format!("cannot talk to the server at {}", self.url)),
        }
    }
}

fn not_running() -> CommandError {
    CommandError::user("no server of this project runs").hint("start it: `ketch up`")
}

/// The server's own words, and the exit code for its status.
fn refused(status: StatusCode, answer: &Value) -> CommandError {
    let message = answer
        .get("error")
        .and_then(Value::as_str)
        .map_or_else(|| format!("the server answers {status}"), str::to_owned);
    let error = match status {
        StatusCode::CONFLICT => CommandError::refused(message),
        status if status.is_server_error() => CommandError::system(message),
        _ => CommandError::user(message),
    };
    match answer.get("hint").and_then(Value::as_str) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn token(path: Utf8PathBuf) -> Result<String, CommandError> {
    let text = fs_err::read_to_string(path).map_err(|source| {
        CommandError::from(source)
            .context("cannot read the token that changes need")
            .hint("`ketch up` makes it when it starts")
    })?;
    Ok(text.trim().to_owned())
}

/// A name as a part of a path.
fn encoded(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.extend(
                [byte >> 4, byte & 15]
                    .map(|half| char::from(b"0123456789ABCDEF"[usize::from(half)])),
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        assert_eq!(encoded("rain-2"), "rain-2");
        assert_eq!(encoded("a/../b?c ü"), "a%2F..%2Fb%3Fc%20%C3%BC");
    }

    #[test]
    fn a_conflict_is_a_no_and_not_a_failure() {
        let answer = serde_json::json!({ "error": "the gate refuses", "hint": "force it" });
        assert_eq!(refused(StatusCode::CONFLICT, &answer).status().code(), 1);
        assert_eq!(
            refused(StatusCode::UNAUTHORIZED, &answer).status().code(),
            3
        );
        assert_eq!(refused(StatusCode::BAD_GATEWAY, &answer).status().code(), 4);
    }
}
