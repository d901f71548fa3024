#!/bin/bash
# packages.sh DIR THING...: Debian packages, unpacked below DIR without touching the machine's own apt.
#
#   NAME/SUITE     that package, in DIR/x/NAME
#   kernel/SUITE   the cloud kernel of that suite with its modules, whatever it is called there now, in DIR/kernel/SUITE
#
# What is there already is skipped. A thing is unpacked beside its place and moved there when it is whole.
set -euo pipefail
umask 022
dir=$(readlink -m "$1")
shift
mkdir -p "$dir"/{state/lists/partial,cache/archives/partial,etc/none,x,kernel}
exec 9> "$dir/lock"
flock 9

place() {
    case $1 in
        kernel/*) echo "$dir/$1" ;;
        *) echo "$dir/x/${1%%/*}" ;;
    esac
}

missing=()
for thing in "$@"; do
    [ -d "$(place "$thing")" ] || missing+=("$thing")
done
[ ${#missing[@]} -gt 0 ] || exit 0

# The mirror is the one that this machine's own sources name.
mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null || true; } |
    grep -v '^#' | grep -oE 'https?://[^ ]+/debian/?' | head -n 1)
mirror=${mirror%/}
[ -n "$mirror" ] || { echo "packages.sh: no Debian mirror in this machine's apt sources" >&2; exit 1; }
signed='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
cat > "$dir/etc/sources.list" <<LIST
deb $signed $mirror bookworm main
deb $signed $mirror-security bookworm-security main
deb $signed $mirror bookworm-backports main
deb $signed $mirror trixie-backports main
LIST
: > "$dir/state/status"
cat > "$dir/etc/apt.conf" <<CONF
Dir::State "$dir/state";
Dir::State::status "$dir/state/status";
Dir::Cache "$dir/cache";
Dir::Etc::sourcelist "$dir/etc/sources.list";
Dir::Etc::sourceparts "$dir/etc/none";
Dir::Etc::preferencesparts "$dir/etc/none";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
APT::Architecture "amd64";
APT::Sandbox::User "root";
CONF
export APT_CONFIG=$dir/etc/apt.conf
apt-get -qq update

# The packages behind the metapackage of a suite's kernel: the newer ones split it in several.
kernel_packages() {
    local suite=$1 wanted=(linux-image-cloud-amd64) all=() found name
    while [ ${#wanted[@]} -gt 0 ]; do
        name=${wanted[0]}
        wanted=("${wanted[@]:1}")
        found=$(apt-cache depends "$name/$suite" | sed -nE 's/^ *Depends: (linux-(image|binary|modules|base)-[^ ]+)$/\1/p')
        for name in $found; do
            case " ${all[*]-} ${wanted[*]-} " in
                *" $name "*) ;;
                *) wanted+=("$name"); case $name in *[0-9]*) all+=("$name") ;; esac ;;
            esac
        done
    done
    echo "${all[@]}"
}

unpack() { # INTO PACKAGE...
    local into=$1 fresh=$1.new.$$ package
    shift
    rm -rf "$1.new."* "$fresh"
    mkdir -p "$fresh/debs"
    for package in "$@"; do
        (cd "$fresh/debs" && apt-get -qq download "$package")
    done
    for package in "$fresh"/debs/*.deb; do
        dpkg -x "$package" "$fresh"
        basename "$package" >> "$fresh/packages"
    done
    rm -rf "$fresh/debs"
    mv "$fresh" "$into"
    echo "packages.sh: $(tr '\n' ' ' < "$into/packages")" >&2
}

for thing in "${missing[@]}"; do
    case $thing in
        kernel/*)
            suite=${thing#kernel/}
            packages=$(kernel_packages "$suite")
            [ -n "$packages" ] || { echo "packages.sh: no kernel in $suite" >&2; exit 1; }
            # shellcheck disable=SC2086,SC2046 # a list of words
            unpack "$(place "$thing")" $(printf "%s/$suite " $packages)
            ;;
        *) unpack "$(place "$thing")" "$thing" ;;
    esac
done
