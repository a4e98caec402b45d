# What the package and its service promise, as shell functions named by the promise. Sourced by `run`.

readonly CONFIG=/etc/heapwatch/heapwatch.toml
readonly TOKEN=token-of-the-leaking-service

# -- the claims, in the order they are told --

the_readme_installs_a_service_that_watches() {
  start_leaking_service
  mkdir -p "$ROOT/root/target/package"
  cp "$OLD" "$ROOT/root/target/package/"
  install_section >"$ROOT/root/install.sh"
  grep -q 'apt install' "$ROOT/root/install.sh"
  # There is no sudo on the machine, and we are root.
  inside bash -ec 'cd /root; sudo() { "$@"; }; source install.sh' >"$ROOT/../install.log" 2>&1 || { cat "$ROOT/../install.log"; return 1; }
  is_active
  [[ $(inside systemctl is-enabled heapwatch) == enabled ]]
  eventually 60 'the target is polled' has_polled
}

what_is_installed_belongs_to_whom_it_should() {
  [[ $(inside stat -c '%a %U:%G' /etc/heapwatch) == '750 root:heapwatch' ]]
  [[ $(inside stat -c '%a %U:%G' $CONFIG) == '640 root:heapwatch' ]]
  [[ $(inside stat -c '%a %U:%G' /var/lib/heapwatch) == '700 heapwatch:heapwatch' ]]
  [[ $(inside ps -o user= -p "$(main_pid)") == heapwat* ]]
  inside man -w 1 heapwatch >/dev/null
  inside man -w 1 heapwatch-check >/dev/null
  inside man 5 heapwatch.toml 2>/dev/null | grep -q 'interval = "30s"'
  inside bash -ec 'source /usr/share/bash-completion/completions/heapwatch; complete -p heapwatch' >/dev/null
}

a_bad_file_ends_the_start_with_78_and_no_restarts() {
  configure 'interval = "0s"'
  inside systemctl stop heapwatch
  ! inside systemctl start heapwatch 2>/dev/null
  # A restart that is to come would show as activating.
  [[ $(property ActiveState) == failed ]]
  [[ $(property ExecMainStatus) == 78 ]]
  [[ $(property NRestarts) == 0 ]]
  inside systemctl reset-failed heapwatch
}

# Why the unit has no ExecStartPre=heapwatch check.
an_exit_code_of_a_check_before_the_start_would_not_end_restarts() {
  inside tee /run/systemd/system/checked.service >/dev/null <<'UNIT'
[Service]
ExecStartPre=/bin/sh -c 'exit 78'
ExecStart=/bin/true
Restart=on-failure
RestartSec=100ms
RestartPreventExitStatus=78
UNIT
  inside systemctl daemon-reload
  ! inside systemctl start checked 2>/dev/null
  eventually 10 'the unit is restarted all the same' was_restarted checked
  inside systemctl stop checked
}

it_is_ready_only_when_it_really_is() {
  configure ''
  # The last step before the start is over is to take the port, and somebody has it.
  inside systemd-run --quiet --unit=squatter --setenv=ADMIN_TOKEN=x --setenv=PORT=9797 sh -c 'sleep infinity | /opt/service demo-service'
  eventually 10 'the port is taken' inside sh -c 'ss -ltn | grep -q 127.0.0.1:9797'
  ! inside systemctl start heapwatch 2>/dev/null
  [[ $(property ActiveState) == activating ]]
  inside systemctl stop squatter
  # The service comes up by itself once it can.
  eventually 30 'the service is ready' is_active
  inside heapwatch status >/dev/null
  [[ $(property StatusText) == *'1 target'* ]]
}

a_reload_takes_a_good_file() {
  local before
  before=$(main_pid)
  configure '[[targets]]
name = "second"
url = "http://127.0.0.1:3000/"'
  inside systemctl reload heapwatch
  eventually 10 'the new target is watched' test_targets 2
  [[ $(main_pid) == "$before" ]]
}

a_reload_refuses_a_bad_file_and_says_where() {
  local before
  before=$(main_pid)
  configure 'intervall = "1s"'
  ! inside systemctl reload heapwatch 2>/dev/null
  is_active
  [[ $(main_pid) == "$before" ]]
  test_targets 2
  local line
  line=$(inside grep -n intervall $CONFIG | cut -d: -f1)
  eventually 10 'the journal says why' inside sh -c "journalctl -u heapwatch | grep -q '$CONFIG:$line: is no key of heapwatch; did you mean'"
}

