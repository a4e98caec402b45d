//! Whether a channel is still the one that it was: a checksum of all that a receiver could mind.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{Channel, ChannelKind};
use crate::text::hex;

impl Channel {
    /// A checksum of its addresses, secrets and headers. It tells a changed configuration from the same one after a
    /// restart, and gives no secret away: those are long and random.
    pub fn fingerprint(&self) -> String {
        let mut sum = Checksum(Sha256::new());
        sum.add(self.kind.name());
        match &self.kind {
            ChannelKind::Log => {}
            ChannelKind::Webhook { url, secrets, format } => {
                sum.add(url.as_str());
                for secret in secrets {
                    sum.add_secret(secret);
                }
                sum.add(&format!("{format:?}"));
            }
            ChannelKind::PagerDuty { url, routing_key } => {
                sum.add(url.as_str());
                sum.add_secret(routing_key);
            }
            ChannelKind::Slack { url } => sum.add(url.as_str()),
            ChannelKind::Alertmanager { peers, .. } => {
                for peer in peers {
                    sum.add(peer.as_str());
                }
            }
        }
        for (name, value) in &self.client.headers {
            sum.add(name);
            sum.add_secret(value);
        }
        if let Some(identity) = &self.client.identity_pem {
            sum.add_secret(identity);
        }
        hex(&sum.0.finalize()[..16])
    }
}

struct Checksum(Sha256);

impl Checksum {
    /// With its length, so that moving a letter from one part to the next changes the sum.
    fn add(&mut self, part: &str) {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part.as_bytes());
    }

    fn add_secret(&mut self, secret: &SecretString) {
        self.add(secret.expose_secret());
    }
}
