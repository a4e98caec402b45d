//! A configuration in a directory of its own, given to the real executable.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A directory with a configuration in it, and what `heapwatch check` is given besides.
pub(crate) struct Case {
    directory: TempDir,
    env: Vec<(String, String)>,
}

pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Case {
    pub(crate) fn new(text: impl AsRef<[u8]>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("x.toml"), text).unwrap();
        Self { directory, env: Vec::new() }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A file beside the configuration.
    pub(crate) fn file(self, name: &str, content: &str, mode: u32) -> Self {
        let path = self.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = heapwatch(arguments);
        command.arg("--config").arg(self.path().join("x.toml"));
        command.env("STATE_DIRECTORY", self.path().join("state")).envs(self.env.iter().cloned());
        command
    }

    pub(crate) fn check(&self, arguments: &[&str]) -> Outcome {
        let output = self.command(&[&["check"], arguments].concat()).output().unwrap();
        let directory = self.path().display().to_string();
        Outcome {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap().replace(&directory, "DIR"),
            stderr: String::from_utf8(output.stderr).unwrap().replace(&directory, "DIR"),
        }
    }

    /// The lines that tell of problems.
    pub(crate) fn problems(&self) -> Vec<String> {
        let outcome = self.check(&[]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (78, ""), "{}", outcome.stderr);
        let mut lines = outcome.stderr.lines();
        assert_eq!(lines.next(), Some("heapwatch: bad configuration"), "{}", outcome.stderr);
        lines.map(str::to_owned).collect()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        let outcome = self.check(&["--json"]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        serde_json::from_str(&outcome.stdout).unwrap()
    }
}

pub(crate) fn heapwatch(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heapwatch"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}
