//! A memory control group of our own, as a container's: where the machine lets us make one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Goes away when dropped, after the processes in it.
pub(crate) struct MemoryGroup {
    directory: PathBuf,
    is_v2: bool,
}

impl MemoryGroup {
    /// A group with this limit; `None` where none can be made: no privileges, or no memory controller.
    pub(crate) fn new(limit_bytes: u64) -> Option<Self> {
        let name = format!("heapwatch-test-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let v1 = Path::new("/sys/fs/cgroup/memory");
        let (root, limit, is_v2) = if v1.is_dir() {
            (v1, "memory.limit_in_bytes", false)
        } else {
            (Path::new("/sys/fs/cgroup"), "memory.max", true)
        };
        let directory = root.join(name);
        fs::create_dir(&directory).ok()?;
        let group = Self { directory, is_v2 };
        fs::write(group.directory.join(limit), limit_bytes.to_string()).ok()?;
        Some(group)
    }

    /// Who writes its pid here is in the group, with all that it starts later.
    pub(crate) fn procs(&self) -> PathBuf {
        self.directory.join("cgroup.procs")
    }

    /// How often the kernel has killed in it.
    pub(crate) fn kills(&self) -> u64 {
        let file = if self.is_v2 { "memory.events" } else { "memory.oom_control" };
        let text = fs::read_to_string(self.directory.join(file)).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // The kernel lets go of the dead a moment later; what is left after that is empty and harmless.
        for _ in 0..20 {
            if fs::remove_dir(&self.directory).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
