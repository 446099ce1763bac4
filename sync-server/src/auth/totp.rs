//! Codes of an authenticator app (RFC 6238: SHA-1, six digits, thirty seconds, as all such apps know them), and the
//! recovery codes of who has lost it.

use data_encoding::{BASE32, BASE32_NOPAD};
use gridpass_core::id::UserId;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use crate::db::Factor;
use crate::keys::{KeyError, Keys, random};

const STEP_S: i64 = 30;
/// Codes of so many steps before and after now are taken: clocks differ.
const AROUND: u64 = 1;
/// How many recovery codes there are.
pub const RECOVERY_CODES: usize = 10;
/// How many characters one has, without dashes: 80 random bits.
const RECOVERY_CHARS: usize = 16;

/// A new secret.
pub fn secret() -> Result<[u8; 20], KeyError> {
    random()
}

/// The secret as somebody types it into an app.
pub fn typed(secret: &[u8]) -> String {
    BASE32_NOPAD.encode(secret)
}

/// The secret as an app scans it.
pub fn uri(secret: &[u8], issuer: &str, login: &str) -> String {
    let word = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let (issuer, login, secret) = (word(issuer), word(login), typed(secret));
    format!("otpauth://totp/{issuer}:{login}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period={STEP_S}")
}

/// Seals a secret for the database.
pub fn seal(keys: &Keys, user: UserId, secret: &[u8]) -> Result<Vec<u8>, KeyError> {
    Ok(keys.factors.seal(random()?, user.as_bytes(), secret))
}

/// Opens a sealed secret; none if it is another key's or another user's.
pub fn open(keys: &Keys, user: UserId, sealed: &[u8]) -> Option<Vec<u8>> {
    keys.factors.open(user.as_bytes(), sealed).ok()
}

/// New recovery codes, as they are shown once.
pub fn recovery_codes() -> Result<Vec<String>, KeyError> {
    (0..RECOVERY_CODES)
        .map(|_| {
            let code = BASE32.encode(&random::<{ RECOVERY_CHARS * 5 / 8 }>()?).to_lowercase();
            let mut shown = String::new();
            for (place, char) in code.chars().enumerate() {
                if place > 0 && place % 4 == 0 {
                    shown.push('-');
                }
                shown.push(char);
            }
            Ok(shown)
        })
        .collect()
}

/// The hash under which a recovery code is stored.
pub fn recovery_hash(user: UserId, code: &str) -> [u8; 32] {
    let plain: String = plain(code).to_lowercase();
    let mut hasher = blake3::Hasher::new_derive_key("gridpass recovery code v1");
    *hasher.update(user.as_bytes()).update(plain.as_bytes()).finalize().as_bytes()
}

/// What a text is as a second factor of a user.
pub fn factor(user: UserId, secret: &[u8], text: &str, now_ms: i64) -> Factor {
    let plain = plain(text);
    if plain.len() == RECOVERY_CHARS {
        return Factor::Recovery(recovery_hash(user, &plain));
    }
    step_of(secret, &plain, now_ms).map_or(Factor::Wrong, Factor::Step)
}

/// The step whose code a text is, of those around now.
pub fn step_of(secret: &[u8], code: &str, now_ms: i64) -> Option<u64> {
    let now = u64::try_from(now_ms / 1000 / STEP_S).ok()?;
    let code = plain(code);
    // All are compared, so that the time says nothing.
    (now.saturating_sub(AROUND)..=now.saturating_add(AROUND)).fold(None, |found, step| {
        let same = digits(secret, step).as_bytes().ct_eq(code.as_bytes());
        if bool::from(same) { Some(step) } else { found }
    })
}

/// Without the blanks and dashes that people and apps put between.
fn plain(text: &str) -> String {
    text.chars().filter(|char| !char.is_whitespace() && *char != '-').collect()
}

/// The code of a step (RFC 4226, 5.3).
fn digits(secret: &[u8], step: u64) -> String {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret) else { return String::new() }; // takes keys of any length
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash.last().copied().unwrap_or_default() & 0x0f);
    let four = hash.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
    format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
}

/// The code that an app shows, for tests and demonstrations.
pub fn shown(secret: &[u8], now_ms: i64) -> String {
    digits(secret, u64::try_from(now_ms / 1000 / STEP_S).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_rfc_6238() {
        for (second, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000i64, "353130"),
        ] {
            assert_eq!(shown(SECRET, second * 1000), code);
        }
    }

    #[test]
    fn a_code_is_taken_one_step_early_or_late_and_as_apps_show_it() {
        let now = 1_800_000_000_000;
        let code = shown(SECRET, now);
        let (begin, end) = code.split_at(3);
        let step = Some(60_000_000);
        assert_eq!(step_of(SECRET, &format!(" {begin} {end} "), now), step);
        assert_eq!([-60, -30, 30, 60].map(|s| step_of(SECRET, &code, now + s * 1000)), [None, step, step, None]);
        assert_eq!(step_of(b"another", &code, now), None);
        for wrong in ["", "00000", "0000000", "１２３４５６", "abcdef"] {
            assert_eq!(step_of(SECRET, wrong, now), None, "{wrong}");
        }
    }

    #[test]
    fn recovery_codes_are_many_differ_and_may_be_typed_carelessly() {
        let codes = recovery_codes().unwrap();
        assert_eq!(codes.iter().collect::<std::collections::BTreeSet<_>>().len(), RECOVERY_CODES);
        let (user, code) = (UserId([1; 16]), &codes[0]);
        assert_eq!((code.len(), code.matches('-').count()), (19, 3));
        let careless = format!(" {} ", code.to_uppercase().replace('-', " "));
        let hash = Factor::Recovery(recovery_hash(user, code));
        assert_eq!(factor(user, SECRET, &careless, 0), hash);
        assert_ne!(factor(UserId([2; 16]), SECRET, code, 0), hash, "another's hash of the same code is another");
    }

    #[test]
    fn the_uri_names_district_and_login() {
        let uri = uri(SECRET, "崂山区", "zhang san");
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let issuer = "%E5%B4%82%E5%B1%B1%E5%8C%BA";
        assert_eq!(
            uri,
            format!(
                "otpauth://totp/{issuer}:zhang%20san?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"
            )
        );
    }
}
