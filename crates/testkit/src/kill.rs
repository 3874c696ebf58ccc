//! Processes that are killed at a chosen moment.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::thread;

use crate::output::CommandOutput;

/// Starts `command` and kills it (SIGKILL: it cannot clean up) as soon as it prints a line on
/// standard output that contains `needle`. Returns all that it printed, also after that line.
///
/// # Panics
///
/// When it ends by itself without such a line; the message shows what it printed.
pub fn kill_after_line(mut command: Command, needle: &str) -> CommandOutput {
    let program = command.get_program().display().to_string();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
    let mut lines = BufReader::new(child.stdout.take().expect("a piped standard output"));
    let mut errors = child.stderr.take().expect("a piped standard error");
    // Read beside: a full pipe would stop the child before it prints the line.
    let errors = thread::spawn(move || {
        let mut text = Vec::new();
        errors
            .read_to_end(&mut text)
            .expect("a standard error that can be read");
        text
    });

    let mut stdout = Vec::new();
    let mut killed = false;
    loop {
        let begin = stdout.len();
        let read = lines
            .read_until(b'\n', &mut stdout)
            .expect("a standard output to read");
        if read == 0 {
            break;
        }
        if !killed && String::from_utf8_lossy(&stdout[begin..]).contains(needle) {
            child.kill().expect("a child that can be killed");
            killed = true;
        }
    }
    let status = child.wait().expect("a child to wait for");
    let stderr = errors.join().expect("the reader of standard error");
    let output = CommandOutput::from(std::process::Output {
        status,
        stdout,
        stderr,
    });
    assert!(
        killed,
        "{program} ended without printing `{needle}`:\n{output}"
    );
    output
}
