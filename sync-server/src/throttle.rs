//! How often one address and one phone may ask, so that neither guessing nor a defect of one costs the others.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use gridpass_core::id::{DeviceId, UserId};

use crate::app::App;
use crate::config::Config;
use crate::error::ApiError;

/// After how many requests the names that have not asked for long are forgotten.
const SWEEP: u32 = 1000;

/// All limits of one server.
pub struct Throttle {
    /// Enrolments of an address: codes cannot be guessed.
    pub enrol: Gate<IpAddr>,
    /// Challenges and tokens of an address; a whole office may share one.
    pub sign_in: Gate<IpAddr>,
    /// Tokens of a phone.
    pub token: Gate<DeviceId>,
    /// Pushes of a phone.
    pub push: Gate<DeviceId>,
    /// Pulls, packs and event streams of a phone.
    pub pull: Gate<DeviceId>,
    /// Requests about files of a phone.
    pub file: Gate<DeviceId>,
    /// Passwords typed at an address; a whole office may share one.
    pub password: Gate<IpAddr>,
    /// Requests of a person.
    pub person: Gate<UserId>,
}

impl From<&Config> for Throttle {
    fn from(config: &Config) -> Self {
        Self {
            enrol: Gate::new(config.enrols_per_minute),
            sign_in: Gate::new(config.sign_ins_per_minute),
            token: Gate::new(config.tokens_per_minute),
            push: Gate::new(config.pushes_per_minute),
            pull: Gate::new(config.pulls_per_minute),
            file: Gate::new(config.files_per_minute),
            password: Gate::new(config.passwords_per_minute),
            person: Gate::new(config.person_requests_per_minute),
        }
    }
}

/// Lets each name pass so often per minute, and twice as often at once; 0 lets all pass.
pub struct Gate<K: Hash + Eq + Clone> {
    limiter: Option<RateLimiter<K, HashMapStateStore<K>, DefaultClock>>,
    asked: AtomicU32,
}

impl<K: Hash + Eq + Clone> Gate<K> {
    /// A gate that lets each name pass so often per minute.
    pub fn new(per_minute: u32) -> Self {
        let quota = NonZeroU32::new(per_minute)
            .map(|often| Quota::per_minute(often).allow_burst(often.saturating_mul(NonZeroU32::MIN.saturating_add(1))));
        Self { limiter: quota.map(RateLimiter::hashmap), asked: AtomicU32::new(0) }
    }

    /// Passes, or says when to come again.
    pub fn pass(&self, name: &K) -> Result<(), ApiError> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        limiter.check_key(name).map_err(|early| {
            let wait = early.wait_time_from(DefaultClock::default().now());
            ApiError::TooMany { after_s: wait.as_secs().saturating_add(1) }
        })
    }
}

/// The address a request came from; none within one process.
pub struct Peer(pub Option<IpAddr>);

impl Peer {
    /// Passes a gate, if there is an address.
    pub fn pass(&self, gate: &Gate<IpAddr>) -> Result<(), ApiError> {
        self.0.map_or(Ok(()), |address| gate.pass(&address))
    }
}

impl FromRequestParts<Arc<App>> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(peer.map(|ConnectInfo(peer)| named(peer.ip()))))
    }
}

/// Of IPv6 the network: one phone has as many addresses in it as it likes.
fn named(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_pass_twice_their_minute_at_once_and_do_not_stop_each_other() {
        let gate = Gate::new(3);
        assert!((0..6).all(|_| gate.pass(&1).is_ok()));
        assert!(matches!(gate.pass(&1), Err(ApiError::TooMany { after_s: 1..=20 })));
        assert!(gate.pass(&2).is_ok());
        let open = Gate::new(0);
        assert!((0..1000).all(|_| open.pass(&1).is_ok()));
    }

    #[test]
    fn an_ipv6_network_is_one_name() {
        let name = |text: &str| named(text.parse().unwrap());
        assert_eq!(name("2001:db8::1"), name("2001:db8::ffff:1"));
        assert_ne!(name("2001:db8::1"), name("2001:db8:0:1::1"));
        assert_eq!(name("::ffff:10.0.0.1"), name("10.0.0.1"));
        assert_ne!(name("10.0.0.2"), name("10.0.0.1"));
    }
}
