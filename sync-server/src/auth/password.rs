//! Passwords: which are taken, and how they are hashed and compared.
//!
//! Argon2id with 19 MiB, two passes and one lane, which OWASP's cheat sheet on storing passwords names. The hash carries
//! its parameters; one of other parameters is renewed when its password is typed the next time. The rules are those of
//! NIST SP 800-63B: length and a list of the commonest ones, any character, no rules of composition, compared in NFKC.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use prometheus_client::metrics::counter::Counter;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use crate::error::ApiError;
use crate::keys::random;

/// How many characters a password has at least, in NFKC.
pub const MIN_CHARS: usize = 10;
/// How many are compared at once; each takes 19 MiB meanwhile.
const AT_ONCE: usize = 2;
/// How many wait for that; more are told to come again.
const WAITING: usize = 64;

/// Passwords that everybody tries first, of ten characters and more, in small letters.
static COMMON: LazyLock<BTreeSet<&str>> = LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// The memory of one hashing. It is used again: an allocator that keeps what each thread has freed would hold a piece of
/// 19 MiB for every thread that has ever hashed.
type Memory = Vec<Block>;

/// Hashes and compares passwords, few at a time, so that signing in does not eat the server's memory.
pub struct Passwords {
    /// How many were hashed or compared.
    pub worked: Counter,
    params: Params,
    line: Arc<Semaphore>,
    gate: Arc<Semaphore>,
    memories: Arc<Mutex<Vec<Memory>>>,
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Whether the password is that of the hash.
    pub right: bool,
    /// Its hash under the parameters of now, where the old one has others.
    pub renewed: Option<String>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            worked: Counter::default(),
            params: Params::DEFAULT,
            line: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
            gate: Arc::new(Semaphore::new(AT_ONCE)),
            memories: Arc::default(),
        }
    }
}

impl Passwords {
    /// Compares a password with a hash. Without one it costs the same and nothing is right.
    pub async fn compare(&self, password: &str, hash: Option<String>) -> Result<Compared, ApiError> {
        let (params, password) = (self.params.clone(), normalised(password));
        self.slowly(move |memory| match hash {
            Some(hash) => compare(&params, memory, &password, &hash),
            None => make(&params, memory, &password).map(|_| Compared { right: false, renewed: None }),
        })
        .await
    }

    /// The hash of a password, to be stored.
    pub async fn hash(&self, password: &str) -> Result<String, ApiError> {
        let (params, password) = (self.params.clone(), normalised(password));
        self.slowly(move |memory| make(&params, memory, &password)).await
    }

    /// The same for a command, which has the memory for itself.
    pub fn hash_now(&self, password: &str) -> Result<String, ApiError> {
        make(&self.params, &mut Memory::new(), &normalised(password))
    }

    /// Waits for a place and works on a thread that may block. Whoever gives up leaves the place when the work is done.
    async fn slowly<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let in_line = self.line.clone().try_acquire_owned().map_err(|_| ApiError::Busy)?;
        let place = self.gate.clone().acquire_owned().await.map_err(|_| ApiError::Busy)?;
        self.worked.inc();
        let memories = self.memories.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _until_done = (in_line, place);
            let mut memory = memories.lock().ok().and_then(|mut free| free.pop()).unwrap_or_default();
            let done = work(&mut memory);
            if let Ok(mut free) = memories.lock() {
                free.push(memory);
            }
            done
        });
        done.await.unwrap_or(Err(ApiError::Internal("hashing a password ended in a defect")))
    }
}

const UNREADABLE: ApiError = ApiError::Internal("a stored password hash does not read");
const NOT_HASHED: ApiError = ApiError::Internal("a password cannot be hashed");

/// What Argon2id makes of a password.
fn output(params: &Params, memory: &mut Memory, password: &str, salt: &[u8]) -> Result<Output, ApiError> {
    memory.resize(params.block_count().max(memory.len()), Block::new());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut out = vec![0; params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)];
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, &mut out, memory).map_err(|_| NOT_HASHED)?;
    Output::new(&out).map_err(|_| NOT_HASHED)
}

fn make(params: &Params, memory: &mut Memory, password: &str) -> Result<String, ApiError> {
    let salt = Salt::new(&random::<16>().map_err(|_| NOT_HASHED)?).map_err(|_| NOT_HASHED)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(|_| NOT_HASHED)?,
        hash: Some(output(params, memory, password, &salt)?),
        salt: Some(salt),
    };
    Ok(hash.to_string())
}

fn compare(params: &Params, memory: &mut Memory, password: &str, hash: &str) -> Result<Compared, ApiError> {
    let stored = PasswordHash::new(hash).map_err(|_| UNREADABLE)?;
    let then = Params::try_from(&stored).map_err(|_| UNREADABLE)?;
    let (Some(salt), Some(hash)) = (&stored.salt, &stored.hash) else { return Err(UNREADABLE) };
    if stored.algorithm != Algorithm::Argon2id.ident() {
        return Err(UNREADABLE);
    }
    let right = bool::from(output(&then, memory, password, salt)?.as_bytes().ct_eq(hash.as_bytes()));
    let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
    let renewed = if right && costs(&then) != costs(params) { Some(make(params, memory, password)?) } else { None };
    Ok(Compared { right, renewed })
}

