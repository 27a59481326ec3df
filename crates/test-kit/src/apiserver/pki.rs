//! The cluster's authority, the API server's certificate, and the key that signs account tokens.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use std::fs;
use std::path::Path;

const NAMES: &[&str] = &[
    "127.0.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default.svc",
    "10.97.0.1",
];

/// Writes `ca.crt`, `apiserver.{crt,key}` and `service-accounts.{pub,key}` and returns the authority.
pub(crate) fn write(dir: &Path) -> anyhow::Result<String> {
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "erpgo-test-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    fs::write(dir.join("ca.crt"), authority.pem())?;

    let key = KeyPair::generate()?;
    let mut params =
        CertificateParams::new(NAMES.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "kube-apiserver");
    let server = params.signed_by(&key, &authority)?;
    fs::write(dir.join("apiserver.crt"), server.pem())?;
    fs::write(dir.join("apiserver.key"), key.serialize_pem())?;

    let accounts = KeyPair::generate()?;
    fs::write(dir.join("service-accounts.key"), accounts.serialize_pem())?;
    fs::write(dir.join("service-accounts.pub"), accounts.public_key_pem())?;
    Ok(authority.pem())
}
