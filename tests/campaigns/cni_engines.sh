#!/usr/bin/env bash
# Runs podman and containerd with the plugins of rawns, as root, in mount and network namespaces of their own:
#
#     tests/campaigns/cni_engines.sh [podman|containerd]
#
# Needs Debian's podman, crun, containerd, runc, busybox-static, iproute2, nftables and netcat.  Exit status 1 if something is not
# as expected.  An engine that does not run here is named with its own sentence.
set -u
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if [ -z "${INSIDE:-}" ]; then
  status=0
  for engine in ${1:-podman containerd}; do
    command -v $engine >/dev/null || { echo "$engine: skipped, it is not installed"; continue; }
    INSIDE=$engine unshare --mount --net --pid --fork --mount-proc --propagation private "$0" || status=1
  done
  exit $status
fi

work=$(mktemp -d)
trap 'cd /; umount "$work"; rmdir "$work"' EXIT
for directory in "$work" /run /var/lib/cni; do mkdir -p $directory; mount -t tmpfs tmpfs $directory; done
mkdir -p "$work"/{bin,cni,root,state} "$work"/rootfs/{bin,proc,sys,dev,etc,tmp,run}
cp "$(command -v busybox)" "$work/rootfs/bin/busybox"
for name in sh sleep ip ping nc echo; do ln -s busybox "$work/rootfs/bin/$name"; done
ip link set lo up
cat > "$work/bin/rawns" <<PROGRAM
#!${PYTHON:-/usr/bin/python3}
import sys
sys.path.insert(0, "$project")
from rawns.cli.main import entry
entry()
PROGRAM
chmod 755 "$work/bin/rawns"
"$work/bin/rawns" applets --install-cni "$work/bin" >/dev/null || exit 1
failed=0

conflist() { # NAME NUMBER
  local ipam='{"type": "host-local", "ranges": [[{"subnet": "10.'$2'.0.0/24"}]]}'
  echo '{"cniVersion": "'${VERSION:-1.0.0}'", "name": "'$1'", "plugins": [
    {"type": "bridge", "bridge": "cni-'$1'", "isDefaultGateway": true, "ipMasq": true, "ipam": '$ipam'},
    {"type": "portmap", "capabilities": {"portMappings": true}}]}' > "$work/cni/$1.conflist"
}
expect() { # TITLE WORDS COMMAND...: the output of the command has the words
  local title=$1 words=$2 output
  shift 2
  output=$("$@" 2>&1)
  case $output in *"$words"*) echo "$INSIDE: $title: right" ;; *) echo "$INSIDE: $title: WRONG: $output"; failed=1 ;; esac
}
nothing_left() {
  expect "no cable is left" "cables: 0" sh -c 'echo "cables: $(ip -br link | grep -c veth)"'
  expect "no table is left" "tables: 0" sh -c 'echo "tables: $(nft list tables | grep -c cni-)"'
  expect "no lease is left" "leases: 0" sh -c 'echo "leases: $(find /var/lib/cni/networks -name "10.*" | wc -l)"'
}

if [ "$INSIDE" = podman ]; then
  umount -R /sys/fs/cgroup 2>/dev/null # crun refuses a mixture of both versions of cgroups
  mount -t cgroup2 none /sys/fs/cgroup
  conflist podman 88
  conflist second 89
  cat > "$work/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[network]
network_backend = "cni"
cni_plugin_dirs = ["$work/bin"]
network_config_dir = "$work/cni"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "crun"
CONF
  export CONTAINERS_CONF=$work/containers.conf
  engine() { podman --root "$work/root" --runroot "$work/state" --storage-driver vfs --tmpdir "$work/tmp" "$@"; }
  start() { engine run -d --cgroups=disabled "$@" --rootfs "$work/rootfs" /bin/sleep 300; }
  output=$(start --name one -p 8080:80 2>&1) || { echo "podman does not run here: $output"; exit 1; }
  start --name two >/dev/null
  start --name three --network podman,second >/dev/null
  expect "address" "inet 10.88.0.2/24" engine exec one ip addr show eth0
  expect "ping between containers" "1 packets received" engine exec two ping -c1 -W5 10.88.0.2
  expect "second network" "inet 10.89.0.2/24" engine exec three ip addr show eth1
  expect "ping in the second network" "1 packets received" engine exec three ping -c1 -W5 10.89.0.1
  engine exec -d one sh -c 'while echo answer | nc -l -p 80; do :; done' >/dev/null
  expect "published port" answer sh -c 'for n in 1 2 3 4 5; do nc -w2 127.0.0.1 8080 </dev/null && exit; sleep 0.2; done'
  engine restart -t 0 one >/dev/null 2>&1
  expect "restart" "inet 10.88.0." engine exec one ip addr show eth0
  engine rm -f -t 0 one two three >/dev/null 2>&1
else
  mkdir -p /opt/cni /etc/cni
  mount -t tmpfs tmpfs /opt/cni
  mount -t tmpfs tmpfs /etc/cni
  mkdir /opt/cni/bin /etc/cni/net.d
  "$work/bin/rawns" applets --install-cni /opt/cni/bin >/dev/null
  conflist ctr 77
  cp "$work/cni/ctr.conflist" /etc/cni/net.d/
  containerd --root "$work/root" --state "$work/state" --address "$work/socket" > "$work/log" 2>&1 &
  for _ in $(seq 100); do [ -S "$work/socket" ] && break; sleep 0.1; done
  engine() { timeout 60 ctr -a "$work/socket" -n rawns-tests run --rm --cni --rootfs "$work/rootfs" "$@"; }
  expect "address" "inet 10.77.0.2/24" engine one /bin/ip addr show eth0
  expect "route" "default via 10.77.0.1" engine two /bin/ip route
  expect "ping to the node" "1 packets received" engine three /bin/ping -c1 -W5 10.77.0.1
  kill %1
  wait
  find /sys/fs/cgroup -depth -path '*/rawns-tests*' -type d -exec rmdir {} + 2>/dev/null
fi
nothing_left
exit $failed