fn normalised(password: &str) -> String {
    password.nfkc().collect()
}

/// Whether a user may choose a password; `field` is where it stands in the request.
pub fn check(password: &str, login: &str, field: &'static str) -> Result<(), ApiError> {
    let password = normalised(password);
    let small = password.to_lowercase();
    let refused = |code| ApiError::bad(code, field);
    if password.chars().count() < MIN_CHARS {
        return Err(ApiError::told(axum::http::StatusCode::BAD_REQUEST, "password_short")
            .at(field)
            .with("min", MIN_CHARS as u64)
            .into());
    }
    if small == normalised(login).to_lowercase() {
        return Err(refused("password_is_login"));
    }
    let mut chars = small.chars();
    let first = chars.next();
    if COMMON.contains(small.as_str()) || chars.all(|char| Some(char) == first) {
        return Err(refused("password_common"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(password: &str, login: &str) -> String {
        check(password, login, "new").map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn any_ten_characters_are_taken_but_what_everybody_tries() {
        for good in ["correct horse", "一二三四五六七八九十", "pass phrase \u{1f600}", "          x"] {
            assert_eq!(code(good, "li"), "", "{good}");
        }
        // Two code points that are one character in NFKC count as one.
        for short in ["", "123456789", "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}"] {
            assert_eq!(code(short, "li"), "password_short at new", "{short}");
        }
        assert_eq!(code("ＺｈａｎｇＳａｎ１２", "zhangsan12"), "password_is_login at new");
        for common in ["1234567890", "１２３４５６７８９０", "Password123", "qwertyuiop", "aaaaaaaaaaaaa"] {
            assert_eq!(code(common, "li"), "password_common at new", "{common}");
        }
    }

    #[test]
    fn every_common_password_could_be_chosen_otherwise() {
        for line in include_str!("common_passwords.txt").lines() {
            assert!(line.chars().count() >= MIN_CHARS && line == line.to_lowercase(), "{line}");
        }
        assert!(COMMON.len() > 100);
    }

    #[tokio::test]
    async fn a_hash_is_compared_in_nfkc_and_renewed_when_its_parameters_are_old() {
        let passwords = Passwords::default();
        let now = passwords.hash("Ａ correct horse").await.unwrap();
        assert!(now.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{now}");
        let same = passwords.compare("A correct horse", Some(now.clone())).await.unwrap();
        assert_eq!(same, Compared { right: true, renewed: None });
        let other = passwords.compare("a correct horse", Some(now)).await.unwrap();
        assert_eq!(other, Compared { right: false, renewed: None });

        let weak = Params::new(64, 1, 1, None).unwrap();
        let old = make(&weak, &mut Memory::new(), "A correct horse").unwrap();
        let wrong = passwords.compare("another horse", Some(old.clone())).await.unwrap();
        assert_eq!(wrong, Compared { right: false, renewed: None }, "nobody's hash is renewed by a wrong one");
        let renewed = passwords.compare("A correct horse", Some(old)).await.unwrap().renewed.unwrap();
        assert!(renewed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{renewed}");
        assert!(passwords.compare("A correct horse", Some(renewed)).await.unwrap().right);
    }

    /// A hash that another program made, so that those stored stay readable whatever becomes of this one.
    #[tokio::test]
    async fn a_hash_of_the_reference_implementation_is_read() {
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let passwords = Passwords::default();
        assert!(passwords.compare("password", Some(hash.into())).await.unwrap().right);
        assert!(!passwords.compare("passwort", Some(hash.into())).await.unwrap().right);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn however_many_come_the_memory_is_that_of_those_at_work() {
        let passwords = Arc::new(Passwords::default());
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..12 {
            let passwords = passwords.clone();
            all.spawn(async move { passwords.compare("a", None).await.unwrap().right });
        }
        assert!(all.join_all().await.iter().all(|right| !right));
        let kept = passwords.memories.lock().unwrap().iter().map(Vec::len).sum::<usize>();
        assert!((1..=AT_ONCE).contains(&(kept / Params::DEFAULT.block_count())), "{kept} KiB");
    }

    #[tokio::test]
    async fn who_comes_when_the_line_is_full_is_told_to_come_again() {
        let passwords = Passwords::default();
        let all = u32::try_from(AT_ONCE + WAITING).unwrap();
        let full = passwords.line.clone().try_acquire_many_owned(all).unwrap();
        assert!(matches!(passwords.compare("a", None).await, Err(ApiError::Busy)));
        drop(full);
        assert!(!passwords.compare("a", None).await.unwrap().right);
    }
}
