//! What only the server may decide: what follows from an accepted change, and what people decide at a desk.

pub mod desk;
mod follow;
mod queue;
mod standing;

pub use follow::{Author, Followed, Office, Rules, follow};
pub use queue::review_of;
pub use standing::{Act, Standing};
