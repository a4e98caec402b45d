//! A certificate authority of the tests' own, with a server certificate for 127.0.0.1 and a client certificate.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

/// An authority that only who is told of it trusts.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// What a client must trust, as PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A client certificate and its key in one PEM.
    pub(crate) fn client_pem(&self) -> String {
        let (certificate, key) = self.issue("heapwatch");
        certificate.pem() + &key.serialize_pem()
    }

    /// A server side for `host` that asks for no client certificate.
    pub(crate) fn acceptor(&self, host: &str) -> TlsAcceptor {
        let (certificates, key) = self.chain(host);
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(certificates, key).unwrap()))
    }

    /// A server side for `host` that demands a client certificate of this authority.
    pub(crate) fn demanding_acceptor(&self, host: &str) -> TlsAcceptor {
        let (certificates, key) = self.chain(host);
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_client_cert_verifier(verifier).with_single_cert(certificates, key).unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    fn chain(&self, host: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let (certificate, key) = self.issue(host);
        (vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }

    fn issue(&self, subject: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }
}
