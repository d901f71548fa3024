#!/bin/bash
# image.sh DIR: the disk image of a small Debian with systemd and node, in DIR; prints its path.
#
# Made once for each version of this script. It is built beside its place and moved there when it is whole, so that an
# image that is there can be used. Nothing of flowjail's is in it: that comes with the initramfs of each boot.
set -euo pipefail
umask 022
dir=$(readlink -m "$1")
image=$dir/systemd-$(sha256sum "$0" | cut -c 1-12).img
mkdir -p "$dir"
exec 9> "$dir/image.lock"
flock 9
if [ -e "$image" ]; then
    echo "$image"
    exit 0
fi

# The mirror is the one that this machine's own sources name.
mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null || true; } |
    grep -v '^#' | grep -oE 'https?://[^ ]+/debian/?' | head -n 1)
[ -n "$mirror" ] || { echo "image.sh: no Debian mirror in this machine's apt sources" >&2; exit 1; }

work=$(mktemp -d "$dir/systemd-image.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 0755 "$work"
wanted=systemd,systemd-sysv,udev,dbus,dbus-user-session,libpam-systemd,iproute2,procps,ca-certificates,nodejs
# A user whose manager runs without a login.
mmdebstrap --mode=root --variant=minbase --include="$wanted" \
    --aptopt='Acquire::Retries "3"' --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --customize-hook='chroot "$1" useradd --create-home --uid 1001 --shell /bin/bash ada' \
    --customize-hook='mkdir -p "$1/var/lib/systemd/linger" && touch "$1/var/lib/systemd/linger/ada"' \
    --customize-hook='echo guest > "$1/etc/hostname"' \
    --customize-hook='rm -rf "$1/var/cache/apt" "$1/var/lib/apt/lists"' \
    bookworm "$work/root" "$mirror" >&2
truncate -s 900M "$work/disk.img"
mke2fs -q -t ext4 -d "$work/root" "$work/disk.img" >&2
mv "$work/disk.img" "$image"
echo "$image"
