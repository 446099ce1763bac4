//! Enrolment and tokens.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};

use super::dump::{Holds, named};
use crate::id::{ActorId, DeviceId, GrantId, GridId, KeyId, UserId, hex, unhex};

/// What the QR code of an enrolment says: where the server is, the one-time code, and by what the server is known.
///
/// As text: `gridpass:1?url=<https address, percent-encoded>&code=<one-time code>&pin=<64 hex digits>`. Parameters that
/// are not known are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolCode {
    /// The server's address, `https://…` without a path.
    pub url: String,
    /// The one-time code.
    pub code: String,
    /// The SHA-256 of the SubjectPublicKeyInfo of the server's TLS key.
    pub pin: [u8; 32],
}

/// A text that is no enrolment code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an enrolment code: expected gridpass:1?url=https…&code=…&pin=<64 hex digits>")]
pub struct BadEnrolCode;

const ENROL_SCHEME: &str = "gridpass:1?";

impl fmt::Display for EnrolCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (url, code) = (percent_encoded(&self.url), percent_encoded(&self.code));
        write!(f, "{ENROL_SCHEME}url={url}&code={code}&pin={}", hex(&self.pin))
    }
}

impl FromStr for EnrolCode {
    type Err = BadEnrolCode;

    fn from_str(text: &str) -> Result<Self, BadEnrolCode> {
        let parameters = text.trim().strip_prefix(ENROL_SCHEME).ok_or(BadEnrolCode)?;
        let (mut url, mut code, mut pin) = (None, None, None);
        for (name, value) in parameters.split('&').filter_map(|parameter| parameter.split_once('=')) {
            match name {
                "url" => url = percent_decoded(value),
                "code" => code = percent_decoded(value),
                "pin" => pin = unhex(value).ok(),
                _ => {}
            }
        }
        let url = url.filter(|url| url.starts_with("https://")).ok_or(BadEnrolCode)?;
        let code = code.filter(|code| !code.is_empty()).ok_or(BadEnrolCode)?;
        Ok(Self { url, code, pin: pin.ok_or(BadEnrolCode)? })
    }
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => {
                encoded.push('%');
                encoded.push_str(&hex(&[byte]).to_uppercase());
            }
        }
    }
    encoded
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        bytes.extend(unhex::<1>(&digits.to_lowercase()).ok()?);
        bytes.extend(rest.bytes());
    }
    String::from_utf8(bytes).ok()
}

/// `POST /sync/v1/enroll`: a one-time code against an enrolment. The same code with the same key gives the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EnrolRequest {
    /// The one-time code.
    #[n(0)]
    pub code: String,
    /// The device's Ed25519 public key, 32 bytes.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub public_key: Vec<u8>,
    /// The nonce of the database file.
    #[n(2)]
    pub nonce: Nonce,
    /// The app's version, for the fleet page.
    #[n(3)]
    pub app_version: String,
}

named!(EnrolRequest { 0 code: Holds::Secret, 1 public_key, 2 nonce, 3 app_version });

/// The answer to an enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Enrolled {
    /// The enrolment.
    #[n(0)]
    pub device: DeviceId,
    /// Its user.
    #[n(1)]
    pub user: UserId,
    /// The user's name as it shall be shown.
    #[n(2)]
    pub user_name: String,
    /// The keys of the server.
    #[n(3)]
    pub keys: PublicKeys,
    /// The name of the district.
    #[n(4)]
    pub district: String,
}

named!(Enrolled {
    0 device,
    1 user,
    2 user_name: Holds::Personal,
    3 keys: Holds::Message(&PublicKeys::TABLE),
    4 district,
});

/// The server's public keys.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PublicKeys {
    /// The signing key's id.
    #[n(0)]
    pub signing_id: KeyId,
    /// The Ed25519 signing key, 32 bytes.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub signing: Vec<u8>,
    /// The sealing key's id.
    #[n(2)]
    pub sealing_id: KeyId,
    /// The X25519 sealing key, 32 bytes.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub sealing: Vec<u8>,
}

