//! One SSH connection with many requests under way at once.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::packet::{self, Reply, Request};

/// What `ssh` says at most that is worth keeping.
const LONGEST_WORDS: u64 = 16 << 10;

/// How long it may take to say them, when it has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Broken {
    /// What `ssh` said, or what was wrong with what came.
    pub(super) words: String,
    /// There was no answer at all in the time there is.
    pub(super) timed_out: bool,
}

/// What the threads of a connection share.
struct Shared {
    state: Mutex<State>,
}

struct State {
    /// Who waits for which answer; none once the connection is gone.
    waiting: Option<HashMap<u32, Sender<Reply>>>,
    last_sign: Instant,
    timed_out: bool,
    /// What came that was no answer.
    nonsense: Option<String>,
    words: Vec<u8>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Connection {
    shared: Arc<Shared>,
    child: Arc<Mutex<Child>>,
    input: Mutex<Option<ChildStdin>>,
    next: AtomicU32,
    pub(super) extensions: Vec<String>,
    /// Dropped at the end: it stops the one who looks at the clock.
    _alive: Sender<()>,
    /// Ends when everything that `ssh` had to say was said.
    said: Mutex<Receiver<()>>,
}

impl Connection {
    /// Starts `command`, which is to speak SFTP on its input and output.
    ///
    /// `patience` is how long the first answer may take; `idle` is how long a server may be silent
    /// later, while something is asked of it.
    pub(super) fn open(
        mut command: Command,
        patience: Duration,
        idle: Duration,
    ) -> io::Result<Result<Self, Broken>> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let missing = || io::Error::other("a pipe is missing");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let errors = child.stderr.take().ok_or_else(missing)?;
        let child = Arc::new(Mutex::new(child));
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                waiting: Some(HashMap::new()),
                last_sign: Instant::now(),
                timed_out: false,
                nonsense: None,
                words: Vec::new(),
            }),
        });
        let (first, greeting) = channel();
        let (alive, stopped) = channel();
        let (saying, said) = channel();
        {
            let shared = Arc::clone(&shared);
            thread::spawn(move || keep_words(errors, &shared, &saying));
        }
        {
            let shared = Arc::clone(&shared);
            thread::spawn(move || hand_out(output, &first, &shared));
        }
        {
            let (shared, child) = (Arc::clone(&shared), Arc::clone(&child));
            thread::spawn(move || watch(&stopped, idle, &shared, &child));
        }
        let mut connection = Self {
            shared,
            child,
            input: Mutex::new(Some(input)),
            next: AtomicU32::new(0),
            extensions: Vec::new(),
            _alive: alive,
            said: Mutex::new(said),
        };
        // The version stands where others have their identifier.
        let _ = connection.send(&Request::new(packet::INIT, 3).finish());
        let greeting = greeting.recv_timeout(patience);
        if matches!(greeting, Err(RecvTimeoutError::Timeout)) {
            connection.shared.state().timed_out = true;
        }
        let Ok(greeting) = greeting else {
            return Ok(Err(connection.broken()));
        };
        match packet::extensions(&greeting) {
            Ok(extensions) => connection.extensions = extensions,
            Err(error) => {
                connection.shared.state().nonsense = Some(error.to_string());
                return Ok(Err(connection.broken()));
            }
        }
        Ok(Ok(connection))
    }

    pub(super) fn is_up(&self) -> bool {
        self.shared.state().waiting.is_some()
    }

    /// Sends a request; the answer is received from what is returned.
    pub(super) fn ask(
        &self,
        kind: u8,
        fields: impl FnOnce(Request) -> Request,
    ) -> Result<Receiver<Reply>, Broken> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = channel();
        {
            let mut state = self.shared.state();
            let now = Instant::now();
            let Some(waiting) = &mut state.waiting else {
                drop(state);
                return Err(self.broken());
            };
            let first = waiting.is_empty();
            waiting.insert(id, sender);
            if first {
                // Silence before anything was asked is none.
                state.last_sign = now;
            }
        }
        let request = fields(Request::new(kind, id)).finish();
        self.send(&request).map_err(|_| self.broken())?;
        Ok(receiver)
    }

    pub(super) fn answer(&self, receiver: &Receiver<Reply>) -> Result<Reply, Broken> {
        receiver.recv().map_err(|_| self.broken())
    }

    fn send(&self, packet: &[u8]) -> io::Result<()> {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let pipe = input.as_mut().ok_or_else(gone)?;
        pipe.write_all(packet)?;
        pipe.flush()?;
        self.shared.state().last_sign = Instant::now();
        Ok(())
    }

    /// Ends the connection; why, as far as anybody knows.
    fn broken(&self) -> Broken {
        self.end();
        // A program that `ssh` started may hold its output open for longer.
        let _ = self
            .said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv_timeout(LAST_WORDS);
        let state = self.shared.state();
        let words = match &state.nonsense {
            Some(nonsense) => nonsense.clone(),
            None => String::from_utf8_lossy(&state.words).into_owned(),
        };
        Broken {
            words,
            timed_out: state.timed_out,
        }
    }

    fn end(&self) {
        self.shared.state().waiting = None;
        kill(&self.child);
        // Whoever is in the middle of sending is let go by the pipe's other end.
        if let Ok(mut input) = self.input.try_lock() {
            *input = None;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end();
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.wait();
    }
}

fn kill(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = child.kill();
}

/// Gives each answer to who waits for it, until there are no more.
fn hand_out(output: impl Read, first: &Sender<Vec<u8>>, shared: &Shared) {
    let mut output = BufReader::with_capacity(1 << 16, output);
    let mut greeted = false;
    let nonsense = loop {
        let body = match packet::read_packet(&mut output) {
            Ok(body) => body,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => break Some(error),
            Err(_) => break None,
        };
        if !greeted {
            greeted = true;
            shared.state().last_sign = Instant::now();
            if first.send(body).is_err() {
                break None;
            }
            continue;
        }
        let (id, reply) = match packet::parse_reply(&body) {
            Ok(parsed) => parsed,
            Err(error) => break Some(error),
        };
        let mut state = shared.state();
        state.last_sign = Instant::now();
        let Some(waiting) = &mut state.waiting else {
            break None;
        };
        if let Some(sender) = waiting.remove(&id) {
            // Whoever asked may have given up.
            let _ = sender.send(reply);
        }
    };
    let mut state = shared.state();
    if state.waiting.take().is_some() {
        state.nonsense = nonsense.map(|error| error.to_string());
    }
}

/// Until its end; `_saying` is dropped then.
fn keep_words(errors: impl Read, shared: &Shared, _saying: &Sender<()>) {
    let mut errors = errors.take(LONGEST_WORDS);
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = errors.read(&mut buffer) {
        let mut state = shared.state();
        state.words.extend(buffer.get(..read).unwrap_or_default());
    }
}

/// Ends a connection that owes an answer and is silent.
fn watch(stopped: &Receiver<()>, idle: Duration, shared: &Shared, child: &Mutex<Child>) {
    let pause = (idle / 8).min(Duration::from_millis(500));
    while matches!(stopped.recv_timeout(pause), Err(RecvTimeoutError::Timeout)) {
        let mut state = shared.state();
        let owes = match &state.waiting {
            Some(waiting) => !waiting.is_empty(),
            None => return,
        };
        if owes && state.last_sign.elapsed() > idle {
            state.timed_out = true;
            // Now, and not at the end of the output: what `ssh` started may hold it open.
            state.waiting = None;
            drop(state);
            kill(child);
            return;
        }
    }
}
