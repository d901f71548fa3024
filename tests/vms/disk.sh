# A disk of the guest's own, whose writing is limited.
top=/sys/fs/cgroup
mkdir -p /var/tmp/p /mnt
mke2fs /dev/ubda > /dev/null && mount -t ext4 /dev/ubda /mnt || exit 99
mkdir /mnt/data && chown 1000:1000 /mnt/data
profile() { # NAME LINES
    {
        echo 'extends = ["base"]'
        echo '[files]'
        echo 'read = ["/var/tmp/t"]'
        echo 'write = ["/mnt/data"]'
        echo '[promises]'
        for promise in exec files native-code privilege processes egress ingress; do
            echo "$promise = \"prefer\""
        done
        echo '[resources]'
        echo "$2"
    } > "/var/tmp/p/$1.toml"
}
n='
'
limits="memory = \"40M\"${n}cpus = 4${n}pids = 16${n}"
profile slow "${limits}io = { write = \"512K\" }"
profile wide "$limits"
echo "+memory +pids +cpu +io" > $top/cgroup.subtree_control
mkdir $top/user
chown 1000:1000 $top/user $top/user/cgroup.procs $top/user/cgroup.subtree_control
writes() { # PROFILE
    sh -c 'echo 0 > "$0/cgroup.procs" && exec "$@"' $top/user /t/work as 1000 /var/tmp/t/flowjail run \
        --profile "/var/tmp/p/$1.toml" -- /var/tmp/t/work write 6 /mnt/data/file
}
case_ slow writes slow
case_ wide writes wide
