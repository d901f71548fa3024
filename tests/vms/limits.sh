# Limits: memory that runs out, a fork bomb, a share of the CPU; for root, for a user with a cgroup that was handed over, and
# for the same in a user namespace. Each beside a start that stays within.
top=/sys/fs/cgroup
mkdir -p /var/tmp/p /var/tmp/e
chmod 1777 /var/tmp/e
cd /var/tmp/p
profile() { # NAME LEVEL LINES
    {
        echo 'extends = ["base"]'
        echo '[files]'
        echo 'read = ["/var/tmp/t"]'
        echo '[syscalls]'
        echo 'allow = ["@children"]'
        echo '[promises]'
        echo "limits = \"$2\""
        # Not what these are about, and not to be had on every kernel.
        for promise in exec files native-code privilege processes egress ingress; do
            echo "$promise = \"prefer\""
        done
        echo '[layers]'
        # Without RLIMIT_NPROC it is pids.max that holds the bomb.
        echo 'rlimits = "off"'
        echo '[resources]'
        echo "$3"
    } > "$1.toml"
    chmod 644 "$1.toml"
}
n='
'
profile small require "memory = \"40M\"${n}cpus = 4${n}pids = 16"
profile half require "memory = \"40M\"${n}cpus = 0.5${n}pids = 16"
profile wide require "memory = \"200M\"${n}cpus = 4${n}pids = 200"
profile prefer prefer "memory = \"40M\"${n}cpus = 4${n}pids = 16"

echo "+memory +pids +cpu" > $top/cgroup.subtree_control
mkdir $top/root $top/user $top/nested
for group in user nested; do
    chown 1000:1000 $top/$group $top/$group/cgroup.procs $top/$group/cgroup.subtree_control $top/$group/cgroup.threads
done

