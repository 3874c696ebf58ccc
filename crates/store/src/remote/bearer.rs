//! Tokens that a program gives: DVC's `bearer_token_command`.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport};
use ureq::http::{HeaderValue, Request, Response, header};

use super::http_transport::BlockingTransport;
use super::{RemoteError, RemoteSettings};

const OPTION: &str = "bearer_token_command";
/// How long the program may take unless the remote's `timeout` says, as with DVC.
const PATIENCE: Duration = Duration::from_secs(30);
/// In bytes; tokens are some hundred.
const LONGEST_TOKEN: u64 = 1 << 16;

/// A program that prints a token, and the last one it printed. Nothing of that is ever shown.
pub(crate) struct TokenProgram {
    words: Vec<String>,
    patience: Duration,
    token: Mutex<Option<HeaderValue>>,
}

/// Sends requests with the token of a program, and with a new one where that is not accepted.
pub(crate) struct TokenTransport {
    pub(crate) transport: BlockingTransport,
    pub(crate) program: TokenProgram,
}

impl HttpTransport for TokenTransport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let (parts, body) = request.into_parts();
        let with = |token: HeaderValue| {
            let mut parts = parts.clone();
            parts.headers.insert(header::AUTHORIZATION, token);
            self.transport
                .fetch(Request::from_parts(parts, body.clone()))
        };
        let token = self.program.token(None)?;
        match with(token.clone()).await {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                with(self.program.token(Some(&token))?).await
            }
            answered => answered,
        }
    }
}

impl TokenProgram {
    /// None if there is no such option.
    pub(crate) fn of(settings: &RemoteSettings) -> Result<Option<Self>, RemoteError> {
        let Some(line) = settings.option(OPTION) else {
            return Ok(None);
        };
        let words = split(line)
            .filter(|words| words.first().is_some_and(|program| !program.is_empty()))
            .ok_or_else(|| {
                settings.invalid(OPTION, "a program and its arguments, quoted as in a shell")
            })?;
        Ok(Some(Self {
            words,
            patience: settings.seconds("timeout")?.unwrap_or(PATIENCE),
            token: Mutex::new(None),
        }))
    }

    /// A token other than the one that was refused. Who comes first asks for all.
    fn token(&self, refused: Option<&HeaderValue>) -> opendal::Result<HeaderValue> {
        let mut known = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = known.as_ref().filter(|token| Some(*token) != refused) {
            return Ok(token.clone());
        }
        *known = None;
        let told = self.run().map_err(|problem| {
            // Not to be tried again: it fails every time.
            let text = format!("the program of `{OPTION}` {problem}");
            Error::new(ErrorKind::PermissionDenied, text)
        })?;
        Ok(known.insert(told).clone())
    }

    /// Without a shell, and with nothing to read.
    fn run(&self) -> Result<HeaderValue, String> {
        let [program, arguments @ ..] = &self.words[..] else {
            return Err("has no name".to_owned());
        };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot be started: {error}"))?;
        let finished = self.wait(&mut child);
        if finished.is_err() {
            // It, or what it started, may have its output open still: nobody waits for that.
            let _ = child.kill();
            let _ = child.wait();
        }
        let token = finished?;
        if token.trim().is_empty() {
            return Err("printed no token".to_owned());
        }
        let value = format!("Bearer {}", token.trim());
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| "printed something that is no token".to_owned())?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// What the program printed.
    fn wait(&self, child: &mut Child) -> Result<String, String> {
        let started = Instant::now();
        let late = || format!("took longer than {} s", self.patience.as_secs_f64());
        let (sender, printed) = channel();
        if let Some(output) = child.stdout.take() {
            thread::spawn(move || {
                let mut text = String::new();
                let read = output.take(LONGEST_TOKEN).read_to_string(&mut text);
                let _ = sender.send(read.map(|_| text));
            });
        }
        let text = match printed.recv_timeout(self.patience) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => return Err("printed something that is no token".to_owned()),
            Err(_) => return Err(late()),
        };
        // It may go on with its output closed.
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if started.elapsed() > self.patience => return Err(late()),
                Ok(None) => thread::sleep(Duration::from_millis(5)),
                Err(error) => return Err(format!("cannot be waited for: {error}")),
            }
        };
        if status.success() {
            Ok(text)
        } else {
            Err(format!("failed ({status})"))
        }
    }
}

/// The words of a line as a shell would take them apart: quotes and backslashes, and nothing else
/// that shells do. None if a quote is not closed.
fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(letters.next()?),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        letter => word.push(letter),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => match letters.next()? {
                            escaped @ ('"' | '\\') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        letter => word.push(letter),
                    }
                }
            }
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart_as_by_a_shell_without_its_other_powers() {
        // As Python's `shlex.split` has them, which DVC uses.
        for (line, words) in [
            ("a b  c", &["a", "b", "c"][..]),
            ("a 'b c' \"d 'e'\" f\\ g", &["a", "b c", "d 'e'", "f g"]),
            ("a'b'\"c\" '' \"\"", &["abc", "", ""]),
            ("\"a \\\" \\\\ \\n\" '\\'", &["a \" \\ \\n", "\\"]),
            (
                "a; b | c > $HOME `d` # e",
                &["a;", "b", "|", "c", ">", "$HOME", "`d`", "#", "e"],
            ),
            ("", &[]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        for open in ["a 'b", "a \"b", "a \\", "\"\\"] {
            assert_eq!(split(open), None, "{open}");
        }
    }

    fn run(line: &str, patience: &str) -> Result<HeaderValue, String> {
        let settings = RemoteSettings::new("r", "webdav://h/x")
            .with(OPTION, line)
            .with("timeout", patience);
        TokenProgram::of(&settings).unwrap().unwrap().run()
    }

    #[test]
    fn what_goes_wrong_is_told_and_what_was_printed_is_not() {
        assert_eq!(run("printf ' t0ken\\n'", "9").unwrap(), "Bearer t0ken");
        for (line, patience, problem) in [
            (
                "sh -c 'echo s3cret; echo s3cret >&2; exit 3'",
                "9",
                "failed (exit status: 3)",
            ),
            (
                "sh -c 'echo s3cret; sleep 20'",
                "0.2",
                "took longer than 0.2 s",
            ),
            (
                "sh -c 'exec >&-; sleep 20'",
                "0.2",
                "took longer than 0.2 s",
            ),
            ("true", "9", "printed no token"),
            (
                "printf 's3cret\\001x'",
                "9",
                "printed something that is no token",
            ),
            ("printf '\\377'", "9", "printed something that is no token"),
            ("/no/such/program", "9", "cannot be started"),
        ] {
            let told = run(line, patience).unwrap_err();
            assert!(told.contains(problem) && !told.contains("s3cret"), "{told}");
        }
        for line in ["", " ", "'' x", "a 'b"] {
            let settings = RemoteSettings::new("r", "webdav://h/x").with(OPTION, line);
            let error = TokenProgram::of(&settings).err().unwrap();
            assert!(error.to_string().contains(OPTION), "{error}");
        }
    }
}
