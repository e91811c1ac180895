//! A registry of schemas, spoken to as Confluent's is.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{Error, Result};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where schemas are kept by number.
#[derive(Clone)]
pub(crate) struct Registry {
    table: String,
    url: String,
    agent: ureq::Agent,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Registry {
    /// The registry at a URL, which is not asked yet.
    pub(crate) fn new(table: &str, option: &str, url: &str) -> Result<Self> {
        if !url.starts_with("http://") {
            let message =
                format!("'{option}': '{url}' is not of the form http://host:port (there is no TLS in this version)");
            return Err(Error::declaration(table, Some(option), message));
        }
        let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build();
        let url = url.trim_end_matches('/').to_string();
        Ok(Self { table: table.to_string(), url, agent: config.new_agent() })
    }

    fn failed(&self, action: String, message: impl std::fmt::Display) -> Error {
        let service = format!("the schema registry at {}", self.url);
        Error::Service { table: self.table.clone(), service, action, message: message.to_string() }
    }

    /// The schema of a number, as JSON; `None` if the registry has none.
    pub(super) fn schema(&self, id: u32) -> Result<Option<String>> {
        let action = || format!("get schema {id} from");
        let answer = self.agent.get(format!("{}/schemas/ids/{id}", self.url)).header("Accept", CONTENT_TYPE).call();
        let answer = answer.map_err(|source| self.failed(action(), source))?;
        if answer.status() == 404 {
            return Ok(None);
        }
        let object = self.object(answer, &action)?;
        match object["schema"].as_str() {
            // It says what kind of schema it is only if it is not Avro.
            Some(schema) if object["schemaType"].as_str().is_none_or(|kind| kind == "AVRO") => {
                Ok(Some(schema.to_string()))
            }
            Some(_) => Err(self.failed(action(), format!("it is not of Avro but of {}", object["schemaType"]))),
            None => Err(self.failed(action(), format!("it has no 'schema': {object}"))),
        }
    }

    /// The number of a schema under a subject, which gets it if it has it not.
    pub(super) fn register(&self, subject: &str, schema: &str) -> Result<u32> {
        let action = || format!("register the schema of '{subject}' with");
        let subject = subject.replace('%', "%25").replace('/', "%2F").replace(' ', "%20").replace('?', "%3F");
        let request = self.agent.post(format!("{}/subjects/{subject}/versions", self.url));
        let answer = request.header("Content-Type", CONTENT_TYPE).send(json!({"schema": schema}).to_string().as_str());
        let object = self.object(answer.map_err(|source| self.failed(action(), source))?, &action)?;
        let id = object["id"].as_u64().and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| self.failed(action(), format!("it has no 'id': {object}")))
    }

    fn object(&self, mut answer: ureq::http::Response<ureq::Body>, action: &dyn Fn() -> String) -> Result<Value> {
        let status = answer.status();
        let text = answer.body_mut().read_to_string().map_err(|source| self.failed(action(), source))?;
        if !status.is_success() {
            let shown: String = text.chars().take(300).collect();
            return Err(self.failed(action(), format!("it answers {status}: {shown}")));
        }
        serde_json::from_str(&text).map_err(|source| self.failed(action(), format!("it answers no JSON: {source}")))
    }
}
