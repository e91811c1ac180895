//! Flink's REST API: requests, limits, and what goes wrong.

use std::io::ErrorKind;
use std::time::Duration;

use serde_json::Value;

use super::reason::Reason;
use crate::failure::Failure;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take. Planning a job is done before it is answered.
const PATIENCE: Duration = Duration::from_secs(120);
/// The most bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// Flink's version that programs are made for: what they use of it changes between versions.
const VERSION: (u32, u32) = (2, 3);
/// What stands between the parts of an upload. The archive does not have it, as an archive of a jar is compressed.
const BOUNDARY: &str = "----tidegate-5f1d6c0a9b7e4f2d8c3a";

/// A cluster.
pub(crate) struct Client {
    url: String,
    agent: ureq::Agent,
}

/// What the cluster answered, other than success.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Why.
    pub(crate) reason: Reason,
}

impl Client {
    /// The cluster at a URL, which is not asked yet.
    pub(crate) fn new(url: &str) -> Result<Self, Failure> {
        let wrong = |message: String| {
            Failure::command(message)
                .with_help("--flink takes the address of Flink's REST API, such as http://localhost:8081")
        };
        let url = match url.split_once("://") {
            None if !url.trim().is_empty() => format!("http://{url}"),
            Some(("http", host)) if !host.is_empty() => url.to_string(),
            Some(("https", _)) => return Err(wrong(format!("'{url}': there is no TLS in this version"))),
            _ => return Err(wrong(format!("'{url}' is not of the form http://host:port"))),
        };
        if url.parse::<ureq::http::Uri>().is_err() {
            return Err(wrong(format!("'{url}' is not of the form http://host:port")));
        }
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .build();
        Ok(Self { url: url.trim_end_matches('/').to_string(), agent: config.new_agent() })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Asks the cluster for its version, and refuses one that programs are not made for.
    pub(crate) fn check_version(&self) -> Result<String, Failure> {
        let config = self.get("/config")?;
        let Some(version) = config["flink-version"].as_str() else { return Err(self.not_flink("it names no version")) };
        let mut parts = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
        let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        if found != VERSION {
            let message =
                format!("{} runs Flink {version}; jobs are made for Flink {}.{}", self.url, VERSION.0, VERSION.1);
            return Err(Failure::command(message));
        }
        Ok(version.to_string())
    }

    /// Reads what is at a path.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.tried(self.try_get(path)?)
    }

    /// Reads what is at a path; the cluster may refuse.
    pub(crate) fn try_get(&self, path: &str) -> Result<Result<Value, Refusal>, Failure> {
        self.answer(self.agent.get(format!("{}{path}", self.url)).call())
    }

    /// Sends an object; the cluster may refuse.
    pub(crate) fn try_post(&self, path: &str, body: &Value) -> Result<Result<Value, Refusal>, Failure> {
        let request = self.agent.post(format!("{}{path}", self.url)).content_type("application/json");
        self.answer(request.send(body.to_string().as_bytes()))
    }

    /// Asks for a change; the cluster may refuse.
    pub(crate) fn try_patch(&self, path: &str) -> Result<Result<Value, Refusal>, Failure> {
        self.answer(self.agent.patch(format!("{}{path}", self.url)).send_empty())
    }

    /// Uploads a jar under a name.
    pub(crate) fn upload(&self, name: &str, jar: &[u8]) -> Result<Value, Failure> {
        let body = multipart(name, jar);
        let request = self.agent.post(format!("{}/jars/upload", self.url));
        let request = request.content_type(format!("multipart/form-data; boundary={BOUNDARY}"));
        self.tried(self.answer(request.send(body.as_slice()))?)
    }

    fn tried(&self, answer: Result<Value, Refusal>) -> Result<Value, Failure> {
        answer.map_err(|refusal| self.refused(&refusal))
    }

    /// What the cluster does not do, as an error of the cluster.
    pub(crate) fn refused(&self, refusal: &Refusal) -> Failure {
        let Refusal { status, reason } = refusal;
        Failure::cluster(format!("Flink at {} answers {status}: {}", self.url, reason.message))
    }

    fn not_flink(&self, why: &str) -> Failure {
        Failure::cluster(format!("what answers at {} is not Flink's REST API: {why}", self.url))
            .with_help("--flink takes the address of the job manager's REST API, by default on port 8081")
    }

