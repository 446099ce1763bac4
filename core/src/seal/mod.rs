//! Keys, signatures and sealing. No algorithm is written here: this room only chooses and names them.
//!
//! Everything signed or sealed carries the id of its key, and the key's row fixes the algorithm, so that other suites
//! (SM2, SM3, SM4) can follow. Today: Ed25519, BLAKE3, XChaCha20-Poly1305, HPKE with X25519, Argon2id.

use argon2::Argon2;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ed25519_dalek::{Signature, Signer};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::id::KeyId;
use crate::wire::{PublicKeys, Receipt, ReceiptSheet};

/// Something that was signed or sealed does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A key of the wrong length or form.
    #[error("not a key of this algorithm")]
    BadKey,
    /// The signature does not belong to the message and the key.
    #[error("the signature does not match")]
    BadSignature,
    /// Sealed bytes that were altered, or another key.
    #[error("does not open with this key, or was altered")]
    DoesNotOpen,
    /// The key id names another key.
    #[error("made with another key")]
    OtherKey,
}

/// The id of a public key: the first 8 bytes of its BLAKE3 hash.
pub fn key_id(public_key: &[u8]) -> KeyId {
    let mut id = [0; 8];
    blake3::Hasher::new_derive_key("gridpass key id v1").update(public_key).finalize_xof().fill(&mut id);
    KeyId(id)
}

/// A private signing key (Ed25519).
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key made from 32 secret random bytes.
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(secret))
    }

    /// The public key, 32 bytes.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The key's id.
    pub fn id(&self) -> KeyId {
        key_id(&self.public())
    }

    /// Signs a message; 64 bytes.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).to_bytes().to_vec()
    }

    /// Signs the receipts of one answer.
    pub fn sign_receipts(&self, receipts: Vec<Receipt>) -> ReceiptSheet {
        let key = self.id();
        let signature = self.sign(&ReceiptSheet::message(key, &receipts));
        ReceiptSheet { key, receipts, signature }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.id())
    }
}

/// Checks a signature of `message` by the Ed25519 `public_key`.
pub fn verify(public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SealError> {
    let key: &[u8; 32] = public_key.try_into().map_err(|_| SealError::BadKey)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| SealError::BadKey)?;
    let signature = Signature::from_slice(signature).map_err(|_| SealError::BadSignature)?;
    key.verify_strict(message, &signature).map_err(|_| SealError::BadSignature)
}

/// Checks the signature of a receipt sheet against the server's keys.
pub fn verify_receipts(keys: &PublicKeys, sheet: &ReceiptSheet) -> Result<(), SealError> {
    if sheet.key != keys.signing_id || key_id(&keys.signing) != sheet.key {
        return Err(SealError::OtherKey);
    }
    verify(&keys.signing, &ReceiptSheet::message(sheet.key, &sheet.receipts), &sheet.signature)
}

/// A key that both seals and opens (XChaCha20-Poly1305).
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// The key made of 32 secret random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key that a PIN and a salt give (Argon2id with 19 MiB and two passes, the OWASP minimum).
    pub fn from_pin(pin: &str, salt: &[u8; 16]) -> Result<Self, SealError> {
        let mut bytes = [0; 32];
        Argon2::default().hash_password_into(pin.as_bytes(), salt, &mut bytes).map_err(|_| SealError::BadKey)?;
        Ok(Self(bytes))
    }

    /// A key for one purpose, derived from this one.
    pub fn derive(&self, purpose: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("gridpass purpose key v1");
        hasher.update(&self.0).update(purpose.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    /// The bytes of the key, for what must hold it itself (the database).
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals bytes; `about` is not sealed but must be the same when they are opened. The nonce comes first.
    pub fn seal(&self, nonce: [u8; 24], about: &[u8], plain: &[u8]) -> Vec<u8> {
        let cipher = XChaCha20Poly1305::new(&self.0.into());
        // Sealing fails only beyond 256 GiB.
        let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: about }).unwrap_or_default();
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what [`SecretKey::seal`] sealed.
    pub fn open(&self, about: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, sealed) = sealed.split_first_chunk::<24>().ok_or(SealError::DoesNotOpen)?;
        XChaCha20Poly1305::new(&self.0.into())
            .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: about })
            .map_err(|_| SealError::DoesNotOpen)
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// The private half of the key that others seal to (HPKE, RFC 9180: X25519, HKDF-SHA256, ChaCha20-Poly1305).
pub struct OpeningKey {
    private: <X25519HkdfSha256 as Kem>::PrivateKey,
    public: Vec<u8>,
}

