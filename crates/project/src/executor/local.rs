//! Running a stage's commands on this machine: each in its own process group.

use std::io::{PipeReader, Read, Write, pipe};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::spawn;
use std::time::Duration;

use super::lines::Lines;
use super::transcript::Transcript;
use super::{Executor, Task};
use crate::ProjectError;

/// Runs commands in the work tree.
pub(super) struct Local;

/// Becomes the user's shell with the command `$1`, `$2` in front of the `PATH`.
///
/// Reading `$SHELL` and `$PATH` here keeps the environment out of this library. The shells get the
/// options that DVC gives them, so that nobody's start-up file changes a result.
macro_rules! shell {
    () => {
        r#"
if [ -n "$2" ]; then PATH="$2:$PATH"; export PATH; fi
case "${SHELL##*/}" in
  '') exec /bin/sh -c "$1" ;;
  bash) exec "$SHELL" --noprofile --norc -c "$1" ;;
  zsh) exec "$SHELL" --no-rcs -c "$1" ;;
  *) exec "$SHELL" -c "$1" ;;
esac
"#
    };
}

/// `/bin/sh -c SHELL sh COMMAND [DIRECTORY FOR PATH]` runs a command as all executors do.
pub(super) const SHELL: &str = shell!();

/// The same, watched.
///
/// The guard ends the whole process group when the pipe on standard input closes without a word,
/// which is what happens when ketch dies: a half-dead run must not go on writing outputs. It is a
/// grandchild, so that a command that waits for all its children does not wait for it.
const LAUNCHER: &str = concat!(
    r#"
exec 3<&0
(
  (
    trap '' TERM INT HUP
    read -r _ <&3 || { kill -s TERM -- "-$$"; sleep 5; kill -s KILL -- "-$$"; }
  ) >/dev/null 2>&1 &
)
exec 3<&- </dev/null
"#,
    shell!()
);

/// How many lines may wait to be passed on.
const BACKLOG: usize = 1024;
/// How often to look whether the command has ended though something still holds its output open.
const POLL: Duration = Duration::from_millis(100);

impl Executor for Local {
    /// Runs the commands one after another, each in a shell of its own, until one fails.
    fn run(&self, task: &Task<'_>) -> Result<(), ProjectError> {
        let mut transcript = Transcript::begin(task)?;
        for command in task.stage.spec.commands_to_run() {
            transcript.command(&command)?;
            let status = run_one(&command, task, &mut |line| transcript.line(line))?;
            if !status.success() {
                return Err(transcript.failure(&command, describe(status), status.code()));
            }
        }
        Ok(())
    }

    fn usual_jobs(&self) -> usize {
        1
    }
}

fn run_one(
    command: &str,
    task: &Task<'_>,
    line: &mut dyn FnMut(&str),
) -> Result<ExitStatus, ProjectError> {
    let cannot_start = |source| ProjectError::StageNotStarted {
        stage: task.stage.shown(),
        source,
    };
    let (mut child, guard, output) = start(command, task).map_err(cannot_start)?;
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
    task: &Task<'_>,
) -> std::io::Result<(Child, Option<ChildStdin>, PipeReader)> {
    // One pipe for both, so that what was written first is read first.
    let (output, writer) = pipe()?;
    let mut launcher = Command::new("/bin/sh");
    launcher.args(["-c", LAUNCHER, "sh", command]);
    launcher
        .current_dir(&task.stage.directory)
        .stdin(Stdio::piped())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .env("DVC_ROOT", task.project.root())
        .env("DVC_STAGE", &task.stage.address);
    if let Some(environment) = &task.virtual_environment {
        launcher
            .arg(environment.join("bin"))
            .env("VIRTUAL_ENV", environment)
            .env_remove("PYTHONHOME");
    }
    launcher.envs(task.variables.iter().map(|(name, value)| (name, value)));
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
    let mut lines = Lines::default();
    let mut buffer = [0; 8192];
    let mut listened = true;
    while listened {
        let read = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        lines.push(buffer.get(..read).unwrap_or_default(), |line| {
            listened = listened && sender.send(line).is_ok();
        });
    }
    if let Some(last) = lines.finish() {
        let _ = sender.send(last);
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => status.to_string(),
    }
}
