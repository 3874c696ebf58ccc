//! What the account brings along for remotes that are given no credentials of their own.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use reqsign_core::{Context, ProvideCredential, StaticEnv};

/// Variables such as `AWS_PROFILE`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_KEY`
/// and `HOME`, as values: whoever opens a remote says what they are. Without any, nothing of the
/// account is looked at, its home included.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RemoteEnvironment {
    variables: Arc<BTreeMap<String, String>>,
}

impl fmt::Debug for RemoteEnvironment {
    /// Without the values: there are secrets among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl FromIterator<(String, String)> for RemoteEnvironment {
    /// Variables without a value count as not set.
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        let variables = variables
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        Self {
            variables: Arc::new(variables),
        }
    }
}

impl RemoteEnvironment {
    /// Whether a remote may ask for the variable of this name.
    pub fn asks_for(name: &str) -> bool {
        ["AWS_", "AZURE_", "GOOGLE_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            || [
                "HOME",
                "KETCH_SSH",
                "STORAGE_EMULATOR_HOST",
                "XDG_CONFIG_HOME",
            ]
            .contains(&name)
    }

    /// The first of these variables that is set.
    pub(crate) fn first(&self, names: &[&str]) -> Option<&str> {
        names
            .iter()
            .find_map(|name| self.variables.get(*name))
            .map(String::as_str)
    }

    /// A path with `~/` at its front made one from `HOME`.
    pub(crate) fn expand(&self, path: &str) -> String {
        match (path.strip_prefix("~/"), self.first(&["HOME"])) {
            (Some(rest), Some(home)) => format!("{home}/{rest}"),
            _ => path.to_owned(),
        }
    }

    /// The same with one more variable.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut variables = (*self.variables).clone();
        variables.insert(name.to_owned(), value.to_owned());
        Self {
            variables: Arc::new(variables),
        }
    }

    /// A source of credentials that sees this environment and not the process's.
    pub(crate) fn given_to<P>(&self, provider: P) -> Given<P> {
        Given {
            provider,
            environment: StaticEnv {
                home_dir: self.first(&["HOME"]).map(PathBuf::from),
                envs: self.variables.as_ref().clone().into_iter().collect(),
            },
        }
    }
}

/// See [`RemoteEnvironment::given_to`].
pub(crate) struct Given<P> {
    provider: P,
    environment: StaticEnv,
}

impl<P> fmt::Debug for Given<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Given")
    }
}

impl<P: ProvideCredential> ProvideCredential for Given<P> {
    type Credential = P::Credential;

    async fn provide_credential(
        &self,
        context: &Context,
    ) -> reqsign_core::Result<Option<Self::Credential>> {
        let context = context.clone().with_env(self.environment.clone());
        self.provider.provide_credential(&context).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_shown_and_empty_ones_are_not_there() {
        let variables = [("AWS_SECRET_ACCESS_KEY", "hidden"), ("AWS_PROFILE", "")];
        let environment: RemoteEnvironment = variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        assert_eq!(format!("{environment:?}"), "{\"AWS_SECRET_ACCESS_KEY\"}");
        assert_eq!(environment.first(&["AWS_PROFILE"]), None);
        assert_eq!(environment.expand("~/x"), "~/x");
        assert_eq!(environment.with("HOME", "/h").expand("~/x"), "/h/x");
    }
}
