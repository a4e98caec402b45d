# A machine for tests: Debian 12 with systemd as its first process, in namespaces of this host. Sourced by `run`.
#
# It has a root file system, a process tree, a network (loopback alone) and cgroups of its own; it shares the kernel.

# Kept between runs, so that only the first one fetches packages.
readonly BASE=$PWD/target/machine/base.tar
readonly ROOT=$PWD/target/machine/root
readonly PACKAGES=systemd,systemd-sysv,dbus,ca-certificates,iproute2,procps,libpam-systemd,man-db
# The name of our cgroup in each hierarchy of the host.
readonly GROUP=heapwatch-test-$$

# The process that started the machine, and the machine's first process, as the host numbers them.
LAUNCHER=
FIRST=

# Prints why no machine can be started here; nothing where one can.
machine_is_impossible() {
  if [[ $EUID -ne 0 ]]; then
    echo 'only root can start a machine with systemd'
  elif ! unshare --mount --pid --fork --cgroup --net --uts --ipc true 2>/dev/null; then
    echo 'this system does not allow new namespaces'
  elif ! unshare --mount bash -c "mount -t tmpfs tmpfs /mnt" 2>/dev/null; then
    echo 'this system does not allow mounts in a new namespace'
  elif ! mkdir "$(cgroup_directories | head -n 1)" 2>/dev/null; then
    echo 'this system does not allow new cgroups'
  else
    rmdir "$(cgroup_directories | head -n 1)"
  fi
}

# Makes the base system where it is missing, and a fresh root file system from it.
machine_install() {
  mkdir -p "$(dirname "$BASE")"
  if [[ ! -f $BASE ]]; then
    echo 'fetching a base system (once)'
    local sources=()
    [[ -f /etc/apt/sources.list.d/debian.sources ]] && sources=(/etc/apt/sources.list.d/debian.sources)
    rm -rf "$BASE" "$BASE.part"
    # It would take another name's ending for a directory.
    mmdebstrap --quiet --format=tar --variant=minbase --include="$PACKAGES" bookworm "$BASE.part" "${sources[@]}"
    mv "$BASE.part" "$BASE"
  fi
  rm -rf "$ROOT"
  mkdir -p "$ROOT"
  tar -xf "$BASE" -C "$ROOT" --exclude='./dev/*'
}

machine_start() {
  (
    local directory
    for directory in $(cgroup_directories); do
      mkdir -p "$directory" && echo "$BASHPID" >"$directory/cgroup.procs"
    done 2>/dev/null
    exec unshare --mount --pid --fork --cgroup --net --uts --ipc bash "$HERE/init.sh" "$ROOT" >"$ROOT/../console.log" 2>&1
  ) &
  LAUNCHER=$!
  eventually 20 'the first process of the machine' machine_has_first_process
  eventually 60 'systemd is up' machine_is_up
}

machine_has_first_process() {
  # By name: before it becomes systemd, the launcher has other children.
  FIRST=$(pgrep -P "$LAUNCHER" -x systemd)
}

machine_is_gone() {
  ! kill -0 "$FIRST" 2>/dev/null
}

machine_is_up() {
  local state
  state=$(inside systemctl is-system-running 2>/dev/null) || true
  [[ $state == running || $state == degraded ]]
}

machine_stop() {
  [[ -n $FIRST ]] || return 0
  # Power off at once, as systemd(1) says.
  kill -s RTMIN+14 "$FIRST" 2>/dev/null || true
  eventually 5 'the machine is off' machine_is_gone 2>/dev/null || true
  kill -9 "$FIRST" 2>/dev/null || true
  wait "$LAUNCHER" 2>/dev/null || true
  FIRST=
  local directory
  for directory in $(cgroup_directories); do
    find "$directory" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
}

# inside COMMAND...: runs it on the machine, as root.
inside() {
  nsenter -t "$FIRST" -m -u -i -n -p -C -- \
    env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# Our directory in every hierarchy of the host that a machine needs.
cgroup_directories() {
  local controller own name
  if [[ $(stat -f -c %T /sys/fs/cgroup) == cgroup2fs ]]; then
    echo "/sys/fs/cgroup/$GROUP"
    return
  fi
  for controller in memory pids cpu cpuacct blkio devices freezer systemd unified; do
    name=$controller
    [[ $controller == systemd ]] && name=name=systemd
    own=$(awk -F: -v name="$name" '$2 == name { print $3 }' /proc/self/cgroup)
    [[ $controller == unified ]] && own=/
    [[ -d /sys/fs/cgroup/$controller ]] && echo "/sys/fs/cgroup/$controller${own%/}/$GROUP"
  done
}

# eventually SECONDS WHAT COMMAND...: waits until the command succeeds, or fails with WHAT.
eventually() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    if [[ $SECONDS -ge $deadline ]]; then
      echo "waited in vain: $what" >&2
      return 1
    fi
    sleep 0.2
  done
}
