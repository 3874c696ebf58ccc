//! HTTP in front of ketch: the Open Inference Protocol, labels, the loop's controls and the page.
//!
//! This crate owns the translation between HTTP and the use-cases below it, and nothing else: no
//! decision, no statistics, no file. It binds to loopback, answers only requests addressed to it
//! by a loopback name (so that no web page can reach it through a name of its own), limits every
//! body, and asks for a token wherever something is changed.

#![forbid(unsafe_code)]

mod api;
mod error;
mod guard;
mod page;
mod state;
mod token;

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use axum::{Router, extract::DefaultBodyLimit, middleware, routing::get};
use tokio::sync::oneshot;

pub use error::ServerError;
pub use state::{ServerOptions, bind};
pub use token::read_or_make_token;

/// Largest body of a request.
const MAXIMUM_BODY: usize = 16 << 20;

/// Longest time that requests in flight have to finish in when the server stops.
const DRAIN: Duration = Duration::from_secs(5);

/// A server that answers until it is stopped.
#[derive(Debug)]
pub struct RunningServer {
    address: SocketAddr,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    thread: Mutex<Option<JoinHandle<Result<(), ServerError>>>>,
}

/// Starts a server on a socket that is bound already, in threads of its own.
pub fn start(listener: TcpListener, options: ServerOptions) -> Result<RunningServer, ServerError> {
    let address = listener.local_addr().map_err(ServerError::Serve)?;
    listener.set_nonblocking(true).map_err(ServerError::Serve)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("server")
        .enable_all()
        .build()
        .map_err(ServerError::Serve)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let router = router(options);
    let thread = std::thread::Builder::new()
        .name("server".to_owned())
        .spawn(move || {
            runtime
                .block_on(async {
                    let listener = tokio::net::TcpListener::from_std(listener)?;
                    let (draining, drain) = oneshot::channel::<()>();
                    let serve = axum::serve(listener, router).with_graceful_shutdown(async move {
                        // Both a signal and a handle that is gone mean: stop.
                        let _ = stopped.await;
                        let _ = draining.send(());
                    });
                    tokio::select! {
                        served = serve.into_future() => served,
                        // Somebody who sends half a request must not keep the server.
                        () = async {
                            let _ = drain.await;
                            tokio::time::sleep(DRAIN).await;
                        } => Ok(()),
                    }
                })
                .map_err(ServerError::Serve)
        })
        .map_err(ServerError::Serve)?;
    Ok(RunningServer {
        address,
        stop: Mutex::new(Some(stop)),
        thread: Mutex::new(Some(thread)),
    })
}

impl RunningServer {
    /// Where the server answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Finishes the requests in flight, for five seconds at most, and stops.
    pub fn stop(&self) -> Result<(), ServerError> {
        let stop = self
            .stop
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(stop) = stop {
            // Fails when the server has stopped already.
            let _ = stop.send(());
        }
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match thread {
            Some(thread) => thread.join().map_err(|_| ServerError::Panicked)?,
            None => Ok(()),
        }
    }
}

fn router(options: ServerOptions) -> Router {
    let state = Arc::new(options);
    Router::new()
        .route("/", get(page::home))
        .route("/models/{model}", get(page::model))
        .merge(api::inference::routes())
        .merge(api::labels::routes())
        .merge(api::control::routes())
        .fallback(error::not_found)
        .layer(DefaultBodyLimit::max(MAXIMUM_BODY))
        .layer(middleware::from_fn(guard::plain_bodies_only))
        .layer(middleware::from_fn(guard::loopback_names_only))
        .layer(middleware::map_response(error::in_json))
        .with_state(state)
}
