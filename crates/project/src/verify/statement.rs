//! Statements about what was verified, for others to rely on.
//!
//! A statement is one of in-toto (Statement v1) whose predicate is a verification summary of SLSA
//! (`https://slsa.dev/verification_summary/v1`): who verified which commit, when, and with what
//! result. Its subjects are the commit and every output by the hash that `dvc.lock` has. What
//! `ketch verify` found is in the field `ketch`, which others pass over. Its signature, beside it
//! with `.sig`, is one of SSH (`ssh-keygen -Y`, in the namespace [`NAMESPACE`]).

use std::fmt::Write as _;
use std::io;
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use ketch_store::write_atomically;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Verdict, VerifyError, VerifyReport};
use crate::snapshot::{Blobs, Snapshot};
use crate::{CommitId, Project, ProjectError};

const TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://slsa.dev/verification_summary/v1";
/// What SSH signs along, so that a signature for something else is none for this.
const NAMESPACE: &str = "ketch-verify";
// The names of digests: of a file, of the manifest of a directory (DVC's), of a commit (in-toto's).
const FILE: &str = "md5";
const DIRECTORY: &str = "dvcDirectoryMd5";
const COMMIT: &str = "gitCommit";

/// Who signs a statement.
#[derive(Debug, Clone)]
pub struct StatementSigner {
    /// A private key, or the public one of a key that the SSH agent has.
    pub key: Utf8PathBuf,
}

/// What is stated: the text of the statement. `version` is the program's.
pub fn statement(
    project: &Project,
    report: &VerifyReport,
    version: &str,
    time: SystemTime,
) -> Result<String, ProjectError> {
    let commit = report.commit.as_str();
    let mut subjects = vec![json!({ "name": "commit", "digest": { COMMIT: commit } })];
    for output in report.stages.iter().flat_map(|stage| &stage.outputs) {
        if let Some(recorded) = &output.recorded {
            subjects.push(json!({ "name": output.path, "digest": digest(recorded) }));
        }
    }
    let (result, levels) = match report.verdict {
        Verdict::Equal => ("PASSED", vec!["KETCH_REBUILT_EQUAL"]),
        Verdict::Equivalent => ("PASSED", vec!["KETCH_REBUILT_EQUIVALENT"]),
        Verdict::Different => ("FAILED", Vec::new()),
    };
    let lock = project
        .git()
        .show(&report.commit, Utf8Path::new("dvc.lock"));
    let lock = lock.map(|text| hex(&Sha256::digest(text.as_bytes())));
    let mut policy = json!({ "uri": "dvc.lock" });
    if let (Ok(lock), Some(policy)) = (lock, policy.as_object_mut()) {
        policy.insert("digest".to_owned(), json!({ "sha256": lock }));
    }
    let time = Timestamp::try_from(time).unwrap_or_default();
    let statement = json!({
        "_type": TYPE,
        "subject": subjects,
        "predicateType": PREDICATE,
        "predicate": {
            "verifier": {
                "id": format!("pkg:cargo/ketch@{version}"),
                "version": { "ketch": version },
            },
            "timeVerified": format!("{time:.0}"),
            "resourceUri": format!("git:{commit}"),
            "policy": policy,
            "verificationResult": result,
            "verifiedLevels": levels,
            "ketch": report,
        },
    });
    let mut text = serde_json::to_string_pretty(&statement).map_err(io::Error::from)?;
    text.push('\n');
    Ok(text)
}

/// Writes a statement, whole or not at all.
pub fn write_statement(path: &Utf8Path, text: &str) -> Result<(), ProjectError> {
    Ok(write_atomically(path, text.as_bytes())?)
}

/// Signs the statement in a file, and returns where the signature is.
pub fn sign_statement(
    path: &Utf8Path,
    signer: &StatementSigner,
) -> Result<Utf8PathBuf, ProjectError> {
    let signature = signature_of(path);
    // Of another statement; `ssh-keygen` would ask.
    crate::paths::remove(&signature)?;
    let key = signer.key.as_str();
    let output = ssh_keygen(
        &["-Y", "sign", "-n", NAMESPACE, "-f", key, path.as_str()],
        None,
    )?;
    if !output.status.success() || !signature.exists() {
        return Err(VerifyError::NotSigned {
            path: path.to_owned(),
            message: last_words(&output),
        }
        .into());
    }
    Ok(signature)
}

/// Which statement to check, and whose signatures count.
#[derive(Debug, Clone)]
pub struct CheckStatementOptions {
    pub statement: Utf8PathBuf,
    /// As `ssh-keygen` wants it; what Git's `gpg.ssh.allowedSignersFile` names if not given.
    pub allowed_signers: Option<Utf8PathBuf>,
}

/// What a statement says, and whether that holds here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckedStatement {
    pub commit: String,
    /// When it was verified.
    pub time: Option<String>,
    /// Whether what was verified was as recorded.
    pub passed: bool,
    /// Who signed it, of those whose signatures count.
    pub signer: Option<String>,
    /// How many outputs it is about.
    pub outputs: usize,
    /// Why it is not to be relied on; empty if it is.
    pub problems: Vec<String>,
}