# Starts a command in a cgroup of its own, and nobody else with it.
within() { # WHO COMMAND...
    local group=$1
    shift
    case $group in
        root) sh -c 'echo 0 > "$0/cgroup.procs" && exec "$@"' $top/root "$@" ;;
        user) sh -c 'echo 0 > "$0/cgroup.procs" && exec "$@"' $top/user /t/work as 1000 "$@" ;;
        nested) sh -c 'echo 0 > "$0/cgroup.procs" && exec "$@"' $top/nested /t/work as 1000 /t/work userns "$@" ;;
    esac
}
run() { # WHO PROFILE ACT [N]
    local who=$1 chosen=$2
    shift 2
    rm -f /var/tmp/e/events
    within "$who" /var/tmp/t/flowjail run --profile "/var/tmp/p/$chosen.toml" --events /var/tmp/e/events -- /var/tmp/t/work "$@"
    local status=$?
    grep -E '"event":"(limit|exit)"' /var/tmp/e/events | sed 's/^/EVENT /'
    return $status
}
now() { cut -d' ' -f1 /proc/uptime; }
# What the jail's own cgroup used, seen from outside while it runs: looks, two seconds apart.
share() { # WHO PROFILE
    local spent=$top/$1/flowjail-jail/cpu.stat
    # What an earlier start as root could not remove counts no more.
    rmdir $top/"$1"/flowjail-* 2> /dev/null
    run "$1" "$2" spin 14 &
    local i=0
    until grep -qs 'usage_usec [0-9]\{5\}' "$spent" || [ $i -gt 300 ]; do
        sleep 0.1
        i=$((i + 1))
    done
    for i in 1 2 3 4; do
        echo "USED $(sed -n 's/^usage_usec //p' "$spent") AT $(now)"
        [ $i = 4 ] || sleep 2
    done
    wait $!
}
left() { # WHO
    (cd $top && find "$1" -type d | sort)
    cat $top/"$1"/cgroup.procs $top/"$1"/*/cgroup.procs 2> /dev/null
    [ "$(cat $top/"$1"/cgroup.events | sed -n 's/populated //p')" = 0 ]
}

for who in root user nested; do
    case_ hog-$who run $who small hog 200
    case_ hog-fits-$who run $who wide hog 60
    case_ bomb-$who run $who small bomb 60
    case_ bomb-fits-$who run $who wide bomb 60
    case_ half-$who share $who half
    case_ left-$who left $who
done
case_ whole-user share user wide

# Where no cgroup can be had: refused, or run without.
both() { # NAME COMMAND...
    local name=$1
    shift
    case_ "$name-require" "$@" small
    case_ "$name-prefer" "$@" prefer
}
plain() { # WHO PROFILE
    "as_$1" /var/tmp/t/flowjail run --profile "/var/tmp/p/$2.toml" -- /var/tmp/t/work say
}
inside() { # WHO PROFILE
    within "$1" /var/tmp/t/flowjail run --profile "/var/tmp/p/$2.toml" -- /var/tmp/t/work say
}
both crowded-root plain root
both foreign-user plain user
both own-root inside root
both own-user inside user
# In a mount namespace of its own the hierarchy is read-only, and the cgroup as good as before.
read_only() { # WHO PROFILE
    local become=
    [ "$1" = root ] || become="/t/work as 1000"
    sh -c 'echo 0 > "$0/cgroup.procs" && exec "$@"' $top/"$1" unshare -m sh -c \
        'mount -o remount,ro,bind /sys/fs/cgroup && exec "$@"' sh $become \
        /var/tmp/t/flowjail run --profile "/var/tmp/p/$2.toml" -- /var/tmp/t/work say
}
both readonly-root read_only root
both readonly-user read_only user
# Cgroups that are the user's, and odd.
own() { # GROUP...
    local group
    for group; do
        mkdir "$top/$group"
        chown 1000:1000 "$top/$group" "$top/$group"/cgroup.*
    done
}
at() { # GROUP PROFILE [ACT [N]]
    local group=$1 chosen=$2
    shift 2
    [ $# -gt 0 ] || set -- say
    sh -c 'echo 0 > "$0/cgroup.procs" && exec "$@"' "$top/$group" /t/work as 1000 \
        /var/tmp/t/flowjail run --profile "/var/tmp/p/$chosen.toml" -- /var/tmp/t/work "$@"
}
own threaded full taken locked unit unit/supervisor unit.service unit.service/other.scope
mkdir $top/threaded/below
echo threaded > $top/threaded/below/cgroup.type
both threaded-user at threaded
echo 1 > $top/full/cgroup.max.descendants
both full-user at full
mkdir $top/taken/flowjail-jail
sleep 1000 &
echo $! > $top/taken/flowjail-jail/cgroup.procs
both taken-user at taken
kill $!
# Another flowjail holds this lock while its jail starts.
mkdir $top/locked/flowjail-jail
chown 1000:1000 $top/locked/flowjail-jail
case_ locked-user /t/work lock $top/locked/flowjail-jail sh -c 'echo 0 > "$0/cgroup.procs" && exec "$@"' $top/locked /t/work as 1000 \
    /var/tmp/t/flowjail run --profile /var/tmp/p/small.toml -- /var/tmp/t/work say
# Put into a leaf of what was handed over, as by DelegateSubgroup=, with somebody else beside it.
/t/work mark $top/unit
/t/work mark $top/unit.service
sleep 1000 &
echo $! > $top/unit/supervisor/cgroup.procs
case_ subgroup-user-require at unit/supervisor small
case_ subgroup-hog at unit/supervisor small hog 200
kill $!
case_ subgroup-left sh -c 'cd /sys/fs/cgroup && find unit -type d | sort && cat unit/cgroup.subtree_control'
both below-manager-user at unit.service/other.scope
# A mount with a blank in its name where the first is hidden, beside one whose name is no text.
elsewhere() { # PROFILE
    sh -c 'echo 0 > "$0/cgroup.procs" && exec "$@"' $top/user unshare -m sh -c '
        odd=$(printf "/run/\377")
        mkdir -p "$odd" "/run/c g" && mount -t tmpfs t "$odd" && mount -t cgroup2 c "/run/c g" || exit 99
        mount -t tmpfs t /sys/fs/cgroup && exec "$@"' sh /t/work as 1000 \
        /var/tmp/t/flowjail run --profile "/var/tmp/p/$1.toml" -- /var/tmp/t/work say
}
case_ elsewhere-user-require elsewhere small
# Limits that the launch itself reaches.
profile tiny require "memory = \"4K\"${n}cpus = 4${n}pids = 16"
profile alone require "memory = \"40M\"${n}cpus = 4${n}pids = 1"
case_ tiny at user tiny
case_ alone at user alone
# A limit around, below the jail's own.
echo 30M > $top/user/memory.max
case_ around run user small hog 200
echo max > $top/user/memory.max
rmdir $top/*/flowjail-* $top/root $top/user $top/nested 2> /dev/null
umount $top
mount -t cgroup -o none,name=v1 v1 $top || mount -t tmpfs t $top
both v1-root plain root
both v1-user plain user
