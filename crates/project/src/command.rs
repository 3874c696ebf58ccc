//! Running a stage's command: in its own process group, every line of output passed on and logged.

use std::collections::VecDeque;
use std::io::{PipeReader, Read, Write, pipe};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::spawn;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use crate::{ProjectError, StageFailure};

/// What a command runs in.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) stage: &'a str,
    pub(crate) directory: &'a Utf8Path,
    pub(crate) root: &'a Utf8Path,
    pub(crate) virtual_environment: Option<Utf8PathBuf>,
    pub(crate) variables: &'a [(String, String)],
    /// The whole path of the log; made anew.
    pub(crate) log: &'a Utf8Path,
}

/// Runs as `/bin/sh -c LAUNCHER sh COMMAND [DIRECTORY FOR PATH]`.
///
/// Reading `$SHELL` and `$PATH` here keeps the environment out of this library. The guard ends the
/// whole process group when the pipe on standard input closes without a word, which is what
/// happens when ketch dies: a half-dead run must not go on writing outputs. It is a grandchild, so
/// that a command that waits for all its children does not wait for it. The shells get the options
/// that DVC gives them, so that nobody's start-up file changes a result.
const LAUNCHER: &str = r#"
exec 3<&0
(
  (
    trap '' TERM INT HUP
    read -r _ <&3 || { kill -s TERM -- "-$$"; sleep 5; kill -s KILL -- "-$$"; }
  ) >/dev/null 2>&1 &
)
exec 3<&- </dev/null
if [ -n "$2" ]; then PATH="$2:$PATH"; export PATH; fi
case "${SHELL##*/}" in
  '') exec /bin/sh -c "$1" ;;
  bash) exec "$SHELL" --noprofile --norc -c "$1" ;;
  zsh) exec "$SHELL" --no-rcs -c "$1" ;;
  *) exec "$SHELL" -c "$1" ;;
esac
"#;

/// How many of the last lines an error carries.
const TAIL: usize = 20;
/// A line is passed on in pieces of at most this many bytes.
const LONGEST_LINE: usize = 1 << 16;
/// How many lines may wait to be passed on.
const BACKLOG: usize = 1024;
/// How often to look whether the command has ended though something still holds its output open.
const POLL: Duration = Duration::from_millis(100);

/// Runs the commands one after another, each in a shell of its own, until one fails.
pub(crate) fn run(
    commands: &[String],
    surroundings: &Surroundings<'_>,
    pass_on: &mut dyn FnMut(&str),
) -> Result<(), ProjectError> {
    if let Some(directory) = surroundings.log.parent() {
        fs_err::create_dir_all(directory)?;
    }
    let mut log = fs_err::File::create(surroundings.log)?;
    let mut tail = VecDeque::with_capacity(TAIL);
    for command in commands {
        writeln!(log, "$ {command}")?;
        let status = run_one(command, surroundings, &mut |line| {
            // A full disk must not end a run that does well otherwise.
            let _ = writeln!(log, "{line}");
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(line.to_owned());
            pass_on(line);
        })?;
        if !status.success() {
            return Err(ProjectError::StageFailed(Box::new(StageFailure {
                stage: surroundings.stage.to_owned(),
                command: command.clone(),
                status: describe(status),
                code: status.code(),
                tail: tail.into(),
                log: surroundings.log.to_owned(),
            })));
        }
    }
    Ok(())
}

fn run_one(
    command: &str,
    surroundings: &Surroundings<'_>,
    line: &mut dyn FnMut(&str),
) -> Result<ExitStatus, ProjectError> {
    let cannot_start = |source| ProjectError::StageNotStarted {
        stage: format!("stage `{}`", surroundings.stage),
        source,
    };
    let (mut child, guard, output) = start(command, surroundings).map_err(cannot_start)?;
    let (sender, lines) = sync_channel(BACKLOG);
    spawn(move || split_lines(output, &sender));
    let mut since_look = 0;
    let status = loop {
        match lines.recv_timeout(POLL) {
            Err(RecvTimeoutError::Disconnected) => break child.wait().map_err(cannot_start)?,
            Ok(text) if since_look < BACKLOG => {
                line(&text);
                since_look += 1;
                continue;
            }
            Ok(text) => line(&text),
            Err(RecvTimeoutError::Timeout) => {}
        }
        // Something the command left behind may hold its output open, or write, for ever.
        since_look = 0;
        if let Some(status) = child.try_wait().map_err(cannot_start)? {
            break status;
        }
    };
    for text in lines.try_iter().take(BACKLOG) {
        line(&text);
    }
    release(guard);
    Ok(status)
}

fn start(
    command: &str,
    surroundings: &Surroundings<'_>,
) -> std::io::Result<(Child, Option<ChildStdin>, PipeReader)> {
    // One pipe for both, so that what was written first is read first.
    let (output, writer) = pipe()?;
    let mut launcher = Command::new("/bin/sh");
    launcher.args(["-c", LAUNCHER, "sh", command]);
    launcher
        .current_dir(surroundings.directory)
        .stdin(Stdio::piped())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .env("DVC_ROOT", surroundings.root)
        .env("DVC_STAGE", surroundings.stage);
    if let Some(environment) = &surroundings.virtual_environment {
        launcher
            .arg(environment.join("bin"))
            .env("VIRTUAL_ENV", environment)
            .env_remove("PYTHONHOME");
    }
    launcher.envs(
        surroundings
            .variables
            .iter()
            .map(|(name, value)| (name, value)),
    );
    let mut child = launcher.spawn()?;
    let guard = child.stdin.take();
    Ok((child, guard, output))
}

/// Tells the guard that all is well.
fn release(guard: Option<ChildStdin>) {
    if let Some(mut guard) = guard {
        let _ = guard.write_all(b"\n");
    }
}

fn split_lines(mut source: impl Read, sender: &SyncSender<String>) {
    let mut pending: Vec<u8> = Vec::new();
    let mut buffer = [0; 8192];
    let send = |bytes: &[u8]| {
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        sender
            .send(String::from_utf8_lossy(bytes).into_owned())
            .is_ok()
    };
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        pending.extend_from_slice(buffer.get(..read).unwrap_or_default());
        let mut begin = 0;
        while let Some(rest) = pending.get(begin..)
            && let Some(length) = rest.iter().position(|byte| *byte == b'\n')
        {
            if !send(rest.get(..length).unwrap_or_default()) {
                return;
            }
            begin += length + 1;
        }
        pending.drain(..begin);
        if pending.len() >= LONGEST_LINE {
            if !send(&pending) {
                return;
            }
            pending.clear();
        }
    }
    if !pending.is_empty() {
        send(&pending);
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8]) -> Vec<String> {
        let (sender, receiver) = sync_channel(BACKLOG);
        split_lines(input, &sender);
        drop(sender);
        receiver.iter().collect()
    }

    #[test]
    fn splits_lines() {
        assert_eq!(lines(b"a\nb\r\n\nlast"), ["a", "b", "", "last"]);
        assert_eq!(lines(b"\xff\n"), ["\u{fffd}"]);
        assert!(lines(b"").is_empty());
        let long = vec![b'x'; 3 * LONGEST_LINE];
        assert!(lines(&long).len() >= 3);
    }
}
