#!/bin/sh
# engine.sh DIR CGROUP: dockerd in mount, pid and cgroup namespaces of the tests' own. Whoever ends this process ends
# the engine and every container.
#   DIR     data and socket of the engine
#   CGROUP  a new, empty cgroup of the machine's v2 hierarchy: all that the engine makes is below it
set -u
dir=$1 cgroup=$2 stage=${3-first}

case $stage in
first)
    mkdir "$cgroup/launcher" && echo 0 >"$cgroup/cgroup.procs" || exit 1
    exec unshare --cgroup "$0" "$dir" "$cgroup" rooted
    ;;
rooted) # Controllers are switched on for children only where the parent holds no process (EBUSY).
    echo 0 >"$cgroup/launcher/cgroup.procs" || exit 1
    exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc "$0" "$dir" "$cgroup" inside
    ;;
esac

# The cgroups of the machine go out of sight, all that were mounted above each other.
while for one in /sys/fs/cgroup/*; do umount "$one" 2>/dev/null; done; umount /sys/fs/cgroup 2>/dev/null; do :; done
mount -t sysfs none /sys && mount -t cgroup2 none /sys/fs/cgroup || exit 1
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null
done

dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" -H "unix://$dir/docker.sock" \
    --exec-opt native.cgroupdriver=cgroupfs --dns 169.254.169.254 --log-level warn &
child=$!
trap 'kill "$child"' TERM
# The first process of a pid namespace reaps what is left to it; a trapped signal ends one wait.
while kill -0 "$child" 2>/dev/null; do wait "$child"; done
