//! Ctrl-C and SIGTERM.

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::CommandError;

/// What a shell shows for a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Both signals, caught from the moment this is made.
pub(crate) struct StopSignals {
    runtime: Runtime,
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    pub(crate) fn catch() -> Result<Self, CommandError> {
        let cannot = |source| CommandError::from(source).context("cannot listen for signals");
        let runtime = Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(cannot)?;
        let guard = runtime.enter();
        let interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
        let terminate = signal(SignalKind::terminate()).map_err(cannot)?;
        drop(guard);
        Ok(Self {
            runtime,
            interrupt,
            terminate,
        })
    }

    /// Waits for one of them. From then on another one ends the program at once, which loses
    /// nothing: what counts is durable before it is acted upon.
    pub(crate) fn wait(mut self) {
        self.next();
        std::thread::spawn(move || {
            self.next();
            std::process::exit(INTERRUPTED);
        });
    }

    /// Does something at the first of them, in a thread; another one ends the program at once.
    pub(crate) fn then(self, act: impl FnOnce() + Send + 'static) {
        std::thread::spawn(move || {
            self.wait();
            act();
        });
    }

    fn next(&mut self) {
        let Self {
            runtime,
            interrupt,
            terminate,
        } = self;
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
    }
}
