//! Requests that are changed on their way are signed anew.
//!
//! `OpenDAL` signs before it hands a request to its transport. What changes the request there has to
//! sign once more, with the same credentials.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use opendal::{Error, ErrorKind};
use reqsign_core::{Context, ProvideCredential, ProvideCredentialChain, SignRequest};
use ureq::http::header;
use ureq::http::request::Parts;

/// What signed the last request, once there was one.
pub(crate) struct LastCredential<C>(Arc<Mutex<Option<C>>>);

impl<C> Default for LastCredential<C> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<C> Clone for LastCredential<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Clone + Send + Sync + Unpin + 'static> LastCredential<C> {
    /// The same source, whose credentials are kept in mind here.
    pub(crate) fn of(&self, chain: ProvideCredentialChain<C>) -> ProvideCredentialChain<C> {
        ProvideCredentialChain::new().push(Remembered {
            chain,
            last: self.clone(),
        })
    }

    /// Signs a request that was signed before; `what` says what for.
    pub(super) async fn sign_again(
        &self,
        parts: &mut Parts,
        signer: &impl SignRequest<Credential = C>,
        what: &str,
    ) -> opendal::Result<()> {
        parts.headers.remove(header::AUTHORIZATION);
        let last = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        signer
            .sign_request(&Context::new(), parts, last.as_ref(), None)
            .await
            .map_err(|error| {
                Error::new(ErrorKind::Unexpected, format!("cannot sign {what}")).set_source(error)
            })?;
        // The client says it, in the way of the protocol that it talks.
        parts.headers.remove(header::HOST);
        Ok(())
    }
}

struct Remembered<C> {
    chain: ProvideCredentialChain<C>,
    last: LastCredential<C>,
}

impl<C> fmt::Debug for Remembered<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remembered")
    }
}

impl<C: Clone + Send + Sync + Unpin + 'static> ProvideCredential for Remembered<C> {
    type Credential = C;

    async fn provide_credential(&self, context: &Context) -> reqsign_core::Result<Option<C>> {
        let found = self.chain.provide_credential(context).await?;
        let mut last = self.last.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone_from(&found);
        Ok(found)
    }
}