the_journal_has_fields() {
  local entry
  entry=$(inside journalctl -u heapwatch -o json -n 1 HEAPWATCH_TARGETS=1)
  [[ $(json '.SYSLOG_IDENTIFIER' <<<"$entry") == heapwatch ]]
  [[ $(json '.MESSAGE' <<<"$entry") == *'watches 1 target'* ]]
  [[ $(json '.PRIORITY' <<<"$entry") == 5 || $(json '.PRIORITY' <<<"$entry") == 6 ]]
}

limits_hold_in_its_cgroup() {
  # A host may forbid its root to be spared, and systemd then starts services as they are.
  if inside sh -c 'echo -500 >/proc/self/oom_score_adj' 2>/dev/null; then
    [[ $(inside cat "/proc/$(main_pid)/oom_score_adj") == -500 ]]
  else
    [[ $(property OOMScoreAdjust) == -500 ]]
  fi
  local group=system.slice/heapwatch.service v1=/sys/fs/cgroup/memory v2=/sys/fs/cgroup
  if inside test -f "$v1/$group/memory.limit_in_bytes"; then
    [[ $(inside cat "$v1/$group/memory.limit_in_bytes") == $((2 << 30)) ]]
    [[ $(inside cat "/sys/fs/cgroup/pids/$group/pids.max") == 512 ]]
  elif inside test -f "$v2/$group/memory.max"; then
    [[ $(inside cat "$v2/$group/memory.max") == $((2 << 30)) ]]
    [[ $(inside cat "$v2/$group/pids.max") == 512 ]]
  else
    echo '  skipped: this host gives no memory controller to new cgroups'
    return
  fi
  # What is over a limit dies, and the rest goes on.
  inside systemd-run --quiet --unit=greedy --property=MemoryMax=32M --property=MemorySwapMax=0 tail /dev/zero
  eventually 20 'a service over its MemoryMax= is killed' is_state greedy failed
  is_active
}

a_credential_proves_who_asks_for_a_snapshot() {
  # Readable by root alone, which the service is not.
  inside install -m 600 /dev/null /root/checkout.token
  inside tee /root/checkout.token <<<"$TOKEN" >/dev/null
  inside mkdir -p /etc/systemd/system/heapwatch.service.d
  inside tee /etc/systemd/system/heapwatch.service.d/test.conf >/dev/null <<'UNIT'
[Service]
LoadCredential=checkout.token:/root/checkout.token
WatchdogSec=3s
UNIT
  inside systemctl daemon-reload
  configure 'snapshot = { token_file = "checkout.token", gap = "10m", cooldown = "10m", disk_reserve = "16MiB" }'
  inside systemctl restart heapwatch
  # The manager's own credentials are for the service; a person's check finds them all the same.
  inside heapwatch check >/dev/null 2>&1
  inside systemctl reload heapwatch
  eventually 90 'the leak is confirmed' has_episode
  eventually 60 'its first snapshot is stored' has_snapshot
  [[ $(inside stat -c '%a %U' /var/lib/heapwatch/snapshots) == '700 heapwatch' ]]
  episode >"$ROOT/../episode"
}

killed_it_comes_back_with_its_episode() {
  local before
  before=$(main_pid)
  inside kill -9 "$before"
  eventually 30 'it runs again' runs_anew "$before"
  [[ $(property NRestarts) -ge 1 ]]
  same_episode
}

an_upgrade_keeps_the_configuration_and_the_episode() {
  local before configured
  before=$(main_pid)
  configured=$(inside md5sum $CONFIG)
  install_package "$NEW"
  runs_anew "$before"
  [[ $(inside dpkg-query -W -f '${Version}' heapwatch) == *-2 ]]
  [[ $(inside md5sum $CONFIG) == "$configured" ]]
  [[ $(inside stat -c '%a %U:%G' $CONFIG) == '640 root:heapwatch' ]]
  same_episode
  # In order, so nothing was lost.
  ! inside sh -c "journalctl -u heapwatch _PID=$(main_pid) | grep -q 'did not stop in order'"
}

a_wedged_daemon_is_replaced_by_the_watchdog() {
  local before
  before=$(main_pid)
  inside kill -STOP "$before"
  eventually 60 'it is replaced' runs_anew "$before"
  inside sh -c 'journalctl -u heapwatch -n 50 | grep -q "Watchdog timeout"'
  same_episode
}

a_stop_ends_in_time_with_a_target_that_hangs() {
  inside systemctl kill --signal=STOP leaky
  local started=$SECONDS
  inside systemctl stop heapwatch
  [[ $((SECONDS - started)) -le 15 ]]
  [[ $(property Result) == success ]]
  inside systemctl kill --signal=CONT leaky
  inside systemctl start heapwatch
  same_episode
}

