//! TLS of all clients: whom they trust, and how they prove themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use secrecy::ExposeSecret;
use sha2::{Digest as _, Sha256};

use super::{Agent, ClientError, ClientOptions};

/// What clients share: the set-ups of TLS, and where all options agree the agent itself. Clones share one set, which is
/// filled as clients are made and lives as long as one of them: the system's authorities are some 100 kB and the sessions
/// that can be resumed some 40 kB, and a daemon has several clients for each of thousands of targets.
#[derive(Clone, Default)]
pub struct Trust(Arc<Mutex<Made>>);

#[derive(Default)]
struct Made {
    /// By the authorities that are trusted besides the system's, as PEM.
    verifiers: BTreeMap<Vec<u8>, Arc<dyn ServerCertVerifier>>,
    configs: BTreeMap<Kind, ClientConfig>,
    /// By a digest of all that they were made of.
    agents: BTreeMap<Digest, Arc<Agent>>,
}

type Digest = [u8; 32];

/// What makes one set-up another than the next.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// For `http:` URLs only: nobody is trusted.
    Plain,
    /// With these authorities besides the system's, and this certificate and key of our own; both as PEM.
    Checked { authorities: Vec<u8>, identity: Option<String> },
}

impl Trust {
    /// The agent that was made of the same options before, or the one that `make` makes: most targets of a fleet differ in
    /// nothing but their URLs.
    pub(super) fn agent(
        &self,
        options: &ClientOptions,
        is_plain: bool,
        make: impl FnOnce(ClientConfig) -> Result<Agent, ClientError>,
    ) -> Result<Arc<Agent>, ClientError> {
        let digest = digest(options, is_plain);
        if let Some(agent) = self.made().agents.get(&digest) {
            return Ok(Arc::clone(agent));
        }
        let tls = if is_plain { self.plain(options)? } else { self.checked(options)? };
        let agent = Arc::new(make(tls)?);
        self.made().agents.insert(digest, Arc::clone(&agent));
        Ok(agent)
    }