impl OpeningKey {
    /// The key derived from 32 secret random bytes.
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        let (private, public) = X25519HkdfSha256::derive_keypair(secret);
        Self { private, public: public.to_bytes().to_vec() }
    }

    /// The public half, 32 bytes.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// Opens what [`seal_to`] sealed to the public half.
    pub fn open(&self, about: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (encapped, sealed) = sealed.split_first_chunk::<32>().ok_or(SealError::DoesNotOpen)?;
        let encapped = Deserializable::from_bytes(encapped).map_err(|_| SealError::DoesNotOpen)?;
        hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.private,
            &encapped,
            about,
        )
        .and_then(|mut context| context.open(sealed, b""))
        .map_err(|_| SealError::DoesNotOpen)
    }
}

/// Seals bytes so that only the holder of the private half can open them; `random` must never be used twice.
pub fn seal_to(public: &[u8], random: [u8; 32], about: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let public = Deserializable::from_bytes(public).map_err(|_| SealError::BadKey)?;
    let (encapped, mut context) = hpke::setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public,
        about,
        &mut Given::new(random),
    )
    .map_err(|_| SealError::BadKey)?;
    let sealed = context.seal(plain, b"").map_err(|_| SealError::BadKey)?;
    Ok([encapped.to_bytes().as_slice(), &sealed].concat())
}

/// Randomness that was handed in, stretched as far as the algorithm asks.
struct Given(blake3::OutputReader);

impl Given {
    fn new(random: [u8; 32]) -> Self {
        Self(blake3::Hasher::new_derive_key("gridpass given randomness v1").update(&random).finalize_xof())
    }
}

impl hpke::rand_core::TryRng for Given {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl hpke::rand_core::TryCryptoRng for Given {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::Bucket;
    use crate::id::{ChangeHash, RecordId};

    fn sheet() -> (PublicKeys, ReceiptSheet) {
        let key = SigningKey::from_secret(&[1; 32]);
        let receipt = |n| Receipt {
            record: RecordId([n; 16]),
            generation: 0,
            hash: ChangeHash([n; 32]),
            home: Bucket::District,
            log_seq: 7,
            epoch: 9,
            time_ms: 1,
        };
        let keys = PublicKeys {
            signing_id: key.id(),
            signing: key.public().to_vec(),
            sealing_id: KeyId::default(),
            sealing: Vec::new(),
        };
        (keys, key.sign_receipts(vec![receipt(1), receipt(2)]))
    }

    #[test]
    fn a_receipt_with_one_flipped_bit_anywhere_is_no_receipt() {
        let (keys, sheet) = sheet();
        assert_eq!(verify_receipts(&keys, &sheet), Ok(()));
        let bytes = crate::wire::encode(&sheet);
        let mut readable = 0;
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut altered = bytes.clone();
                altered[position] ^= 1 << bit;
                if let Ok(altered) = crate::wire::decode::<ReceiptSheet>(&altered)
                    && altered != sheet
                {
                    readable += 1;
                    assert!(verify_receipts(&keys, &altered).is_err());
                }
            }
        }
        assert!(readable > 1000, "most flips leave something readable: {readable}");
    }

    #[test]
    fn sealed_bytes_open_only_unaltered_with_the_same_key_and_context() {
        let key = SecretKey::new([3; 32]);
        let sealed = key.seal([4; 24], b"blob", b"text");
        assert_eq!(key.open(b"blob", &sealed).unwrap(), b"text");
        assert_eq!(key.open(b"other", &sealed), Err(SealError::DoesNotOpen));
        assert_eq!(key.derive("x").open(b"blob", &sealed), Err(SealError::DoesNotOpen));
        let mut altered = sealed.clone();
        *altered.last_mut().unwrap() ^= 1;
        assert_eq!(key.open(b"blob", &altered), Err(SealError::DoesNotOpen));
        assert_eq!(key.open(b"blob", &sealed[..10]), Err(SealError::DoesNotOpen));
    }

    #[test]
    fn only_the_private_half_opens() {
        let key = OpeningKey::from_secret(&[5; 32]);
        let sealed = seal_to(key.public(), [6; 32], b"outbox", b"text").unwrap();
        assert_eq!(key.open(b"outbox", &sealed).unwrap(), b"text");
        let other = OpeningKey::from_secret(&[7; 32]);
        assert_eq!(other.open(b"outbox", &sealed), Err(SealError::DoesNotOpen));
        assert_eq!(seal_to(b"short", [0; 32], b"", b""), Err(SealError::BadKey));
    }
}