    fn answer(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Result<Value, Refusal>, Failure> {
        let mut answer = answer.map_err(|error| self.failed(&error))?;
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let text = text.map_err(|error| self.failed(&error))?;
        // Some answers have no body.
        if status.is_success() && text.is_empty() {
            return Ok(Ok(Value::Null));
        }
        let Ok(value) = serde_json::from_slice::<Value>(&text) else {
            let why = format!("it answers {status} and {}", if text.is_empty() { "nothing" } else { "no JSON" });
            return Err(self.not_flink(&why));
        };
        if status.is_success() {
            return Ok(Ok(value));
        }
        let errors = value["errors"].as_array().into_iter().flatten().filter_map(Value::as_str);
        // The last is the fullest where there are several.
        let reason = errors.map(Reason::of_trace).last().unwrap_or_else(|| Reason::of_trace("no reason given"));
        Ok(Err(Refusal { status: status.as_u16(), reason }))
    }

    fn failed(&self, error: &ureq::Error) -> Failure {
        let url = &self.url;
        let started =
            "is a cluster started there? --flink takes the address of its REST API, such as http://localhost:8081";
        match error {
            ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
                Failure::cluster(format!("nothing answers at {url}: connection refused")).with_help(started)
            }
            ureq::Error::ConnectionFailed => Failure::cluster(format!("nothing answers at {url}")).with_help(started),
            ureq::Error::HostNotFound => Failure::cluster(format!("the host of {url} is not known"))
                .with_help("look for a wrong letter in --flink"),
            ureq::Error::Timeout(_) => Failure::cluster(format!("Flink at {url} does not answer in time")),
            ureq::Error::BodyExceedsLimit(limit) => {
                Failure::cluster(format!("Flink at {url} answers more than {limit} bytes"))
            }
            ureq::Error::Protocol(error) => self.not_flink(&error.to_string()),
            error => Failure::cluster(format!("Flink at {url}: {error}")),
        }
    }
}

/// A file as a browser's form sends it.
fn multipart(name: &str, jar: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"jarfile\"; filename=\"{name}\"\r\n\
         Content-Type: application/x-java-archive\r\n\r\n"
    );
    [head.as_bytes(), jar, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat()
}

/// A text as a part of a URL.
pub(crate) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            // A string takes everything.
            _ => _ = write!(encoded, "%{byte:02X}"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// What a client gets from a server that answers these bytes to anything.
    fn got(answer: &'static [u8]) -> Result<Value, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(answer).unwrap();
        });
        let got = Client::new(&url).unwrap().get("/config");
        server.join().unwrap();
        got
    }

    #[test]
    fn urls_are_checked() {
        assert_eq!(Client::new("localhost:8081").unwrap().url(), "http://localhost:8081");
        assert_eq!(Client::new("http://flink:8081/").unwrap().url(), "http://flink:8081");
        for wrong in ["", "https://flink:8081", "ftp://flink", "http://", "http://a b"] {
            assert_eq!(Client::new(wrong).err().map(|failure| failure.exit_code()), Some(2), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_flink_is_said_to_be_not_flink() {
        let said = |answer| got(answer).unwrap_err();
        for answer in [
            b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>".as_slice(),
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        ] {
            let failure = said(answer);
            assert!(failure.to_string().contains("is not Flink's REST API"), "{failure}");
            assert_eq!(failure.exit_code(), 4);
        }
        let failure = said(b"HTTP/1.1 404 Not Found\r\nContent-Length: 21\r\n\r\n{\"errors\":[\"gone\",1]}");
        assert!(failure.to_string().ends_with("answers 404: gone"), "{failure}");
        assert_eq!(got(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").unwrap(), Value::Null);
    }

    #[test]
    fn nobody_there_is_told_with_the_address() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let failure = Client::new(&format!("127.0.0.1:{port}")).unwrap().get("/config").unwrap_err();
        assert_eq!(failure.to_string(), format!("nothing answers at http://127.0.0.1:{port}: connection refused"));
        assert!(failure.help().is_some_and(|help| help.contains("--flink")));
    }

    #[test]
    fn an_upload_is_one_part() {
        let body = multipart("a.jar", b"\x00PK\r\n");
        let text = String::from_utf8(body).unwrap();
        assert!(text.contains("name=\"jarfile\"; filename=\"a.jar\"\r\n"), "{text}");
        assert!(text.ends_with(&format!("\r\n\r\n\x00PK\r\n\r\n--{BOUNDARY}--\r\n")), "{text}");
    }

    #[test]
    fn names_are_encoded() {
        assert_eq!(encoded("Source__a[1].x y"), "Source__a%5B1%5D.x%20y");
    }
}
