//! What only the server may decide. Prepares changes by the server's own actors; writes nothing itself.

mod follow;

pub use follow::{Author, Followed, Office, Rules, follow};
