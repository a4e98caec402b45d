#!/bin/bash
# The first process of the test machine: makes ROOT its root file system and becomes systemd. Started by machine.sh in
# namespaces of its own (mounts, processes, network, cgroups, names), so nothing here is seen by the host.
set -euo pipefail
root=$1

mount_cgroups() {
  mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
  if [[ $(stat -f -c %T /sys/fs/cgroup) == cgroup2fs ]]; then
    umount sys/fs/cgroup
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    return
  fi
  local controller
  for controller in memory pids cpu cpuacct blkio devices freezer; do
    [[ -d /sys/fs/cgroup/$controller ]] || continue
    mkdir "sys/fs/cgroup/$controller"
    mount -t cgroup -o "$controller" cgroup "sys/fs/cgroup/$controller"
  done
  mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
  mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
}

make_devices() {
  mount -t tmpfs -o mode=755 tmpfs dev
  local device
  for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
  done
  mkdir dev/pts dev/shm
  mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
  ln -s pts/ptmx dev/ptmx
  mount -t tmpfs tmpfs dev/shm
}

mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount_cgroups
make_devices
mkdir -p .host
pivot_root . .host
umount -l /.host
rmdir /.host
ip link set lo up
# Without it, systemd cannot hand credentials over to a service of another user.
mount --make-rshared /
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=journal </dev/null
