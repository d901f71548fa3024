# What every script of cases begins with. `case NAME COMMAND...` runs a command between two lines by which its output is
# found again; `as_root` and `as_user` are the two who start flowjail.
case_() {
    local name=$1
    shift
    # A line of its own for each mark, whatever the output ends with.
    echo "@@ begin $name"
    "$@" 2>&1
    echo "
@@ end $name $?"
}
as_root() { "$@"; }
as_user() { /t/work as 1000 "$@"; }
# Programs lie where stages link them from, and where an ordinary user can read them.
mkdir -p /var/tmp/t && cp /t/* /var/tmp/t && cd /
export PATH=/bin:/usr/bin