/// Checks that somebody whose word counts signed a statement, and that it is about what this
/// repository has.
///
/// # Errors
///
/// A file that is no statement, or has no signature; nobody whose signature counts. That it does
/// not hold is among the problems.
pub fn check_statement(
    project: &Project,
    options: &CheckStatementOptions,
) -> Result<CheckedStatement, ProjectError> {
    let path = &options.statement;
    let text = fs_err::read_to_string(path)?;
    let wrong = |message: String| VerifyError::NoStatement {
        path: path.clone(),
        message,
    };
    let statement: Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    for (field, wanted) in [("_type", TYPE), ("predicateType", PREDICATE)] {
        if statement.get(field).and_then(Value::as_str) != Some(wanted) {
            return Err(wrong(format!("its `{field}` is not `{wanted}`")).into());
        }
    }
    let subjects = statement.get("subject").and_then(Value::as_array);
    let subjects = subjects.ok_or_else(|| wrong("it has no `subject`".to_owned()))?;
    let commit = subjects.iter().find_map(|subject| {
        let commit = subject.get("digest")?.get(COMMIT)?.as_str()?;
        CommitId::from_hex(commit)
    });
    let commit = commit.ok_or_else(|| wrong("it names no commit".to_owned()))?;
    let predicate = |field: &str| statement.get("predicate")?.get(field)?.as_str();
    let mut checked = CheckedStatement {
        commit: commit.to_string(),
        time: predicate("timeVerified").map(str::to_owned),
        passed: predicate("verificationResult") == Some("PASSED"),
        signer: None,
        outputs: subjects.len().saturating_sub(1),
        problems: Vec::new(),
    };
    match signer(project, options, &text)? {
        Ok(signer) => checked.signer = Some(signer),
        Err(problem) => checked.problems.push(problem),
    }
    if !checked.passed {
        let problem = "it says that the results were not as recorded";
        checked.problems.push(problem.to_owned());
    }
    match project.git().resolve(commit.as_str()) {
        Ok(commit) => checked
            .problems
            .extend(not_as_recorded(project, &commit, subjects)?),
        Err(ProjectError::UnknownRevision { .. }) => checked
            .problems
            .push(format!("its commit {commit} is not in this repository")),
        Err(error) => return Err(error),
    }
    Ok(checked)
}

/// Who signed it; or why nobody whose signature counts did.
fn signer(
    project: &Project,
    options: &CheckStatementOptions,
    text: &str,
) -> Result<Result<String, String>, ProjectError> {
    let path = &options.statement;
    let signature = signature_of(path);
    if !signature.exists() {
        let path = path.clone();
        return Err(VerifyError::NoSignature { path, signature }.into());
    }
    let of_git = || {
        let asked = ["config", "--type=path", "gpg.ssh.allowedSignersFile"];
        let answer = project.git().run(&asked).ok()?;
        let name = answer.trim_end();
        (!name.is_empty()).then(|| Utf8PathBuf::from(name))
    };
    let allowed = options.allowed_signers.clone().or_else(of_git);
    let allowed = allowed.ok_or(VerifyError::NoAllowedSigners)?;
    fs_err::metadata(&allowed)?;
    let (signature, allowed) = (signature.as_str(), allowed.as_str());
    let find = ["-Y", "find-principals", "-s", signature, "-f", allowed];
    let found = ssh_keygen(&find, None)?;
    let names = String::from_utf8_lossy(&found.stdout);
    let Some(name) = names.lines().next().filter(|_| found.status.success()) else {
        return Ok(Err("nobody whose signature counts has signed it".to_owned()));
    };
    let verify = [
        "-Y", "verify", "-n", NAMESPACE, "-s", signature, "-f", allowed,
    ];
    let output = ssh_keygen(&[&verify[..], &["-I", name]].concat(), Some(text))?;
    Ok(if output.status.success() {
        Ok(name.to_owned())
    } else {
        let words = last_words(&output);
        Err(format!("the signature of {name} does not hold: {words}"))
    })
}

/// The subjects that the commit does not record so.
fn not_as_recorded(
    project: &Project,
    commit: &CommitId,
    subjects: &[Value],
) -> Result<Vec<String>, ProjectError> {
    let blobs = Blobs::default();
    let recorded = Snapshot::of_commit(project, commit, &blobs)?.entries()?;
    let mut problems = Vec::new();
    for subject in subjects {
        let digest_said = subject.get("digest");
        if digest_said.is_some_and(|digest| digest.get(COMMIT).is_some()) {
            continue;
        }
        let name = subject.get("name").and_then(Value::as_str).unwrap_or("");
        let is_so = recorded.iter().any(|(path, entry)| {
            let id = entry.md5.as_ref().map(ToString::to_string);
            path == name && id.is_some_and(|id| Some(&digest(&id)) == digest_said)
        });
        if !is_so {
            problems.push(format!("the commit does not record `{name}` so"));
        }
    }
    Ok(problems)
}

fn digest(recorded: &str) -> Value {
    match recorded.strip_suffix(".dir") {
        Some(directory) => json!({ DIRECTORY: directory }),
        None => json!({ FILE: recorded }),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A `String` takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn signature_of(path: &Utf8Path) -> Utf8PathBuf {
    format!("{path}.sig").into()
}

fn ssh_keygen(arguments: &[&str], input: Option<&str>) -> Result<Output, VerifyError> {
    let cannot = |source| VerifyError::NoSshKeygen { source };
    let mut command = Command::new("ssh-keygen");
    command
        .args(arguments)
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(cannot)?;
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        // Where it does not read to the end, it says why.
        let _ = io::Write::write_all(&mut pipe, input.as_bytes());
    }
    child.wait_with_output().map_err(cannot)
}

fn last_words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.unwrap_or("it failed without a word").trim().to_owned()
}
