//! The server's keys, in a folder of their own outside the database.

use std::fs;
use std::io::Write;
use std::path::Path;

use gridpass_core::id::{hex, unhex};
use gridpass_core::seal::{OpeningKey, SecretKey, SigningKey, key_id};
use gridpass_core::wire::PublicKeys;
use rcgen::PublicKeyData;
use sha2::{Digest, Sha256};

/// The keys' folder in the data folder.
pub const FOLDER: &str = "keys";

/// All keys of a server.
pub struct Keys {
    /// Signs receipts.
    pub signing: SigningKey,
    /// By which edits are drawn for a review; follows from the signing key.
    pub sample_seed: [u8; 32],
    /// Opens what phones seal.
    pub opening: OpeningKey,
    /// Seals the secrets of people's second factors; made from the key that opens.
    pub factors: SecretKey,
    /// The certificate chain, PEM.
    pub tls_certificate: String,
    /// The private key of the certificate, PEM.
    pub tls_key: String,
    /// The SHA-256 of the TLS key's SubjectPublicKeyInfo, which enrolment codes carry.
    pub tls_pin: [u8; 32],
}

/// A key folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be read or written.
    #[error("{file}: {cause}")]
    File {
        /// The file.
        file: String,
        /// Why.
        cause: std::io::Error,
    },
    /// A file that holds no such key.
    #[error("{file} holds no key of this kind; put it back from the backup of the keys")]
    NotAKey {
        /// The file.
        file: String,
    },
    /// Somebody's certificate without its key; it is not replaced.
    #[error("{file} is missing, the key of {certificate}; put it back, or take the certificate away to have both made")]
    CertificateAlone {
        /// The key's file.
        file: String,
        /// The certificate's.
        certificate: String,
    },
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness")]
    NoRandomness,
}

impl Keys {
    /// Opens the keys in a folder; those that are missing are made, readable by the owner only.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        if !folder.exists() {
            let made = fs::create_dir_all(folder).and_then(|()| flush_folder_of(folder));
            made.map_err(|cause| KeyError::File { file: folder.display().to_string(), cause })?;
        }
        let signing = SigningKey::from_secret(&secret(&folder.join("signing.key"))?);
        let sealing = secret(&folder.join("sealing.key"))?;
        let (opening, factors) = (OpeningKey::from_secret(&sealing), SecretKey::new(sealing).derive("second factors"));
        let (key_file, certificate_file) = (folder.join("tls.key"), folder.join("tls.crt"));
        if !key_file.exists() {
            if certificate_file.exists() {
                let (file, certificate) = (key_file.display().to_string(), certificate_file.display().to_string());
                return Err(KeyError::CertificateAlone { file, certificate });
            }
            let pair = rcgen::KeyPair::generate().map_err(|_| KeyError::NoRandomness)?;
            put_whole(&key_file, pair.serialize_pem().as_bytes())?;
        }
        let tls_key = read(&key_file)?;
        let pair = rcgen::KeyPair::from_pem(&tls_key)
            .map_err(|_| KeyError::NotAKey { file: key_file.display().to_string() })?;
        if !certificate_file.exists() {
            let certificate = rcgen::CertificateParams::new(vec!["gridpass".to_owned(), "localhost".to_owned()])
                .and_then(|params| params.self_signed(&pair))
                .map_err(|_| KeyError::NoRandomness)?;
            put_whole(&certificate_file, certificate.pem().as_bytes())?;
        }
        let tls_certificate = read(&certificate_file)?;
        let tls_pin = Sha256::digest(pair.subject_public_key_info()).into();
        // Whoever knows the public key alone cannot make this signature.
        let sample_seed = *blake3::hash(&signing.sign(b"gridpass review sample v1")).as_bytes();
        Ok(Self { signing, sample_seed, opening, factors, tls_certificate, tls_key, tls_pin })
    }

    /// What phones are told.
    pub fn public(&self) -> PublicKeys {
        PublicKeys {
            signing_id: self.signing.id(),
            signing: self.signing.public().to_vec(),
            sealing_id: key_id(self.opening.public()),
            sealing: self.opening.public().to_vec(),
        }
    }
}

/// Random bytes from the operating system.
pub fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| KeyError::NoRandomness)?;
    Ok(bytes)
}

fn secret(file: &Path) -> Result<[u8; 32], KeyError> {
    if !file.exists() {
        put_whole(file, format!("{}\n", hex(&random::<32>()?)).as_bytes())?;
    }
    unhex(read(file)?.trim()).map_err(|_| KeyError::NotAKey { file: file.display().to_string() })
}

fn read(file: &Path) -> Result<String, KeyError> {
    fs::read_to_string(file).map_err(|cause| KeyError::File { file: file.display().to_string(), cause })
}

/// Writes a file that is not there yet, readable by the owner only. It outlives a loss of power.
pub(crate) fn write_new(file: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(file)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| flush_folder_of(file))
        .map_err(|cause| KeyError::File { file: file.display().to_string(), cause })
}

/// Puts a file in place that is there as a whole or not at all, whatever ends in the midst of it.
fn put_whole(file: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let mut fresh = file.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = Path::new(&fresh);
    let failed = |cause| KeyError::File { file: file.display().to_string(), cause };
    if fresh.exists() {
        fs::remove_file(fresh).map_err(failed)?; // of a start that did not come to its end
    }
    write_new(fresh, bytes)?;
    fs::rename(fresh, file).and_then(|()| flush_folder_of(file)).map_err(failed)
}

/// Makes durable that a file or folder was made.
fn flush_folder_of(made: &Path) -> std::io::Result<()> {
    fs::File::open(made.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_without_its_key_is_named_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let first = Keys::open(folder.path()).unwrap();
        fs::remove_file(folder.path().join("tls.key")).unwrap();
        let error = Keys::open(folder.path()).map(|keys| keys.tls_pin).unwrap_err().to_string();
        assert!(error.contains("tls.key is missing") && error.contains("tls.crt"), "{error}");
        assert_eq!(read(&folder.path().join("tls.crt")).unwrap(), first.tls_certificate);
    }

    #[test]
    fn a_key_without_its_certificate_gets_one() {
        let folder = tempfile::tempdir().unwrap();
        let first = Keys::open(folder.path()).unwrap();
        fs::remove_file(folder.path().join("tls.crt")).unwrap();
        let again = Keys::open(folder.path()).unwrap();
        assert_eq!((again.tls_pin, again.tls_key), (first.tls_pin, first.tls_key));
        assert!(again.tls_certificate.contains("END CERTIFICATE"));
    }
}