removed_it_leaves_configuration_and_state() {
  inside dpkg --remove heapwatch >/dev/null
  ! is_active
  ! inside test -e /usr/bin/heapwatch
  ! inside test -e /usr/lib/systemd/system/heapwatch.service
  inside test -s $CONFIG
  inside test -s /var/lib/heapwatch/heapwatch.db
  # Whoever changes their mind finds everything again.
  install_package "$NEW"
  inside systemctl enable --quiet --now heapwatch
  same_episode
}

purged_it_leaves_nothing_but_what_others_put_there() {
  inside install -m 600 /root/checkout.token /etc/heapwatch/checkout.token
  inside rm -r /etc/systemd/system/heapwatch.service.d
  inside dpkg --purge heapwatch >/dev/null 2>&1
  ! inside test -e $CONFIG
  ! inside test -e /var/lib/heapwatch
  ! inside test -e /etc/systemd/system/multi-user.target.wants/heapwatch.service
  inside test -s /etc/heapwatch/checkout.token
  inside getent passwd heapwatch >/dev/null
}

# -- what they are made of --

# The commands of README.md's section on installing, as they stand there.
install_section() {
  sed -n '/^## Install/,/^## /p' README.md | sed -n '/^```sh$/,/^```$/p' | grep -v '^```' | sed -n '/apt install/,$p'
}

# A service with a leak and snapshots on port 3000, which owes nothing to the package.
start_leaking_service() {
  dpkg-deb --fsys-tarfile "$OLD" | tar -xO ./usr/bin/heapwatch >"$ROOT/opt/service"
  chmod 755 "$ROOT/opt/service"
  inside systemd-run --quiet --unit=leaky --setenv=ADMIN_TOKEN="$TOKEN" --setenv=PORT=3000 --setenv=LOAD_RATE=20 \
    --setenv=LEAK_BYTES=20000 sh -c 'sleep infinity | /opt/service demo-service'
  eventually 20 'the leaking service listens' inside sh -c 'ss -ltn | grep -q 127.0.0.1:3000'
}

# configure LINES: a target at the pace of a test, with more lines for it. Written as an editor does, into the same file.
configure() {
  inside tee $CONFIG >/dev/null <<TOML
[defaults]
interval = "250ms"
timeout = "200ms"
connect_timeout = "100ms"
detection = { block = "1s", warm_up = "2s", hold = "6s", patience = 0.01, filling = "12s", longest_tooth = "10s", day = "30s", verify = "5m", min_slope = "150 MB/h" }

[[targets]]
name = "leaky"
url = "http://127.0.0.1:3000"
memory_limit = "1GiB"
$1
TOML
}

install_package() {
  cp "$1" "$ROOT/opt/package.deb"
  inside dpkg --install /opt/package.deb >"$ROOT/../dpkg.log" 2>&1 || { cat "$ROOT/../dpkg.log"; return 1; }
}

# json .PATH: that part of the JSON on standard input.
json() {
  node -e 'let found = JSON.parse(require("fs").readFileSync(0))'"$1"'; console.log(found ?? "")'
}

property() {
  inside systemctl show heapwatch --property "$1" --value
}

main_pid() {
  property MainPID
}

is_active() {
  is_state heapwatch active
}

is_state() {
  [[ $(inside systemctl show "$1" --property ActiveState --value) == "$2" ]]
}

was_restarted() {
  [[ $(inside systemctl show "$1" --property NRestarts --value) -ge 2 ]]
}

# The process first: one that has just ended is 0, and asked before it the state may still be the old one's.
runs_anew() {
  local now
  now=$(main_pid)
  [[ $now -gt 0 && $now != "$1" ]] && is_active
}

status() {
  inside heapwatch status --json 2>/dev/null | json "$1"
}

test_targets() {
  [[ $(status '.targets.length') == "$1" ]]
}

has_polled() {
  [[ $(status '.targets[0].watch.polls') -ge 1 && $(status '.targets[0].watch.failed_polls') == 0 ]]
}

episode() {
  status '.targets[0].care.episode?.id'
}

has_episode() {
  [[ -n $(episode) ]]
}

has_snapshot() {
  [[ $(status '.targets[0].care.episode?.snapshots.length') -ge 1 ]]
}

same_episode() {
  [[ $(episode) == "$(cat "$ROOT/../episode")" ]]
}