    /// Whatever is in it is whole, so a panic elsewhere does no harm.
    fn made(&self) -> MutexGuard<'_, Made> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The set-up for clients that speak TLS.
    pub(super) fn checked(&self, options: &ClientOptions) -> Result<ClientConfig, ClientError> {
        let authorities = options.ca_pem.clone().unwrap_or_default();
        let identity = options.identity_pem.as_ref().map(|pem| pem.expose_secret().to_owned());
        let kind = Kind::Checked { authorities, identity };
        let made = &mut *self.made();
        if let Some(config) = made.configs.get(&kind) {
            return Ok(config.clone());
        }
        let verifier = made.verifier(options.ca_pem.as_deref())?;
        let builder = builder()?.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match identity_of(options)? {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(ClientError::Build)?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        made.configs.insert(kind, config.clone());
        Ok(config)
    }

    /// The set-up for clients that never speak TLS. The options are checked all the same.
    pub(super) fn plain(&self, options: &ClientOptions) -> Result<ClientConfig, ClientError> {
        options.ca_pem.as_deref().map(authorities).transpose()?;
        identity_of(options)?;
        let made = &mut *self.made();
        if let Some(config) = made.configs.get(&Kind::Plain) {
            return Ok(config.clone());
        }
        let config = builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        made.configs.insert(Kind::Plain, config.clone());
        Ok(config)
    }
}

impl Made {
    fn verifier(&mut self, extra_pem: Option<&[u8]>) -> Result<Arc<dyn ServerCertVerifier>, ClientError> {
        let key = extra_pem.unwrap_or_default();
        if let Some(verifier) = self.verifiers.get(key) {
            return Ok(Arc::clone(verifier));
        }
        let extra = extra_pem.map(authorities).transpose()?.unwrap_or_default();
        let verifier = Verifier::new_with_extra_roots(extra, provider()).map_err(ClientError::Build)?;
        let verifier: Arc<dyn ServerCertVerifier> = Arc::new(verifier);
        self.verifiers.insert(key.to_owned(), Arc::clone(&verifier));
        Ok(verifier)
    }
}

/// Of everything that makes one client another than the next. Every field is named, so that a new one cannot be forgotten.
fn digest(options: &ClientOptions, is_plain: bool) -> Digest {
    let ClientOptions { connect_timeout, keep_alive, ca_pem, identity_pem, headers, gzip, unix_socket, trust: _ } =
        options;
    let mut digest = Sha256::new();
    let mut add = |part: &[u8]| {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    };
    add(&connect_timeout.as_nanos().to_le_bytes());
    add(&keep_alive.as_nanos().to_le_bytes());
    add(&[u8::from(*gzip), u8::from(is_plain), u8::from(ca_pem.is_some()), u8::from(identity_pem.is_some())]);
    add(ca_pem.as_deref().unwrap_or_default());
    add(identity_pem.as_ref().map_or(&[], |pem| pem.expose_secret().as_bytes()));
    add(unix_socket.as_deref().map_or(&[], |path| path.as_os_str().as_encoded_bytes()));
    for (name, value) in headers {
        add(name.as_bytes());
        add(value.expose_secret().as_bytes());
    }
    digest.finalize().into()
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, ClientError> {
    ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(ClientError::Build)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The certificates in a PEM. A file without any would otherwise pass, and every target fail much later.
fn authorities(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let authorities: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(ClientError::Ca)?;
    if authorities.is_empty() { Err(ClientError::NoAuthority) } else { Ok(authorities) }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Our own certificate chain and key, where the options have them.
fn identity_of(options: &ClientOptions) -> Result<Option<Identity>, ClientError> {
    let Some(pem) = &options.identity_pem else { return Ok(None) };
    let pem = pem.expose_secret().as_bytes();
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(ClientError::Identity)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(ClientError::Identity)?;
    if chain.is_empty() { Err(ClientError::NoIdentity) } else { Ok(Some((chain, key))) }
}

/// The keys within are nobody's business.
impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn whatever_differs_makes_another_client() {
        let options = ClientOptions::default();
        let header = |value: &str| vec![("x-team".to_owned(), value.to_owned().into())];
        let others = [
            ClientOptions { connect_timeout: Duration::from_secs(1), ..options.clone() },
            ClientOptions { keep_alive: Duration::ZERO, ..options.clone() },
            ClientOptions { ca_pem: Some(Vec::new()), ..options.clone() },
            ClientOptions { identity_pem: Some("".into()), ..options.clone() },
            ClientOptions { headers: header("a"), ..options.clone() },
            ClientOptions { headers: header("b"), ..options.clone() },
            ClientOptions { gzip: false, ..options.clone() },
            ClientOptions { unix_socket: Some("/run/x".into()), ..options.clone() },
        ];
        let mut digests: Vec<_> = others.iter().map(|other| digest(other, false)).collect();
        digests.extend([digest(&options, false), digest(&options, true)]);
        let count = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), count);
        let elsewhere = ClientOptions { trust: Trust::default(), ..options.clone() };
        assert_eq!(digest(&options, false), digest(&elsewhere, false));
    }

    #[test]
    fn clients_of_one_configuration_share_what_tls_needs() {
        let options = ClientOptions::default();
        let other = ClientOptions { gzip: false, ..options.clone() };
        for make in [Trust::checked, Trust::plain] {
            let (one, same) = (make(&options.trust, &options).unwrap(), make(&other.trust, &other).unwrap());
            assert!(Arc::ptr_eq(one.crypto_provider(), same.crypto_provider()), "options were cloned with their trust");
            let apart = make(&Trust::default(), &options).unwrap();
            assert!(!Arc::ptr_eq(one.crypto_provider(), apart.crypto_provider()), "another configuration, read anew");
        }
    }
}