named!(PublicKeys { 0 signing_id, 1 signing, 2 sealing_id, 3 sealing });

/// `POST /sync/v1/challenge`: what a device must sign to get a token.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Challenge {
    /// The enrolment.
    #[n(0)]
    pub device: DeviceId,
}

named!(Challenge { 0 device });

/// A fresh challenge.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ChallengeAnswer {
    /// 32 random bytes, good once and for a minute.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub challenge: Vec<u8>,
}

named!(ChallengeAnswer { 0 challenge });

/// `POST /sync/v1/token`: the signed challenge against a short-lived bearer token.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TokenRequest {
    /// The enrolment.
    #[n(0)]
    pub device: DeviceId,
    /// The device's signing key.
    #[n(1)]
    pub key: KeyId,
    /// The challenge.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub challenge: Vec<u8>,
    /// Nonces of database files the device has had under this key, at most [`TokenRequest::MAX_NONCES`]. A device that
    /// has had more asks more than once; the last nonce of its last request is the current one.
    #[n(3)]
    pub nonces: Vec<Nonce>,
    /// The app's version.
    #[n(4)]
    pub app_version: String,
    /// The Ed25519 signature over [`TokenRequest::message`], 64 bytes.
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    pub signature: Vec<u8>,
}

named!(TokenRequest { 0 device, 1 key, 2 challenge, 3 nonces, 4 app_version, 5 signature });

/// The nonce of a database file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Nonce(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

impl Nonce {
    /// The actor that a device with this public key is in the database file with this nonce.
    pub fn actor(&self, public_key: &[u8]) -> ActorId {
        let mut bytes = [0; 16];
        blake3::Hasher::new().update(public_key).update(&self.0).finalize_xof().fill(&mut bytes);
        ActorId(bytes)
    }
}

impl TokenRequest {
    /// How many nonces one request may tell.
    pub const MAX_NONCES: usize = 100;

    /// What the device signs.
    pub fn message(device: DeviceId, challenge: &[u8], nonces: &[Nonce]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"token1").update(device.as_bytes()).update(challenge);
        nonces.iter().for_each(|nonce| {
            hasher.update(&nonce.0);
        });
        *hasher.finalize().as_bytes()
    }
}

/// A bearer token.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Token {
    /// The token, for the `Authorization` header.
    #[n(0)]
    pub token: String,
    /// When it ends, in milliseconds since 1970 by the server's clock.
    #[n(1)]
    pub until_ms: i64,
    /// The user's assignments that count now.
    #[n(2)]
    pub grants: Vec<Grant>,
}

named!(Token { 0 token: Holds::Secret, 1 until_ms, 2 grants: Holds::Message(&Grant::TABLE) });

/// An assignment: a role in a grid.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Grant {
    /// Its number, named in every pushed item.
    #[n(0)]
    pub grant: GrantId,
    /// The grid.
    #[n(1)]
    pub grid: GridId,
    /// The role, as the catalog names it; none from a server that knew only workers.
    #[n(2)]
    pub role: Option<String>,
}

named!(Grant { 0 grant, 1 grid, 2 role });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enrolment_code_reads_back_and_damage_is_refused() {
        let code = EnrolCode { url: "https://10.0.0.5:8443".into(), code: "K7-42&=%é".into(), pin: [0xab; 32] };
        let text = code.to_string();
        assert!(text.starts_with("gridpass:1?url=https%3A%2F%2F10.0.0.5%3A8443&code=K7-42%26%3D%25%C3%A9&pin=abab"));
        assert_eq!(text.parse(), Ok(code.clone()));
        assert_eq!(format!("{text}&new=1\n").parse(), Ok(code), "a newer server may say more");
        for bad in [
            text.replace("gridpass:1", "gridpass:2"),
            text.replace("https", "http"),
            text.replace("&pin=", "&pin=zz"),
            text.replace("%3A", "%"),
            text.split("&code").next().unwrap_or_default().to_owned(),
        ] {
            assert_eq!(bad.parse::<EnrolCode>(), Err(BadEnrolCode), "{bad}");
        }
    }
}
