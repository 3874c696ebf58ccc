//! What Slurm is handed in: a script for one attempt, and the arguments of `sbatch`.

use std::fmt::Write;

use camino::Utf8Path;

use super::super::Task;
use super::super::local::SHELL;
use super::attempt::Attempt;
use crate::{SlurmAsks, SlurmConfig};

/// The end of a script that is not to run: `EX_TEMPFAIL` of `sysexits.h`.
const NOT_MINE: u8 = 75;

/// The script of one attempt. Its last words are a file `rc`, put there by renaming: the token, the
/// exit code and which command it is of, from 0.
///
/// Should Slurm start it twice, the second start finds `started` and ends: a folder is made by one
/// of them only, on any file system.
pub(super) fn text(task: &Task<'_>, attempt: &Attempt, directory: &Utf8Path) -> String {
    let mut script = format!(
        "#!/bin/sh\n\
         # One attempt at stage `{stage}`, written by ketch.\n\
         attempt={folder}\n\
         mkdir \"$attempt/started\" || exit {NOT_MINE}\n\
         cd {directory} || exit\n\
         export DVC_ROOT={root} DVC_STAGE={stage_quoted}\n",
        stage = task.stage.address.replace(char::is_control, " "),
        folder = quoted(attempt.folder().as_str()),
        directory = quoted(directory.as_str()),
        root = quoted(attempt.tree().as_str()),
        stage_quoted = quoted(&task.stage.address),
    );
    let mut programs = String::new();
    if let Some(environment) = &task.virtual_environment {
        programs = environment.join("bin").into_string();
        let place = quoted(environment.as_str());
        // A `String` takes everything.
        let _ = writeln!(script, "unset PYTHONHOME; export VIRTUAL_ENV={place}");
    }
    for (name, value) in task.variables {
        let _ = writeln!(script, "export {name}={}", quoted(value));
    }
    let _ = write!(
        script,
        "end() {{\n\
         \x20 printf '%s %s %s\\n' {token} \"$1\" \"$2\" >\"$attempt/rc.$$\"\n\
         \x20 mv -f \"$attempt/rc.$$\" \"$attempt/rc\"\n\
         \x20 exit \"$1\"\n\
         }}\n\
         run() {{\n\
         \x20 [ ! -e \"$attempt/abandoned\" ] || exit {NOT_MINE}\n\
         \x20 /bin/sh -c {shell} sh \"$2\" {programs} >\"$attempt/output-$1\" 2>&1 </dev/null\n\
         \x20 code=$?\n\
         \x20 [ \"$code\" = 0 ] || end \"$code\" \"$1\"\n\
         }}\n",
        token = quoted(attempt.token()),
        shell = quoted(SHELL),
        programs = quoted(&programs),
    );
    let commands = task.stage.spec.commands_to_run();
    for (number, command) in commands.iter().enumerate() {
        let _ = writeln!(script, "run {number} {}", quoted(command));
    }
    let _ = writeln!(script, "end 0 {}", commands.len());
    script
}

/// What `sbatch` is called with.
pub(super) fn arguments(config: &SlurmConfig, task: &Task<'_>, attempt: &Attempt) -> Vec<String> {
    let mut arguments = vec![
        "--parsable".to_owned(),
        // Another attempt is ours to begin, in another folder.
        "--no-requeue".to_owned(),
        // What a stage runs in here it runs in there.
        "--export=ALL".to_owned(),
        format!("--job-name={}", attempt.job_name()),
        format!("--chdir={}", attempt.folder()),
        // `%` begins a pattern.
        format!("--output={}", attempt.words().as_str().replace('%', "%%")),
    ];
    arguments.extend(asked(config, task));
    arguments.push(attempt.script().into_string());
    arguments
}

/// What `ketch.toml` asks for a stage, its own first, as arguments.
pub(super) fn asked(config: &SlurmConfig, task: &Task<'_>) -> Vec<String> {
    let group = task.stage.group_address();
    let of_group = group.and_then(|group| config.stage.get(&group));
    let own = config.stage.get(&task.stage.address).or(of_group);
    let every = &config.every;
    let text = |of: fn(&SlurmAsks) -> &Option<String>| {
        own.and_then(|own| of(own).as_ref())
            .or(of(every).as_ref())
            .cloned()
    };
    let count = |of: fn(&SlurmAsks) -> Option<u64>| own.and_then(of).or(of(every));
    let asks = [
        ("--partition=", text(|asks| &asks.partition)),
        ("--account=", text(|asks| &asks.account)),
        ("--time=", text(|asks| &asks.time)),
        (
            "--cpus-per-task=",
            count(|asks| asks.cpus).map(|count| count.to_string()),
        ),
        ("--mem=", text(|asks| &asks.memory)),
        (
            "--gres=gpu:",
            count(|asks| asks.gpus)
                .filter(|count| *count > 0)
                .map(|count| count.to_string()),
        ),
    ];
    let mut arguments: Vec<String> = asks
        .into_iter()
        .filter_map(|(option, value)| Some(format!("{option}{}", value?)))
        .collect();
    let further = own.map_or(&[][..], |own| own.arguments.as_slice());
    arguments.extend(every.arguments.iter().chain(further).cloned());
    arguments
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_a_quoted_text_as_it_is() {
        for text in ["", "a b", "it's $HOME `x` \"\\", "two\nlines", "-n"] {
            let script = format!("printf '%s.' {}", quoted(text));
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(
                String::from_utf8(output.stdout).unwrap(),
                format!("{text}.")
            );
        }
    }
}
