//! The directories that heapwatch writes to: where they are, and whether it could. Nothing is created here: a check
//! that is run by root must not leave a directory behind that the service cannot write to.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::found::Wrong;
use super::table::Table;

/// The state directory where the configuration names none: systemd's, else the system's, else the user's own.
pub(super) fn default_state_directory(env: &[(String, String)], is_root: bool) -> PathBuf {
    let variable = |name: &str| env.iter().find(|(variable, value)| variable == name && !value.is_empty());
    if let Some((_, directories)) = variable("STATE_DIRECTORY") {
        // systemd writes all directories of `StateDirectory=`, parted by colons.
        return PathBuf::from(directories.split(':').next().unwrap_or(directories));
    }
    if is_root {
        return PathBuf::from("/var/lib/heapwatch");
    }
    let state_home = variable("XDG_STATE_HOME").map(|(_, path)| PathBuf::from(path));
    let home = || variable("HOME").map(|(_, home)| Path::new(home).join(".local/state"));
    state_home.or_else(home).map_or_else(|| PathBuf::from("/var/lib/heapwatch"), |state| state.join("heapwatch"))
}

/// The directory of `key`, else `default`; reports one that could not be written. Of one that is there, and whose file
/// system is read-only now, it warns: that may pass, and a daemon that watches meanwhile helps more than none.
pub(super) fn writable(table: &mut Table<'_>, key: &'static str, default: PathBuf) -> PathBuf {
    let directory = table.path_to(key, "\"/var/lib/heapwatch\"").unwrap_or(default);
    if access(&directory, Access::WRITE_OK) == Err(Errno::ROFS) {
        table.report.warn(format!(
            "{key}: `{}` is on a read-only file system: nothing can be kept until that can be written",
            directory.display()
        ));
    } else if let Err(problem) = check_writable(&directory) {
        let shown = format!("\"{}\"", directory.display());
        table.contradiction(key, &shown, &[], Wrong::with_example(problem, "\"/var/lib/heapwatch\""));
    }
    directory
}

/// Group and everybody.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A directory that is there must be ours to write; one that is not must have a place to be created in.
fn check_writable(directory: &Path) -> Result<(), String> {
    for ancestor in directory.ancestors() {
        let ancestor = if ancestor.as_os_str().is_empty() { Path::new(".") } else { ancestor };
        let metadata = match ancestor.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(format!("cannot be used: {}: {error}", ancestor.display())),
        };
        let is_itself = ancestor == directory;
        if !metadata.is_dir() {
            return Err(if is_itself {
                "is not a directory".to_owned()
            } else {
                format!("cannot be created: {} is not a directory", ancestor.display())
            });
        }
        if is_itself && metadata.permissions().mode() & WRITABLE_BY_OTHERS != 0 {
            return Err("is writable by others: make it mode 700, or name another directory".to_owned());
        }
        return access(ancestor, Access::WRITE_OK | Access::EXEC_OK).map_err(|errno| {
            let error = io::Error::from(errno);
            if is_itself {
                format!("cannot be written: {error}")
            } else {
                format!("cannot be created in {}: {error}", ancestor.display())
            }
        });
    }
    Err("cannot be created: no directory above it is there".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_follows_systemd_then_the_user() {
        let check = |env: &[(&str, &str)], is_root, expected: &str| {
            let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(default_state_directory(&env, is_root), Path::new(expected), "{env:?}");
        };
        check(
            &[("STATE_DIRECTORY", "/var/lib/private/hw:/var/lib/b"), ("HOME", "/home/a")],
            false,
            "/var/lib/private/hw",
        );
        check(&[("HOME", "/root")], true, "/var/lib/heapwatch");
        check(&[("HOME", "/home/a")], false, "/home/a/.local/state/heapwatch");
        check(&[("HOME", "/home/a"), ("XDG_STATE_HOME", "/s")], false, "/s/heapwatch");
        check(&[("STATE_DIRECTORY", "")], false, "/var/lib/heapwatch");
    }

    #[test]
    fn a_directory_is_checked_and_not_created() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let wanted = place.path().join("a/b");
        assert_eq!(check_writable(&wanted), Ok(()));
        assert!(!place.path().join("a").exists());
        std::fs::write(place.path().join("a"), "").expect("a file");
        let problem = check_writable(&wanted).expect_err("a file is in the way");
        assert!(problem.contains("cannot be"), "{problem}");
        assert_eq!(check_writable(&place.path().join("a")), Err("is not a directory".to_owned()));
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let place = tempfile::tempdir().expect("a temporary directory");
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o777)).expect("the directory is ours");
        assert!(check_writable(place.path()).is_err_and(|problem| problem.contains("mode 700")));
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).expect("the directory is ours");
        assert_eq!(check_writable(place.path()), Ok(()));
    }
}
