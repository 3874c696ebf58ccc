//! Passwords that a person is asked for.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

/// What was answered before, so that one command asks once.
static ANSWERS: Mutex<BTreeMap<(String, Option<String>), String>> = Mutex::new(BTreeMap::new());

/// Asks at the terminal, where what is typed is not shown.
pub(crate) fn ask(url: &str, user: Option<&str>) -> io::Result<String> {
    let mut answers = ANSWERS
        .lock()
        .map_err(|_| io::Error::other("another question was cut off"))?;
    let asked = (url.to_owned(), user.map(str::to_owned));
    if let Some(answer) = answers.get(&asked) {
        return Ok(answer.clone());
    }
    let whose = user.map_or_else(String::new, |user| format!(" of {user}"));
    let answer = rpassword::prompt_password(format!("Password{whose} for {url}: "))?;
    answers.insert(asked, answer.clone());
    Ok(answer)
}
