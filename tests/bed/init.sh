#!/bin/busybox sh
# pid 1 of a guest: mounts, runs /case, and says "EXIT n" as the last line, by which the guest is judged.
export PATH=/bin HOME=/root
# The kernel's first root cannot be left by pivot_root(2). A bind of it that lies over it can.
if [ -z "$MOVED" ]; then
    mkdir -p /root.new
    mount --bind / /root.new
    cd /root.new
    mount --move . /
    MOVED=1 exec chroot . /init
fi
mount -t proc p /proc
mount -t sysfs s /sys
mount -t devtmpfs d /dev
mkdir -p /dev/shm /dev/pts
mount -t devpts -o mode=620,ptmxmode=666 p /dev/pts
ln -sf pts/ptmx /dev/ptmx 2>/dev/null
for link in fd: stdin:/0 stdout:/1 stderr:/2; do
    ln -sf "/proc/self/fd${link#*:}" "/dev/${link%%:*}"
done
for place in /tmp /var/tmp /dev/shm; do
    mount -t tmpfs -o mode=1777 t $place
done
mount -t tmpfs -o mode=755 t /run
mount -t cgroup2 c /sys/fs/cgroup 2>/dev/null || mkdir -p /sys/fs/cgroup
mount -t securityfs s /sys/kernel/security 2>/dev/null
# The kernel's own words are for its log: between the lines of others they would make both unreadable.
dmesg -n 1
ip link set lo up
hostname guest
echo "KERNEL $(uname -r), up after $(cut -d' ' -f1 /proc/uptime) s"
/bin/busybox sh /case < /dev/null
echo "EXIT $?"
poweroff -f
