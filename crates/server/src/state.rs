//! What every handler can reach.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
};

use camino::Utf8PathBuf;
use ketch_control::{Clock, ModelHandle};

use crate::error::ServerError;

/// What a server answers for.
pub struct ServerOptions {
    /// The models by name.
    pub models: BTreeMap<String, Arc<ModelHandle>>,
    /// The tracking database, for the list of versions.
    pub tracking: Utf8PathBuf,
    /// The token that changes need.
    pub token: String,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// The version of ketch.
    pub version: &'static str,
}

impl std::fmt::Debug for ServerOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the token.
        formatter
            .debug_struct("ServerOptions")
            .field("models", &self.models)
            .finish_non_exhaustive()
    }
}

/// Binds a socket on loopback; port 0 takes any free one.
pub fn bind(port: u16) -> Result<TcpListener, ServerError> {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    TcpListener::bind(address).map_err(|source| ServerError::Bind { address, source })
}
