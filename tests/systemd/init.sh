#!/bin/busybox sh
# pid 1 until systemd is: mounts the disk, puts the files of this boot into it (the disk is a snapshot, nothing of that
# is kept), and gives way.
export PATH=/bin
mount -t devtmpfs d /dev
mount -t proc p /proc
for module in $(cat /modules/order); do
    insmod "/modules/$module.ko" || echo "insmod $module: failed"
done
tries=0
until [ -b /dev/vda ] || [ $tries -ge 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
if ! mount -t ext4 /dev/vda /root; then
    echo "no disk"
    echo "EXIT 99"
    poweroff -f
fi
cp -a /payload/. /root/
echo "KERNEL $(uname -r), disk after $(cut -d' ' -f1 /proc/uptime) s"
umount /proc
mount --move /dev /root/dev
exec switch_root /root /sbin/init
