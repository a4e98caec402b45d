//! Who asks: the name of the token that proved it, and whose connection it came on. For the audit trail, which says who
//! has acted.

use std::fmt;
use std::fs;
use std::net::IpAddr;

/// Whoever asks for something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Name of the token; `None` where the configuration demands none.
    pub token: Option<String>,
    /// The other end of the connection, where it is known.
    pub peer: Option<Peer>,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// On TCP: the client, or the proxy before it.
    Address(IpAddr),
    /// On a Unix socket: a user of this machine.
    User(u32),
}

/// `token ops from 10.0.0.7`, `user alice`.
impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.token, &self.peer) {
            (Some(token), Some(peer)) => write!(f, "token {token} from {peer}"),
            (Some(token), None) => write!(f, "token {token}"),
            (None, Some(peer)) => write!(f, "{peer}"),
            (None, None) => f.write_str("somebody"),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::User(id) => match user_name(*id) {
                Some(name) => write!(f, "user {name}"),
                None => write!(f, "user {id}"),
            },
        }
    }
}

/// A name of this machine's own list; users of a directory service keep their number.
fn user_name(id: u32) -> Option<String> {
    name_in(&fs::read_to_string("/etc/passwd").ok()?, id)
}

/// `name:password:id:...`, a user a line; see passwd(5).
fn name_in(passwd: &str, id: u32) -> Option<String> {
    let of_line = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        (fields.nth(1)?.parse() == Ok(id)).then_some(name)
    };
    passwd.lines().find_map(of_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asker_is_named_by_what_is_known_of_it() {
        let address = Peer::Address([10, 0, 0, 7].into());
        for (token, peer, expected) in [
            (Some("ops"), Some(address), "token ops from 10.0.0.7"),
            (Some("ops"), None, "token ops"),
            (None, Some(address), "10.0.0.7"),
            (None, Some(Peer::User(4_000_000_000)), "user 4000000000"),
            (None, None, "somebody"),
        ] {
            assert_eq!(Asker { token: token.map(str::to_owned), peer }.to_string(), expected);
        }
    }

    #[test]
    fn users_are_found_by_their_number() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n\nbroken\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(name_in(passwd, 1000).as_deref(), Some("alice"));
        assert_eq!(name_in(passwd, 0).as_deref(), Some("root"));
        assert_eq!(name_in(passwd, 7), None);
    }
}
