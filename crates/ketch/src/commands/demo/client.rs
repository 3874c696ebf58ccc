//! The weather station as a client: requests over HTTP, like anybody's.

use std::time::Duration;

use ketch_serving::inference_protocol::InferResponse;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{error::DemoError, story::MODEL, weather::Weather};

/// Longest time an answer may take; a gate scores some hundred rows.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Client {
    agent: ureq::Agent,
    address: String,
    token: String,
}

/// The identifier of a day's request.
pub(super) fn request_id(day: u64) -> String {
    format!("day-{day:05}")
}

impl Client {
    pub(super) fn new(address: &str, token: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .build()
            .into();
        Self {
            agent,
            address: address.to_owned(),
            token: token.to_owned(),
        }
    }

    /// Asks whether it will rain on a day.
    pub(super) fn predict(&self, weather: &Weather, day: u64) -> Result<(), DemoError> {
        let path = format!("v2/models/{MODEL}/infer");
        let body = json!({
            "id": request_id(day),
            "parameters": { "day": day },
            "inputs": [weather.tensor(day, day + 1)],
        });
        self.post::<InferResponse>(&path, &body).map(drop)
    }

    /// Says whether it rained on a day.
    pub(super) fn label(&self, weather: &Weather, day: u64) -> Result<(), DemoError> {
        let label = json!({ "request_id": request_id(day), "label": weather.label(day) });
        self.post::<Value>("labels", &json!({ "model": MODEL, "labels": [label] }))
            .map(drop)
    }

    /// Probabilities of rain by one version, for days that are over.
    pub(super) fn score(
        &self,
        weather: &Weather,
        version: u32,
        first: u64,
        last: u64,
    ) -> Result<Vec<f64>, DemoError> {
        let path = format!("v2/models/{MODEL}/versions/{version}/infer");
        let body = json!({
            "id": format!("looking-back-{first:05}"),
            "inputs": [weather.tensor(first, last)],
            "outputs": [{ "name": "probabilities" }],
        });
        let answer: InferResponse = self.post(&path, &body)?;
        let data = answer
            .outputs
            .first()
            .and_then(|output| output.data.as_array());
        let numbers = data.into_iter().flatten().filter_map(Value::as_f64);
        Ok(numbers.skip(1).step_by(2).collect())
    }

    /// Asks for a version to be released; `force` is a reason to overrule the gate. `Err` inside
    /// is the server's refusal.
    pub(super) fn deploy(
        &self,
        version: u32,
        actor: &str,
        force: Option<&str>,
    ) -> Result<Result<(), String>, DemoError> {
        let path = format!("api/control/models/{MODEL}/deploy");
        let body = match force {
            Some(reason) => json!({ "version": version, "actor": actor, "force": reason }),
            None => json!({ "version": version, "actor": actor }),
        };
        match self.post::<Value>(&path, &body) {
            Ok(_) => Ok(Ok(())),
            Err(DemoError::Refused {
                status: 409,
                message,
                ..
            }) => Ok(Err(message)),
            Err(error) => Err(error),
        }
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, DemoError> {
        let url = format!("{}/{path}", self.address);
        let failed = |source| DemoError::Http {
            url: url.clone(),
            source: Box::new(source),
        };
        let mut response = self
            .agent
            .post(&url)
            .header("content-type", "application/json")
            .header("authorization", &format!("Bearer {}", self.token))
            .send(body.to_string())
            .map_err(failed)?;
        let status = response.status().as_u16();
        let text = response
            .body_mut()
            .with_config()
            .limit(64 << 20)
            .read_to_string()
            .map_err(failed)?;
        let refused = |message: String| DemoError::Refused {
            url: url.clone(),
            status,
            message,
        };
        if status >= 400 {
            let error = serde_json::from_str::<Value>(&text).ok();
            let message = error.as_ref().and_then(|error| error["error"].as_str());
            return Err(refused(message.unwrap_or(&text).to_owned()));
        }
        serde_json::from_str(&text).map_err(|error| refused(error.to_string()))
    }
}
