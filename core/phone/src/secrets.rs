//! What must outlive the database: the enrolment, the device's key, the database key behind the PIN.

use gridpass_core::id::{DeviceId, UserId};
use gridpass_core::seal::{SecretKey, SigningKey};
use gridpass_core::wire::{self, Grant, Nonce, PublicKeys};
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::error::ApiError;
use crate::host::Host;

const ENROLMENT: &str = "enrolment";
const DEVICE_KEY: &str = "device_key";
const DATABASE_KEY: &str = "database_key";

/// One enrolment: which server, which device, which user.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Enrolment {
    #[n(0)]
    pub url: String,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub pin: Vec<u8>,
    #[n(2)]
    pub device: DeviceId,
    #[n(3)]
    pub user: UserId,
    #[n(4)]
    pub user_name: String,
    #[n(5)]
    pub district: String,
    #[n(6)]
    pub keys: PublicKeys,
    /// The nonces of every database file this device has had.
    #[n(7)]
    pub nonces: Vec<Nonce>,
    /// Whether the last nonce belongs to a database file already.
    #[n(8)]
    pub begun: bool,
    /// The assignments the server named last.
    #[n(9)]
    pub grants: Vec<Grant>,
}

/// The database key as it lies in the key store: as it is, or sealed with a key made of the PIN.
#[derive(Encode, Decode)]
#[cbor(map)]
struct StoredKey {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    key: Vec<u8>,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    salt: Vec<u8>,
}

impl Enrolment {
    pub fn load(host: &Host) -> Result<Option<Self>, ApiError> {
        let stored = host.keys.load(ENROLMENT)?;
        stored.map(|bytes| wire::decode(&bytes).map_err(|_| storage("enrolment"))).transpose()
    }

    pub fn store(&self, host: &Host) -> Result<(), ApiError> {
        Ok(host.keys.store(ENROLMENT, &wire::encode(self))?)
    }
}

/// The device's secret: signs what it writes and wraps the key of the outbox.
pub(crate) struct DeviceKey {
    pub signing: SigningKey,
    pub wrapping: SecretKey,
}

impl DeviceKey {
    pub fn load(host: &Host) -> Result<Option<Self>, ApiError> {
        let Some(secret) = host.keys.load(DEVICE_KEY)?.map(Zeroizing::new) else { return Ok(None) };
        let secret: &[u8; 32] = secret.as_slice().try_into().map_err(|_| storage("device key"))?;
        Ok(Some(Self {
            signing: SigningKey::from_secret(secret),
            wrapping: SecretKey::new(*secret).derive("gridpass outbox wrapping"),
        }))
    }

    /// The device's key, made and stored first when there is none.
    pub fn load_or_make(host: &Host) -> Result<Self, ApiError> {
        if let Some(key) = Self::load(host)? {
            return Ok(key);
        }
        host.keys.store(DEVICE_KEY, &*Zeroizing::new(host.random::<32>()?))?;
        Self::load(host)?.ok_or_else(|| storage("device key"))
    }
}

/// Whether the database key is behind a PIN; none when there is no key.
pub(crate) fn has_pin(host: &Host) -> Result<Option<bool>, ApiError> {
    Ok(stored_key(host)?.map(|stored| !stored.salt.is_empty()))
}

/// The database key, opened with the PIN if it has one.
pub(crate) fn database_key(host: &Host, pin: Option<&str>) -> Result<Option<SecretKey>, ApiError> {
    let Some(stored) = stored_key(host)? else { return Ok(None) };
    let locked = |code: &str| ApiError::Locked { code: code.to_owned() };
    let key = match (stored.salt.is_empty(), pin) {
        (true, _) => Zeroizing::new(stored.key),
        (false, None) => return Err(locked("pin_wanted")),
        (false, Some(pin)) => {
            let salt: &[u8; 16] = stored.salt.as_slice().try_into().map_err(|_| storage("database key"))?;
            let key = SecretKey::from_pin(pin, salt).map_err(|_| locked("pin_wrong"))?;
            Zeroizing::new(key.open(DATABASE_KEY.as_bytes(), &stored.key).map_err(|_| locked("pin_wrong"))?)
        }
    };
    let key = key.as_slice().try_into().map_err(|_| storage("database key"))?;
    Ok(Some(SecretKey::new(key)))
}

/// Stores the database key, behind a PIN if one is given.
pub(crate) fn store_database_key(host: &Host, key: &SecretKey, pin: Option<&str>) -> Result<(), ApiError> {
    let stored = match pin {
        None => StoredKey { key: key.expose().to_vec(), salt: Vec::new() },
        Some(pin) => {
            let salt = host.random::<16>()?;
            let wrapping = SecretKey::from_pin(pin, &salt).map_err(|_| storage("PIN"))?;
            let sealed = wrapping.seal(host.random()?, DATABASE_KEY.as_bytes(), key.expose());
            StoredKey { key: sealed, salt: salt.to_vec() }
        }
    };
    Ok(host.keys.store(DATABASE_KEY, &Zeroizing::new(wire::encode(&stored)))?)
}

/// A new database key, stored.
pub(crate) fn make_database_key(host: &Host, pin: Option<&str>) -> Result<SecretKey, ApiError> {
    let key = SecretKey::new(host.random()?);
    store_database_key(host, &key, pin)?;
    Ok(key)
}

fn stored_key(host: &Host) -> Result<Option<StoredKey>, ApiError> {
    let stored = host.keys.load(DATABASE_KEY)?.map(Zeroizing::new);
    stored.map(|bytes| wire::decode(&bytes).map_err(|_| storage("database key"))).transpose()
}

fn storage(step: &str) -> ApiError {
    ApiError::Storage { step: format!("key store, {step}"), damaged: false }
}
