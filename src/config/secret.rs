//! Secrets and certificates: read from the files and variables that the configuration names, never from itself.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::found::{Found, Wrong};
use super::table::Table;
use crate::http::{Credentials, Trust};

/// More than any token; a private key with its chain of certificates takes 20 KiB.
const LONGEST: u64 = 256 << 10;

/// Where secrets that are not in a file of their own path come from.
#[derive(Clone, Copy)]
pub(super) struct Vault<'a> {
    /// Bare names are looked up here.
    pub(super) credentials_directory: Option<&'a Path>,
    /// The environment, as the caller read it.
    pub(super) env: &'a [(String, String)],
    /// What TLS needs, for all clients of the configuration.
    pub(super) trust: &'a Trust,
}

/// The two keys of one secret; each section has its own.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    pub(super) file: &'static str,
    pub(super) env: &'static str,
}

pub(super) const TOKEN: Keys = Keys { file: "token_file", env: "token_env" };
pub(super) const PASSWORD: Keys = Keys { file: "password_file", env: "password_env" };

impl Vault<'_> {
    /// The secret of a section, if it names one.
    pub(super) fn secret(&self, table: &mut Table<'_>, keys: Keys) -> Option<SecretString> {
        let from_file = table.read(keys.file, |found| self.file(found).and_then(one_line));
        let from_env = table.read(keys.env, |found| self.variable(found).and_then(one_line));
        if table.has(keys.file) && table.has(keys.env) {
            let problem = format!("contradicts `{}`: give one of them", keys.file);
            table.contradiction(keys.env, "", &[], Wrong::new(problem));
        }
        from_file.or(from_env).map(SecretString::from)
    }

    /// Bearer or basic credentials of a section, if it has any; a target's own replace those of `[defaults]` whole.
    pub(super) fn credentials(&self, table: &mut Table<'_>) -> Option<Credentials> {
        let mut own = table.nearest_with(&[TOKEN.file, TOKEN.env, "username", PASSWORD.file, PASSWORD.env])?;
        let token = self.secret(&mut own, TOKEN);
        let password = self.secret(&mut own, PASSWORD);
        let user = own.text("username", "\"heapwatch\"");
        let has_token = own.has(TOKEN.file) || own.has(TOKEN.env);
        let has_password = own.has(PASSWORD.file) || own.has(PASSWORD.env);
        match (has_token, own.has("username"), has_password) {
            (true, true, _) => {
                let problem = "contradicts the token: an endpoint takes a token, or a user with a password";
                own.contradiction("username", "", &[], Wrong::new(problem));
            }
            (false, true, false) => own.missing(PASSWORD.file, "\"/etc/heapwatch/api.password\""),
            (_, false, true) => own.missing("username", "\"heapwatch\""),
            _ => {}
        }
        match (token, user, password) {
            (Some(token), ..) => Some(Credentials::Bearer(token)),
            (None, Some(user), Some(password)) => Some(Credentials::Basic { user, password }),
            _ => None,
        }
    }

    /// What stands in the file of a secret, without the line break at its end.
    pub(super) fn file(&self, found: &Found<'_>) -> Result<String, Wrong> {
        self.named_file(found, path_text(found)?)
    }

    /// What stands in the file `name`, one of those that `found` lists.
    pub(super) fn named_file(&self, found: &Found<'_>, name: &str) -> Result<String, Wrong> {
        let path = self.locate(found, name)?;
        let text = read_private(&path).map_err(|problem| in_file(found, &path, &problem))?;
        let secret = text.trim_end_matches(['\n', '\r']);
        if secret.trim().is_empty() { Err(in_file(found, &path, "is empty")) } else { Ok(secret.to_owned()) }
    }

    fn locate(&self, found: &Found<'_>, name: &str) -> Result<PathBuf, Wrong> {
        if name.contains('/') {
            return Ok(found.resolve(name));
        }
        match self.credentials_directory {
            Some(directory) => Ok(directory.join(name)),
            None => Err(Wrong::with_example(
                "is a bare name, which systemd's LoadCredential= provides, and $CREDENTIALS_DIRECTORY is not set: \
                 write a path, or run as a service",
                format!("\"/etc/heapwatch/{name}\""),
            )),
        }
    }

    fn variable(&self, found: &Found<'_>) -> Result<String, Wrong> {
        let example = "\"API_TOKEN\"";
        let Some(name) = found.value.as_str() else {
            return Err(Wrong::with_example(
                format!("must be the name of a variable in quotes{}", found.instead()),
                example,
            ));
        };
        if name.is_empty() {
            return Err(Wrong::with_example("is empty", example));
        }
        let secret = self.env.iter().find(|(variable, _)| variable == name).map(|(_, secret)| secret.trim());
        match secret {
            None => Err(Wrong::new("names a variable that is not set")),
            Some("") => Err(Wrong::new("names a variable that is empty")),
            Some(secret) => Ok(secret.to_owned()),
        }
    }
}

/// A file that is no secret, a certificate or a template: anybody may read it.
pub(super) fn plain_file(found: &Found<'_>) -> Result<String, Wrong> {
    let path = found.resolve(path_text(found)?);
    open(&path).and_then(read).map_err(|problem| in_file(found, &path, &problem))
}

fn path_text<'a>(found: &Found<'a>) -> Result<&'a str, Wrong> {
    let example = "\"/etc/heapwatch/api.token\"";
    match found.value.as_str() {
        Some("") => Err(Wrong::with_example("is empty", example)),
        Some(text) => Ok(text),
        None => Err(Wrong::with_example(format!("must be a path in quotes{}", found.instead()), example)),
    }
}

/// Names the file only where the value of the key does not.
fn in_file(found: &Found<'_>, path: &Path, problem: &str) -> Wrong {
    if found.value.as_str().map(Path::new) == Some(path) {
        Wrong::new(format!("names a file that {problem}"))
    } else {
        Wrong::new(format!("names {}, which {problem}", path.display()))
    }
}

/// A token or a password goes into a header, and no header has a line break in it.
fn one_line(secret: String) -> Result<String, Wrong> {
    if secret.chars().any(char::is_control) {
        return Err(Wrong::new("holds a line break or another control character within the secret"));
    }
    if secret.trim() != secret {
        return Err(Wrong::new("holds a secret with blanks around it"));
    }
    Ok(secret)
}

fn read_private(path: &Path) -> Result<String, String> {
    let file = open(path)?;
    let mode = file.metadata().map_err(|error| cannot_read(&error))?.permissions().mode();
    if mode & 0o007 != 0 {
        let mode = mode & 0o7777;
        return Err(format!("is open to every user of this machine (mode {mode:04o}): `chmod 0600` it, or 0640"));
    }
    read(file)
}

/// Opens a regular file; opening a pipe would wait for somebody to write to it.
fn open(path: &Path) -> Result<File, String> {
    let metadata = fs::metadata(path).map_err(|error| cannot_read(&error))?;
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    File::open(path).map_err(|error| cannot_read(&error))
}

fn read(file: File) -> Result<String, String> {
    let mut text = String::new();
    match file.take(LONGEST + 1).read_to_string(&mut text) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err("is not UTF-8 text".to_owned()),
        Err(error) => Err(cannot_read(&error)),
        Ok(bytes) if bytes as u64 > LONGEST => Err("is larger than 256 KiB".to_owned()),
        Ok(_) => Ok(text),
    }
}

fn cannot_read(error: &io::Error) -> String {
    format!("cannot be read: {error}")
}
