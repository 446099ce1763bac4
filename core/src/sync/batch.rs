//! Which pending changes travel together.

use crate::wire::{MAX_PUSH_BYTES, MAX_PUSH_ITEMS};

/// How many bytes of a push are not items: ids, signature, the list of actors.
const FRAME_BYTES: usize = 16 << 10;

/// How many of the items, whose sizes in bytes are given in the order they were made, go into the next push: as many
/// as its limits allow, at least one when there is one, and never a later one without all earlier ones.
pub fn batch(sizes: impl IntoIterator<Item = usize>) -> usize {
    let mut bytes = FRAME_BYTES;
    let mut taken = 0;
    for size in sizes.into_iter().take(MAX_PUSH_ITEMS) {
        bytes = bytes.saturating_add(size);
        if taken > 0 && bytes > MAX_PUSH_BYTES {
            break;
        }
        taken += 1;
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_full_by_items_or_by_bytes_and_never_empty_while_something_waits() {
        assert_eq!(batch([]), 0);
        assert_eq!(batch([100; 10]), 10);
        assert_eq!(batch([100; 2000]), MAX_PUSH_ITEMS);
        assert_eq!(batch([60 << 10; 100]), 16, "16 items of 60 KiB and the frame fill 1 MiB");
        assert_eq!(batch([2 << 20, 10]), 1, "what is too large travels alone and is refused alone");
    }
}
