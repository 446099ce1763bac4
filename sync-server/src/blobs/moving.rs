//! How many bodies one phone may send at once, so that one cannot fill the server's memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use gridpass_core::id::DeviceId;

/// The most bodies of one phone at once.
const EACH: u32 = 4;
/// The most bodies at once.
const ALL: u32 = 256;

/// The bodies under way.
#[derive(Default)]
pub(super) struct Moving(Arc<Mutex<BTreeMap<DeviceId, u32>>>);

/// A body under way, until it is dropped.
pub(super) struct Place {
    moving: Arc<Mutex<BTreeMap<DeviceId, u32>>>,
    device: DeviceId,
}

impl Moving {
    /// A place for a body of a phone, if there is one.
    pub(super) fn take(&self, device: DeviceId) -> Option<Place> {
        let mut moving = self.0.lock().ok()?;
        let own = moving.get(&device).copied().unwrap_or(0);
        if own >= EACH || moving.values().sum::<u32>() >= ALL {
            return None;
        }
        moving.insert(device, own + 1);
        Some(Place { moving: self.0.clone(), device })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Ok(mut moving) = self.moving.lock() else { return };
        match moving.get(&self.device).copied() {
            Some(own) if own > 1 => drop(moving.insert(self.device, own - 1)),
            _ => drop(moving.remove(&self.device)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_phone_has_four_places_and_leaves_the_others_theirs() {
        let moving = Moving::default();
        let held: Vec<_> = (0..4).map(|_| moving.take(DeviceId([1; 16])).unwrap()).collect();
        assert!(moving.take(DeviceId([1; 16])).is_none());
        assert!(moving.take(DeviceId([2; 16])).is_some());
        drop(held);
        assert!(moving.take(DeviceId([1; 16])).is_some());
        assert!(moving.0.lock().unwrap().is_empty());
    }
}
