//! Names of things: 16 bytes on the wire and in tables, 32 lower-case hex digits in text.
//!
//! Identifiers are made where the thing is made, so a phone without a network can name what it creates. Nothing may be
//! ordered by an identifier.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is not 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: expected 32 lower-case hexadecimal digits")]
pub struct BadId;

/// Writes bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0'));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads exactly `N` bytes from lower-case hexadecimal digits.
pub fn unhex<const N: usize>(text: &str) -> Result<[u8; N], BadId> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(BadId);
    }
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(BadId),
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        if let [high, low] = pair {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
    }
    Ok(bytes)
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; $length]);

        impl $name {
            /// The bytes of the name.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                unhex(text).map(Self)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = BadId;

            fn try_from(bytes: &[u8]) -> Result<Self, BadId> {
                bytes.try_into().map(Self).map_err(|_| BadId)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! made_on_the_spot {
    ($($name:ident),*) => {$(
        impl $name {
            /// A new name (UUID version 7) from a time in milliseconds since 1970 and ten random bytes.
            pub fn new(time_ms: i64, random: [u8; 10]) -> Self {
                let time_ms = u64::try_from(time_ms).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(time_ms, &random).into_uuid().into_bytes())
            }

            /// A name derived from other names (UUID version 8), so that two devices that derive it get the same one.
            ///
            /// `kind` tells derivations apart; the parts are hashed with their lengths.
            pub fn derived(kind: &str, parts: &[&[u8]]) -> Self {
                let mut hasher = blake3::Hasher::new_derive_key("gridpass derived identifier v1");
                for part in std::iter::once(kind.as_bytes()).chain(parts.iter().copied()) {
                    hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
                }
                let mut bytes = [0; 16];
                hasher.finalize_xof().fill(&mut bytes);
                Self(uuid::Builder::from_custom_bytes(bytes).into_uuid().into_bytes())
            }
        }
    )*};
}

identifier!(
    /// A record: one small document of one collection.
    RecordId, 16
);
identifier!(
    /// Who writes into documents: one per database file of a device, two on the server.
    ActorId, 16
);
identifier!(
    /// One enrolment: one phone used by one user.
    DeviceId, 16
);
identifier!(
    /// A person with an account.
    UserId, 16
);
identifier!(
    /// A grid of the district.
    GridId, 16
);
identifier!(
    /// A unit of the organisation tree: district, street, area, community, department.
    UnitId, 16
);
identifier!(
    /// Why a change was made: one save by a user. It survives when the change is authored again.
    IntentId, 16
);
identifier!(
    /// An assignment's right to write, named in every pushed item.
    GrantId, 16
);
identifier!(
    /// An item of an inbox: a conflict, a rejected change.
    TicketId, 16
);
identifier!(
    /// One push.
    BatchId, 16
);
identifier!(
    /// A signing, sealing or TLS key; its row fixes the algorithm.
    KeyId, 8
);
identifier!(
    /// The hash of an Automerge change. A change is named by (record, generation, hash), never by the hash alone.
    ChangeHash, 32
);
identifier!(
    /// The BLAKE3 hash of a file's bytes.
    BlobHash, 32
);

made_on_the_spot!(RecordId, IntentId, DeviceId, UserId, GridId, UnitId, GrantId, TicketId, BatchId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_and_refuses_anything_else() {
        let id = RecordId::new(1_700_000_000_000, [7; 10]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse::<RecordId>(), Err(BadId));
        assert_eq!("12".parse::<RecordId>(), Err(BadId));
    }

    #[test]
    fn derived_names_depend_on_every_part_and_on_where_parts_end() {
        let name = |parts: &[&[u8]]| RecordId::derived("test", parts);
        assert_eq!(name(&[b"ab", b"c"]), name(&[b"ab", b"c"]));
        assert_ne!(name(&[b"ab", b"c"]), name(&[b"a", b"bc"]));
        assert_ne!(name(&[b"ab"]), RecordId::derived("other", &[b"ab"]));
        assert_eq!(name(&[b"ab"]).0.get(6).map(|byte| byte >> 4), Some(8), "version 8");
    }
}
