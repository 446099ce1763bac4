//! HTTPS to the one server whose key is in the enrolment code.
//!
//! The pin replaces what a certificate says about names and dates: district servers have addresses without names, and
//! phones have wrong clocks. Handshake signatures are checked, so only the holder of the pinned key can answer.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use sha2::{Digest, Sha256};

use super::{Answer, Connect, Method, Request, Response, Transport, TransportError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest silence of the server while it answers.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest a request may take as a whole, on a network that carries a few kilobytes a second.
const WHOLE_TIMEOUT: Duration = Duration::from_secs(300);

/// HTTPS to one pinned server.
#[derive(Debug, Clone)]
pub struct Https {
    client: reqwest::Client,
    base: String,
}

/// Connects by HTTPS.
#[derive(Debug, Clone, Copy)]
pub struct HttpsConnect;

impl Connect for HttpsConnect {
    fn connect(&self, url: &str, pin: &[u8; 32]) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(Https::new(url, *pin)?))
    }
}

impl Https {
    /// A client of the server at `url` (`https://…`) whose TLS key's SubjectPublicKeyInfo has the SHA-256 `pin`.
    pub fn new(url: &str, pin: [u8; 32]) -> Result<Self, TransportError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|_| TransportError::NoAnswer)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { pin, provider }))
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .timeout(WHOLE_TIMEOUT)
            .build()
            .map_err(|_| TransportError::NoAnswer)?;
        Ok(Self { client, base: url.trim_end_matches('/').to_owned() })
    }

    async fn exchange(&self, request: Request) -> Result<Response, TransportError> {
        let url = format!("{}{}", self.base, request.path);
        let mut builder = match request.method {
            Method::Get => self.client.get(url),
            Method::Head => self.client.head(url),
            Method::Post => self.client.post(url),
            Method::Patch => self.client.patch(url),
        };
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        if !matches!(request.method, Method::Get | Method::Head) {
            builder = builder.body(request.body);
        }
        if let Some(token) = request.token {
            builder = builder.bearer_auth(token);
        }
        let mut answer = builder.send().await.map_err(|error| no_answer(&error))?;
        let server_ms = answer.headers().get("date").and_then(|date| http_date_ms(date.to_str().ok()?));
        let status = answer.status().as_u16();
        let text = |value: &reqwest::header::HeaderValue| value.to_str().ok().map(str::to_owned);
        let headers = answer.headers().iter();
        let headers = headers.filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?))).collect();
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| no_answer(&error))? {
            if body.len().saturating_add(piece.len()) > request.limit {
                return Err(TransportError::TooLarge);
            }
            body.extend_from_slice(&piece);
        }
        Ok(Response { status, headers, body, server_ms })
    }
}

impl Transport for Https {
    fn send(&self, request: Request) -> Answer<'_> {
        Box::pin(self.exchange(request))
    }
}

/// Whether the handshake failed because of the pin: said apart, because waiting does not help.
fn no_answer(error: &reqwest::Error) -> TransportError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains(WRONG_SERVER) {
            return TransportError::WrongServer;
        }
        cause = error.source();
    }
    TransportError::NoAnswer
}

/// How rustls writes the refusal of [`Pinned`].
const WRONG_SERVER: &str = "ApplicationVerificationFailure";

/// Accepts exactly the certificates that carry the pinned key.
#[derive(Debug)]
struct Pinned {
    pin: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        match Sha256::digest(&key)[..] == self.pin {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Milliseconds since 1970 of an HTTP date in the one form servers send (`Sun, 06 Nov 1994 08:49:37 GMT`, RFC 9110).
fn http_date_ms(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split(' ');
    let (_, day, month, year, time, zone) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let day = format!("{year}-{month:02}-{day}").parse::<gridpass_core::codes::Date>().ok()?.days();
    let mut clock = time.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    (zone == "GMT").then_some((((day * 24 + hour) * 60 + minute) * 60 + second) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_date_is_read() {
        assert_eq!(http_date_ms("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        assert_eq!(http_date_ms("yesterday"), None);
    }
}
