//! Buckets: the unit of distribution, of order and of locking.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::id::{GridId, UserId};

/// Which kind of bucket the records of a collection lie in. A collection has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BucketClass {
    /// Addresses and facilities of a grid; every member of the grid's staff may hold it.
    Place,
    /// Houses, people and visits of a grid.
    Base,
    /// A home only: no phone pulls it.
    Restricted,
    /// What belongs to one user.
    User,
    /// What the whole district reads and only the server writes.
    District,
}

impl BucketClass {
    /// Every class with the word that catalog files use for it.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("place", Self::Place),
        ("base", Self::Base),
        ("restricted", Self::Restricted),
        ("user", Self::User),
        ("district", Self::District),
    ];

    /// The word that catalog files use.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, class)| *class == self).map_or("", |(word, _)| word)
    }
}

/// An ordered stream of accepted changes that phones hold or do not hold as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    /// The addresses and facilities of a grid.
    Place(GridId),
    /// The houses, households, people and visits of a grid.
    Base(GridId),
    /// The sensitive profiles of a grid.
    Restricted(GridId),
    /// Tasks and own reports of a user.
    User(UserId),
    /// Catalog, organisation, notices.
    District,
}

/// A text or byte string that names no bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a bucket: expected grid/<id>/place, grid/<id>/base, grid/<id>/restricted, user/<id> or district")]
pub struct BadBucket;

impl Bucket {
    /// The class of the bucket.
    pub fn class(&self) -> BucketClass {
        match self {
            Self::Place(_) => BucketClass::Place,
            Self::Base(_) => BucketClass::Base,
            Self::Restricted(_) => BucketClass::Restricted,
            Self::User(_) => BucketClass::User,
            Self::District => BucketClass::District,
        }
    }

    /// The bucket of a class that a grid has, if grids have one.
    pub fn of_grid(class: BucketClass, grid: GridId) -> Option<Self> {
        match class {
            BucketClass::Place => Some(Self::Place(grid)),
            BucketClass::Base => Some(Self::Base(grid)),
            BucketClass::Restricted => Some(Self::Restricted(grid)),
            BucketClass::User | BucketClass::District => None,
        }
    }

    /// The grid the bucket belongs to, if it is a grid's.
    pub fn grid(&self) -> Option<GridId> {
        match self {
            Self::Place(grid) | Self::Base(grid) | Self::Restricted(grid) => Some(*grid),
            Self::User(_) | Self::District => None,
        }
    }

    /// The short form of wire and tables: one byte for the class, then the 16 bytes of grid or user.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (class, id): (u8, &[u8]) = match self {
            Self::Place(grid) => (1, grid.as_bytes()),
            Self::Base(grid) => (2, grid.as_bytes()),
            Self::Restricted(grid) => (3, grid.as_bytes()),
            Self::User(user) => (4, user.as_bytes()),
            Self::District => (5, &[]),
        };
        [&[class], id].concat()
    }
}

impl TryFrom<&[u8]> for Bucket {
    type Error = BadBucket;

    fn try_from(bytes: &[u8]) -> Result<Self, BadBucket> {
        let (class, id) = bytes.split_first().ok_or(BadBucket)?;
        let grid = || GridId::try_from(id).map_err(|_| BadBucket);
        match class {
            1 => grid().map(Self::Place),
            2 => grid().map(Self::Base),
            3 => grid().map(Self::Restricted),
            4 => UserId::try_from(id).map(Self::User).map_err(|_| BadBucket),
            5 if id.is_empty() => Ok(Self::District),
            _ => Err(BadBucket),
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(grid) => write!(f, "grid/{grid}/place"),
            Self::Base(grid) => write!(f, "grid/{grid}/base"),
            Self::Restricted(grid) => write!(f, "grid/{grid}/restricted"),
            Self::User(user) => write!(f, "user/{user}"),
            Self::District => f.write_str("district"),
        }
    }
}

impl FromStr for Bucket {
    type Err = BadBucket;

    fn from_str(text: &str) -> Result<Self, BadBucket> {
        let grid = |id: &str| id.parse().map_err(|_| BadBucket);
        match text.split('/').collect::<Vec<_>>().as_slice() {
            ["grid", id, "place"] => grid(id).map(Self::Place),
            ["grid", id, "base"] => grid(id).map(Self::Base),
            ["grid", id, "restricted"] => grid(id).map(Self::Restricted),
            ["user", id] => id.parse().map(Self::User).map_err(|_| BadBucket),
            ["district"] => Ok(Self::District),
            _ => Err(BadBucket),
        }
    }
}

impl<C> Encode<C> for Bucket {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.to_bytes()).map(|_| ())
    }
}

impl<'b, C> Decode<'b, C> for Bucket {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::try_from(d.bytes()?).map_err(minicbor::decode::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_round_trip() {
        let grid = GridId::derived("grid", &[b"1"]);
        let user = UserId::derived("user", &[b"1"]);
        for bucket in
            [Bucket::Place(grid), Bucket::Base(grid), Bucket::Restricted(grid), Bucket::User(user), Bucket::District]
        {
            assert_eq!(bucket.to_string().parse(), Ok(bucket));
            assert_eq!(Bucket::try_from(bucket.to_bytes().as_slice()), Ok(bucket));
        }
        assert_eq!(Bucket::try_from([5, 0].as_slice()), Err(BadBucket));
        assert_eq!("grid/x/base".parse::<Bucket>(), Err(BadBucket));
    }
}
