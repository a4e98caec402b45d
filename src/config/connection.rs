//! How to reach a target or a receiver: addresses, certificates, headers.

use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Certificate, Identity};
use secrecy::SecretString;
use url::Url;

use super::found::{Found, Wrong};
use super::secret::{Vault, plain_file};
use super::table::Table;
use crate::http::ClientOptions;

/// Parses an address of HTTP that holds no secret in its user part.
pub(super) fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must start with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        let advice = "has a user or password in it, which would show in logs: use `username` and `password_file`";
        return Err(advice.to_owned());
    }
    if url.fragment().is_some() {
        return Err("has a part after `#`, which is never sent".to_owned());
    }
    Ok(url)
}

/// An address that is not a secret by itself.
pub(super) fn url(table: &mut Table<'_>, example: &str) -> Option<Url> {
    let url = table.parsed("url", example, "an address in quotes", parse_url);
    if !table.has("url") {
        table.missing("url", example);
    }
    url
}

/// An address that may stand in a file of its own, because its path is a secret.
pub(super) fn secret_url(table: &mut Table<'_>, vault: &Vault<'_>, example: &str) -> Option<Url> {
    let from_file = table.read("url_file", |found| {
        vault
            .file(found)
            .and_then(|text| parse_url(text.trim()).map_err(|problem| Wrong::with_example(problem, example)))
    });
    if !table.has("url_file") {
        return url(table, example);
    }
    if table.has("url") {
        table.contradiction("url", "", &[], Wrong::new("contradicts `url_file`: give one of them"));
    }
    from_file
}

/// Certificates and headers of a section; the deadline for connecting is the caller's.
pub(super) fn client(table: &mut Table<'_>, vault: &Vault<'_>, connect_timeout: Duration) -> ClientOptions {
    let ca_pem = table.read("ca_file", |found| {
        let pem = plain_file(found)?.into_bytes();
        match Certificate::from_pem_bundle(&pem) {
            Ok(authorities) if !authorities.is_empty() => Ok(pem),
            _ => Err(Wrong::new("names a file that holds no certificate in PEM form")),
        }
    });
    let identity_pem = table.read("client_cert_file", |found| {
        let pem = vault.file(found)?;
        let problem = "names a file that does not hold a certificate and its private key, both in PEM form";
        Identity::from_pem(pem.as_bytes()).map_err(|_| Wrong::new(problem))?;
        Ok(SecretString::from(pem))
    });
    let headers = headers(table, vault);
    let trust = vault.trust.clone();
    ClientOptions { connect_timeout, ca_pem, identity_pem, headers, trust, ..ClientOptions::default() }
}

/// `headers = { X-Team = "payments", X-Api-Key = { file = "/etc/heapwatch/api.key" } }`.
fn headers(table: &mut Table<'_>, vault: &Vault<'_>) -> Vec<(String, SecretString)> {
    let mut headers = Vec::new();
    for (name, found) in table.entries("headers") {
        match header(&name, &found, vault) {
            Ok(value) => headers.push((name, value)),
            // Values of headers are often secrets, so none is shown.
            Err(wrong) => table.blame_hidden(&found, wrong),
        }
    }
    headers
}

fn header(name: &str, found: &Found<'_>, vault: &Vault<'_>) -> Result<SecretString, Wrong> {
    let example = "{ X-Team = \"payments\", X-Api-Key = { file = \"/etc/heapwatch/api.key\" } }";
    let wrong = |problem: &str| Wrong::with_example(problem, example);
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("is not a name that HTTP allows for a header"))?;
    let is_credential =
        ["authorization", "proxy-authorization", "cookie"].iter().any(|it| name.eq_ignore_ascii_case(it));
    if is_credential && found.value.as_str().is_some() {
        let example = format!("{{ {name} = {{ file = \"/etc/heapwatch/api.header\" }} }}");
        return Err(Wrong::with_example("is a secret, which does not stand in the configuration", example));
    }
    let text = match (found.value.as_str(), found.value.find_ref("file")) {
        (Some(text), _) => text.to_owned(),
        (None, Some(file)) => {
            let file =
                Found { value: file, key: found.key.clone(), place: found.place.clone(), origin: found.origin.clone() };
            vault.file(&file)?
        }
        (None, None) => return Err(wrong("must be text in quotes, or the file that holds it")),
    };
    HeaderValue::from_str(&text).map_err(|_| wrong("has characters that HTTP does not allow in a header"))?;
    Ok(SecretString::from(text))
}
